"""A list is fetched line by line, each with its result, and another run goes on where one ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicom_node.center import QuerySource, ReturnDestination
from dicom_node.errors import RetrievalError, UnreachableError
from dicom_node.pseudonym import patient_key, study_key
from dicom_node.scp.listener import Listener, ListenerSettings
from dicom_node.scu.caller import Caller
from dicom_node.scu.list_retrieval import ListRetrieval, result_in_words
from dicom_node.scu.query_retrieve import Limits
from dicom_node.scu.retrieval import await_arrival
from dicom_node.scu.study_list import LineResult, Outcome, read_list, results_of, tally
from tests.support.intake_bench import KEY, Bench, center, ct_slice, rtstruct
from tests.support.query_pacs import QueryPacs

pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)

QUICK = Limits(find_s=60.0, stalled_s=60.0, move_s=60.0, matches=500, arrival_s=30.0)
NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def _study(number: int, *, description: str = "Planning", approval: str | None = None) -> Any:
    study, patient = f"1.2.{number}", f"P{number:04d}"
    series = f"{study}.1"
    slices = [ct_slice(index, study=study, series=series, patient=patient) for index in range(5)]
    listed = [str(one.SOPInstanceUID) for one in slices]
    drawn = rtstruct(listed, study=study, sop=f"{study}.9.1", patient=patient, square_mm=(4, 6, 6))
    drawn.SeriesInstanceUID = f"{study}.9"
    if approval is not None:
        drawn.ApprovalStatus = approval
    for one in (*slices, drawn):
        one.AccessionNumber = f"A{number}"
        one.SeriesDescription = description
    return [*slices, drawn]


@dataclass
class Place:
    """A node's listening AE, its PACS, and what fetches lists."""

    bench: Bench
    pacs: QueryPacs
    fetching: ListRetrieval
    folder: Path

    def run(self, text: str) -> list[LineResult]:
        file = self.folder / "list.csv"
        file.write_text(text)
        with results_of(file) as results:
            return list(self.fetching.run(read_list(file), results))

    def sentence(self) -> str:
        file = self.folder / "list.csv"
        with results_of(file) as results:
            return tally(read_list(file), results).sentence

    def source(self, **changes: Any) -> None:
        center = self.fetching.center
        assert center.query_from is not None
        source = replace(center.query_from, **changes)
        self.fetching = replace(self.fetching, center=replace(center, query_from=source))


@contextmanager
def _place(bench: Bench, folder: Path, held: list[Dataset]) -> Iterator[Place]:
    pacs = QueryPacs(held, 0)
    source = QuerySource(
        ReturnDestination("PACS", "127.0.0.1", pacs.port), studies_per_hour=100_000
    )
    alpha = replace(center(), query_from=source)
    settings = ListenerSettings("ANNULUS", "127.0.0.1", 0, 4)
    listener = Listener(settings, (alpha,), bench.services, bench.registry.incidents)
    listener.start()
    pacs.node_port = listener.port
    fetching = ListRetrieval(
        bench.registry.retrievals,
        Caller("ANNULUS"),
        alpha,
        bench.archive.instances,
        KEY,
        threading.Event(),
        lambda: NOON,
        QUICK,
        longest_wait_s=0.0,
    )
    try:
        with pacs:
            yield Place(bench, pacs, fetching, folder)
    finally:
        listener.stop(drain_s=0.0)


