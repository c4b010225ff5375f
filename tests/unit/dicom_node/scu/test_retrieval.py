"""What studies lack is asked for once, comes over our own AE, and what a PACS does wrong is a
sentence that holds nobody up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicom_node.center import Approval, Center, Completeness, QuerySource, ReturnDestination
from dicom_node.registry.registry import StudyState
from dicom_node.scp.listener import Listener, ListenerSettings
from dicom_node.scu import retrieval
from dicom_node.scu.caller import Caller
from dicom_node.scu.query_retrieve import Limits, Moved
from dicom_node.scu.retrieval import Witness, answer_in_words, fetch_due, read_witness
from tests.support.dicom_datasets import set_listed_images
from tests.support.intake_bench import FRAME, Bench, center, ct_slice, rtstruct, whole_study
from tests.support.query_pacs import QueryPacs
from tests.support.stow_bodies import part10_file

pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)

QUICK = Limits(find_s=60.0, stalled_s=60.0, move_s=60.0, matches=50, arrival_s=30.0)


@dataclass
class Place:
    """A node's listening AE, its PACS and its centre."""

    bench: Bench
    pacs: QueryPacs
    center: Center

    def settle(self) -> int:
        return self.bench.registry.studies.settle(self.center)

    def quiet(self) -> None:
        """Let the quiet period pass, and decide."""
        self.bench.clock.advance(60)
        self.settle()

    def fetch(self, limits: Limits = QUICK) -> int:
        return fetch_due(
            self.bench.registry.retrievals,
            Caller("ANNULUS"),
            [self.center],
            self.bench.archive.instances,
            5.0,
            900.0,
            limits,
            threading.Event(),
        )

    def only(self) -> tuple[StudyState, str]:
        (study,) = self.bench.registry.studies.summaries()
        return study.state, study.sentence or ""


@contextmanager
def _place(bench: Bench, held: list[Dataset], **more: Any) -> Iterator[Place]:
    settings = ListenerSettings("ANNULUS", "127.0.0.1", 0, 4)
    pacs = QueryPacs(held, 0)
    source = QuerySource(ReturnDestination("PACS", "127.0.0.1", pacs.port))
    alpha = replace(center(**more), query_from=source)
    listener = Listener(settings, (alpha,), bench.services, bench.registry.incidents)
    listener.start()
    pacs.node_port = listener.port
    try:
        with pacs:
            yield Place(bench, pacs, alpha)
    finally:
        listener.stop(drain_s=0.0)


def _study() -> tuple[list[Dataset], Dataset]:
    slices, drawn = whole_study(8)
    return slices, drawn


def test_the_slices_that_the_list_names_come_and_the_study_is_scored_once(bench: Bench) -> None:
    slices, drawn = _study()
    with _place(bench, [*slices, drawn]) as place:
        bench.push(*slices[::2], drawn)
        assert place.settle() == 0
        place.quiet()
        assert place.only() == (
            StudyState.RECEIVING,
            "something is missing, and the centre's PACS is asked for it",
        )
        assert bench.registry.retrievals.counts() == {("alpha", "waiting"): 1}
        assert place.fetch() == 1
        assert place.only() == (StudyState.QUEUED, "")
        assert place.pacs.moved == [str(one.SOPInstanceUID) for one in slices[1::2]]
        assert place.fetch() == 0
        place.quiet()
    assert bench.registry.outbox.counts()["waiting"] == 1
    assert bench.registry.retrievals.counts() == {("alpha", "done"): 1}
    assert bench.registry.incidents.latest() == []


@pytest.mark.slow
@pytest.mark.parametrize("completeness", list(Completeness))
def test_what_the_pacs_does_not_have_is_said_and_it_is_not_asked_again(
    bench: Bench, completeness: Completeness
) -> None:
    slices, drawn = _study()
    with _place(bench, [*slices[:6], drawn], completeness=completeness) as place:
        bench.push(*slices[:5], drawn)
        place.quiet()
        assert place.fetch() == 1
        place.quiet()
        queries = len(place.pacs.queries)
        words = "it does not have 2 of the 3 that were missing, and 1 that were missing came"
        if completeness is Completeness.STRICT:
            state, sentence = place.only()
            assert state is StudyState.INCOMPLETE
            assert "send the 2 that are missing" in sentence
            assert words in sentence
        else:
            (study,) = bench.registry.studies.summaries()
            unmet = bench.registry.outbox.files(study.study_key).warnings
            assert [words in one.sentence for one in unmet if one.code == "list-unmet"] == [True]
        assert place.fetch() == 0
        assert len(place.pacs.queries) == queries
        if completeness is Completeness.STRICT:
            bench.push(slices[6])  # another content: the PACS may have more by now
            place.pacs.held.append(slices[7])
            place.quiet()
            assert place.fetch() == 1
            assert place.only() == (StudyState.QUEUED, "")


@pytest.mark.slow
def test_the_ct_of_an_rtstruct_is_found_in_another_study_of_the_patient(bench: Bench) -> None:
    slices, drawn = _study()
    drawn.StudyInstanceUID = "1.2.77"
    set_listed_images(
        drawn, "1.2.78", "1.2.1.1", FRAME, [str(one.SOPInstanceUID) for one in slices]
    )
    with _place(bench, [*slices, drawn]) as place:
        bench.push(drawn)
        place.quiet()
        assert place.fetch() == 1
        states = {one.state for one in bench.registry.studies.summaries()}
        assert states == {StudyState.QUEUED, StudyState.JOINED}
        levels = [str(one.QueryRetrieveLevel) for one in place.pacs.queries]
        assert levels == ["SERIES", "SERIES", "STUDY", "SERIES", "IMAGE"]