@pytest.mark.slow
def test_each_line_has_its_result_and_a_second_run_has_nothing_to_do(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    held = [one for number in range(1, 5) for one in _study(number)]
    text = (
        "patient_id;accession_number;study_instance_uid\n"
        "P0001;;\n;A2;\n;;1.2.3\nP0004;A4;1.2.4\nP0001;A2;\nP*;;\n;;\nP0009;;\nP0001;;\n"
    )
    with _place(bench, tmp_path, held) as place:
        results = place.run(text)
        assert [(one.line, one.outcome) for one in results] == [
            (2, Outcome.FETCHED),
            (3, Outcome.FETCHED),
            (4, Outcome.FETCHED),
            (5, Outcome.FETCHED),
            (6, Outcome.NOT_FOUND),
            (7, Outcome.WRONG),
            (8, Outcome.WRONG),
            (9, Outcome.NOT_FOUND),
            (10, Outcome.WRONG),
        ]
        first = results[0]
        assert first.patient == patient_key(KEY, "alpha", "P0001")
        assert first.study == study_key(KEY, "alpha", "1.2.1")
        assert (first.instances, first.sentence) == (6, "")
        assert place.run(text) == []
        assert "4 fetched, 2 not found, 3 wrong line" in place.sentence()
        assert place.run(text.replace("P0009", "P0002")) == [
            replace(
                results[1], line=9, wish=place_wish(place, 9), outcome=Outcome.HERE, instances=0
            )
        ]
    assert bench.registry.outbox.counts()["waiting"] == 4
    said = caplog.text + (tmp_path / "list.results.csv").read_text()
    for identifier in ("P0001", "A2", "1.2.3", "P0009"):
        assert identifier not in said


def place_wish(place: Place, line: int) -> str:
    """Return the pseudonym that the results have of a line."""
    with results_of(place.folder / "list.csv") as results:
        return next(one.wish for one in results.latest() if one.line == line)


@pytest.mark.slow
def test_only_the_planning_ct_that_the_rule_takes_comes(bench: Bench, tmp_path: Path) -> None:
    other = [
        ct_slice(index, study="1.2.1", series="1.2.1.5", patient="P0001") for index in range(3)
    ]
    dose = ct_slice(0, study="1.2.1", series="1.2.1.6", patient="P0001")
    dose.Modality = "RTDOSE"
    for one in (*other, dose):
        one.SeriesDescription = "Diagnostic"
    held = [*_study(1), *other, dose, *_study(2, description="Thorax 4D")]
    with _place(bench, tmp_path, held) as place:
        place.source(ct_description="plan.*")
        came, left = place.run("patient_id\nP0001\nP0002\n")
        assert (came.outcome, came.instances) == (Outcome.FETCHED, 6)
        assert left.outcome is Outcome.LEFT
        assert "none that ct_description takes." in left.sentence
        assert {uid.rpartition(".")[0] for uid in place.pacs.moved} == {"1.2.1.1", "1.2.1.9"}


def test_a_study_without_an_approved_rtstruct_is_left(bench: Bench, tmp_path: Path) -> None:
    held = [*_study(1, approval="UNAPPROVED"), *_study(2)[:-1]]
    with _place(bench, tmp_path, held) as place:
        unapproved, undrawn = place.run("patient_id\nP0001\nP0002\n")
        assert (unapproved.outcome, undrawn.outcome) == (Outcome.LEFT, Outcome.LEFT)
        assert "has 1 RTSTRUCT, none approved" in unapproved.sentence
        assert "has no RTSTRUCT in 1 study" in undrawn.sentence
        assert place.pacs.moved == []


@pytest.mark.slow
def test_a_patient_id_of_any_letters_is_asked_for(bench: Bench, tmp_path: Path) -> None:
    held = _study(1)
    for one in held:
        one.PatientID, one.SpecificCharacterSet = "Ö-łódź 1", "ISO_IR 192"
    with _place(bench, tmp_path, held) as place:
        came, other = place.run("patient_id\nÖ-łódź 1\nO-łódź 1\n")
        assert (came.outcome, other.outcome) == (Outcome.FETCHED, Outcome.NOT_FOUND)


def test_a_key_of_several_patients_is_left(bench: Bench, tmp_path: Path) -> None:
    held = [*_study(1), *_study(2)]
    for one in held:
        one.AccessionNumber = "SAME"
    with _place(bench, tmp_path, held) as place:
        (result,) = place.run("accession_number\nSAME\n")
        assert result.outcome is Outcome.LEFT
        assert "stands for 2 studies of 2 patients" in result.sentence


@pytest.mark.slow
def test_what_the_pacs_does_wrong_is_a_result_and_is_asked_again(
    bench: Bench, tmp_path: Path
) -> None:
    with _place(bench, tmp_path, _study(1)) as place:
        place.pacs.find_status = 0xC001
        (failed,) = place.run("patient_id\nP0001\n")
        assert failed.outcome is Outcome.FAILED
        assert "status 0xC001" in failed.sentence
        place.pacs.find_status = None
        place.pacs.sends_instead = [ct_slice(0, study="1.2.8", series="1.2.8.1")]
        place.fetching = replace(place.fetching, limits=replace(QUICK, arrival_s=0.2))
        (partly,) = place.run("patient_id\nP0001\n")
        assert partly.outcome is Outcome.SOME
        assert "and 0 came" in partly.sentence
        place.pacs.sends_instead = []
        (fetched,) = place.run("patient_id\nP0001\n")
        assert fetched.outcome is Outcome.FETCHED


@pytest.mark.slow
def test_a_pacs_that_is_gone_ends_the_run_and_another_goes_on_there(
    bench: Bench, tmp_path: Path
) -> None:
    with _place(bench, tmp_path, [*_study(1), *_study(2)]) as place:
        (first,) = place.run("patient_id\nP0001\n")
        assert first.outcome is Outcome.FETCHED
        gone = replace(place.fetching.source.called, port=1)
        there = place.fetching
        place.source(called=gone)
        with pytest.raises(UnreachableError, match=r"The list ends in line 3"):
            place.run("patient_id\nP0001\nP0002\n")
        place.fetching = there
        (second,) = place.run("patient_id\nP0001\nP0002\n")
        assert (second.line, second.outcome) == (3, Outcome.FETCHED)


@pytest.mark.slow
def test_a_line_that_is_stopped_in_the_middle_has_one_result_in_the_end(
    bench: Bench, tmp_path: Path
) -> None:
    with _place(bench, tmp_path, [*_study(1), *_study(2)]) as place:
        asked: list[str] = []

        def stop_at_the_second(*series: Any, **named: Any) -> frozenset[str]:
            asked.append("arrival")
            if len(asked) == 3:  # of its RTSTRUCT, after RTSTRUCT and CT of the first
                place.fetching.stopping.set()
                return frozenset(series[2])  # nothing of it has come by then
            return await_arrival(*series, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dicom_node.scu.list_retrieval.await_arrival", stop_at_the_second)
            (first,) = place.run("patient_id\nP0001\nP0002\n")
        assert (first.line, first.outcome) == (2, Outcome.FETCHED)
        place.fetching.stopping.clear()
        (second,) = place.run("patient_id\nP0001\nP0002\n")
        assert (second.line, second.outcome) == (3, Outcome.FETCHED)
        kept = (place.folder / "list.results.csv").read_text().splitlines()
        assert [line.split(",")[0] for line in kept[1:]] == ["2", "3"]


def test_nothing_is_asked_for_outside_the_hours_or_by_a_centre_that_names_no_pacs(
    bench: Bench, tmp_path: Path
) -> None:
    with _place(bench, tmp_path, _study(1)) as place:
        place.source(hours=(20, 6))
        place.fetching = replace(place.fetching, waits_for_hours=False)
        assert place.run("patient_id\nP0001\n") == []
        assert "1 not asked for yet" in place.sentence()
        place.fetching = replace(place.fetching, waits_for_hours=True)
        threading.Timer(0.2, place.fetching.stopping.set).start()
        assert place.run("patient_id\nP0001\n") == []
        place.fetching = replace(place.fetching, center=center())
        with pytest.raises(RetrievalError, match="names no PACS that may be asked"):
            place.run("patient_id\nP0001\n")


@pytest.mark.slow
def test_the_rate_is_kept_between_studies_that_came(bench: Bench, tmp_path: Path) -> None:
    pauses: list[float] = []

    class Slept(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0.0)
            return super().wait(min(timeout or 0.0, 0.1))

    with _place(bench, tmp_path, [*_study(1), *_study(2)]) as place:
        place.source(studies_per_hour=6)
        place.fetching = replace(place.fetching, stopping=Slept())
        place.run("patient_id\nP0009\nP0001\nP0002\n")
    assert [one for one in pauses if one > 1] == [600.0, 600.0]


def test_a_result_is_a_line_of_a_log() -> None:
    result = LineResult(3, "w", Outcome.FETCHED, "p" * 16, "s" * 16, 1, "The newest of 2")
    assert result_in_words(result) == (
        "Line 3: fetched, 1 instance (patient pppppppppppppppp). The newest of 2"
    )