def _with_status(status: str | None, day: str, number: int) -> Dataset:
    listed = [str(one.SOPInstanceUID) for one in whole_study(8)[0]]
    made = rtstruct(listed, sop=f"1.2.1.9.{number}", made=(day, "083000"))
    if status is not None:
        made.ApprovalStatus = status
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("held", "rule", "came"),
    [
        ([("APPROVED", "20240101"), ("UNAPPROVED", "20240202")], Approval.APPROVED, "1.2.1.9.0"),
        ([("APPROVED", "20240101"), ("UNAPPROVED", "20240202")], Approval.ANY, "1.2.1.9.1"),
        ([("APPROVED", "20240102"), ("APPROVED", "20240101")], Approval.APPROVED, "1.2.1.9.0"),
        ([(None, "20240101"), (None, "20240102")], Approval.APPROVED, "1.2.1.9.1"),
        ([("UNAPPROVED", "20240101")], Approval.APPROVED, None),
        ([], Approval.APPROVED, None),
    ],
)
def test_the_newest_approved_rtstruct_of_the_slices_comes(
    bench: Bench, held: list[tuple[str | None, str]], rule: Approval, came: str | None
) -> None:
    slices, _ = _study()
    drawn = [_with_status(*one, number) for number, one in enumerate(held)]
    with _place(bench, drawn) as place:
        assert place.center.query_from is not None
        source = replace(place.center.query_from, rtstruct=rule)
        place.center = replace(place.center, query_from=source)
        bench.push(*slices)
        place.quiet()
        assert place.fetch() == 1
        place.settle()
        assert place.pacs.moved == ([came] if came else [])
        state, sentence = place.only()
        assert state is (StudyState.QUEUED if came else StudyState.INCOMPLETE)
        if came is None:
            unmet = "none approved" if held else "it has no RTSTRUCT in this study"
            assert unmet in sentence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"find_status": 0xA700}, "answered a query with status 0xA700"),
        ({"flood": True}, "more than 50 matches"),
        ({"silent": True}, "did not come to an end with one of our queries in time"),
        ({"stall": True}, "did not come to an end with one of our retrievals in time"),
        ({"move_status": 0xA702}, "answered a retrieval with status 0xA702"),
        ({"knows_us": False}, "does not know ANNULUS as a place to send to"),
        ({"renames": {"StudyInstanceUID": "9.9"}}, "another StudyInstanceUID than was asked for"),
    ],
)
def test_a_pacs_that_answers_wrong_is_a_sentence_and_the_study_is_decided_all_the_same(
    bench: Bench, fault: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    slices, drawn = _study()
    with _place(bench, [*slices, drawn], completeness=Completeness.STRICT) as place:
        for name, value in fault.items():
            setattr(place.pacs, name, value)
        bench.push(*slices[:5], drawn)
        place.quiet()
        find_s = 0.5 if "silent" in fault else QUICK.find_s
        stalled_s = 0.5 if "stall" in fault else QUICK.stalled_s
        place.fetch(replace(QUICK, find_s=find_s, stalled_s=stalled_s))
        bench.clock.advance(place.center.longest_wait_s)
        place.settle()
        state, sentence = place.only()
        assert state is StudyState.INCOMPLETE
        assert words in sentence
        said = caplog.text
    assert "1.2.1.1" not in said
    assert "P1" not in said


def test_a_pacs_that_tells_no_modality_is_not_taken_for_one_without_an_rtstruct(
    bench: Bench,
) -> None:
    slices, drawn = _study()
    with _place(bench, [*slices, drawn]) as place:
        place.pacs.withholds = {"Modality"}
        bench.push(*slices)
        place.quiet()
        place.fetch()
        bench.clock.advance(place.center.longest_wait_s)
        place.settle()
        _, sentence = place.only()
    assert "without Modality (0008,0060)" in sentence
    assert "has no RTSTRUCT" not in sentence


@pytest.mark.slow
def test_other_instances_than_were_asked_for_are_noticed(bench: Bench) -> None:
    slices, drawn = _study()
    with _place(bench, [*slices, drawn], completeness=Completeness.STRICT) as place:
        place.pacs.sends_instead = [ct_slice(0, study="1.2.5", series="1.2.5.1", patient="P5")]
        bench.push(*slices[:5], drawn)
        place.quiet()
        place.fetch(replace(QUICK, arrival_s=0.2))
        place.settle()
        first = bench.registry.studies.summaries()[-1]
        assert "it has 3 that were missing, says that it sent 1 and" in str(first.sentence)


def test_a_pacs_that_is_down_is_asked_again_and_a_study_waits_for_it_no_longer_than_for_a_sender(
    bench: Bench,
) -> None:
    slices, drawn = _study()
    with _place(bench, [*slices, drawn], completeness=Completeness.STRICT) as place:
        bench.push(*slices[:5], drawn)
        assert place.center.query_from is not None
        gone = replace(place.center.query_from.called, port=1)
        there, place.center = (
            place.center,
            replace(place.center, query_from=replace(place.center.query_from, called=gone)),
        )
        place.quiet()
        assert place.fetch() == 0
        assert place.fetch() == 0  # not due yet
        bench.clock.advance(place.center.longest_wait_s)
        place.settle()
        state, sentence = place.only()
        assert state is StudyState.INCOMPLETE
        assert "is not reached" in sentence
        assert "offers Study Root FIND and MOVE" in sentence
        place.center = there
        assert place.fetch() == 1
        assert place.only() == (StudyState.QUEUED, "")


@pytest.mark.slow
def test_one_study_that_ends_the_association_does_not_keep_the_others_from_being_asked_for(
    bench: Bench,
) -> None:
    slices, drawn = _study()
    other = [ct_slice(index, study="1.2.2", series="1.2.2.1", patient="P2") for index in range(8)]
    listed = [str(one.SOPInstanceUID) for one in other]
    second = rtstruct(listed, study="1.2.2", sop="1.2.2.9.1", patient="P2")
    second.SeriesInstanceUID = "1.2.2.9"
    with _place(bench, [*slices, drawn, *other, second]) as place:
        bench.push(*slices[:5], drawn)
        bench.push(*other[:5], second)
        place.quiet()
        first, last = bench.registry.retrievals.due(["alpha"])
        bench.registry.retrievals.mark_failed(first.study_key, "PACS closed it", 5.0)
        bench.registry.retrievals.put_off([last.study_key], "PACS closed it", 5.0)
        bench.clock.advance(5)
        due = bench.registry.retrievals.due(["alpha"])
        assert [(one.study_key, one.attempts) for one in due] == [
            (last.study_key, 0),
            (first.study_key, 1),
        ]
        assert place.fetch() == 2
        assert bench.registry.outbox.counts()["waiting"] == 2


@pytest.mark.slow
def test_who_asks_for_too_long_gives_up_and_an_operator_asks_again(bench: Bench) -> None:
    slices, drawn = _study()
    with _place(bench, [*slices, drawn], completeness=Completeness.STRICT) as place:
        place.pacs.find_status = 0xC000
        bench.push(*slices[:5], drawn)
        place.quiet()
        for _ in range(10):
            place.fetch()
            bench.clock.advance(900)
        assert len(place.pacs.queries) == 6
        assert bench.registry.retrievals.counts() == {("alpha", "failed"): 1}
        place.settle()
        (study,) = bench.registry.studies.summaries()
        assert study.state is StudyState.INCOMPLETE
        place.pacs.find_status = None
        bench.registry.outbox.requeue(study.study_key)
        place.quiet()
        assert place.fetch() == 1
        assert place.only() == (StudyState.QUEUED, "")


def test_an_error_that_nobody_foresaw_is_the_study_s_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unforeseen(_path: Path) -> Witness:
        raise KeyError("PATIENT^NAME")

    monkeypatch.setattr(retrieval, "read_witness", unforeseen)
    slices, drawn = _study()
    with _place(bench, [*slices, drawn], completeness=Completeness.STRICT) as place:
        bench.push(*slices[:5], drawn)
        place.quiet()
        assert place.fetch() == 0
        assert place.fetch() == 0  # not due again at once
        bench.clock.advance(place.center.longest_wait_s)
        place.settle()
        _, sentence = place.only()
    assert "could not be worked on (KeyError at" in sentence
    assert "PATIENT" not in sentence


def test_a_patient_id_that_a_query_would_take_for_more_is_not_asked_for(
    bench: Bench, tmp_path: Path
) -> None:
    _, drawn = _study()
    for patient_id, asked in (("P*", None), ("P?", None), ("P1", "P1"), ("", None)):
        drawn.PatientID = patient_id
        drawn.save_as(tmp_path / "one.dcm", enforce_file_format=True)
        assert read_witness(tmp_path / "one.dcm").patient_id == asked
    bench.clock.advance(0)


@pytest.mark.parametrize(
    ("asked", "came", "unmet", "words"),
    [
        (0, 0, None, "it has nothing more of it"),
        (3, 3, None, "3 that were missing came from it"),
        (0, 0, "has no CT", "it has no CT"),
        (3, 3, "lacks 2", "it lacks 2, and 3 that were missing came from it"),
    ],
)
def test_an_answer_is_a_sentence(asked: int, came: int, unmet: str | None, words: str) -> None:
    told = answer_in_words(asked, came, Moved(came, 0), unmet)
    assert told == f"The centre's PACS was asked: {words}."


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("named", ["*", "1.2.?", ["1.2.7", "1.2.8"], "STUDY 7", ""])
def test_a_study_that_is_named_by_no_uid_is_not_asked_for(tmp_path: Path, named: Any) -> None:
    drawn = rtstruct(["1.2.1.1.1"])
    (frame,) = drawn.ReferencedFrameOfReferenceSequence
    frame.RTReferencedStudySequence[0].ReferencedSOPInstanceUID = named
    (tmp_path / "one.dcm").write_bytes(part10_file(drawn))
    assert read_witness(tmp_path / "one.dcm").studies == ("1.2.1",)
