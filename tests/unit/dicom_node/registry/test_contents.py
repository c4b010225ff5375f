"""An RTSTRUCT that came in another study than its CT is matched by its list, in either order."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import event
from sqlalchemy.engine import Engine

from dicom_node.center import Completeness
from dicom_node.registry.registry import StudyState, StudySummary
from tests.support.dicom_datasets import set_listed_images
from tests.support.intake_bench import FRAME, Bench, center, ct_slice, rtstruct, whole_study

OF_RTSTRUCT = "1.2.2"


def _apart(count: int = 4, patient: str = "P1") -> tuple[list[Dataset], Dataset]:
    """Return the slices of one study, and the RTSTRUCT on them in another."""
    slices, _ = whole_study(count)
    names = [str(one.SOPInstanceUID) for one in slices]
    return slices, rtstruct(names, study=OF_RTSTRUCT, patient=patient)


def _by_key(bench: Bench) -> dict[str, StudySummary]:
    return {one.study_key: one for one in bench.registry.studies.summaries()}


def _states(bench: Bench) -> set[StudyState]:
    return {one.state for one in _by_key(bench).values()}


def _settle(bench: Bench, completeness: Completeness = Completeness.LENIENT) -> None:
    bench.clock.advance(60)
    bench.registry.studies.settle(center(completeness=completeness))


@pytest.mark.parametrize("settles_between", [False, True])
@pytest.mark.parametrize("first", ["ct", "rtstruct"])
def test_both_orders_of_arrival_give_one_content_in_the_study_of_the_ct(
    bench: Bench, first: str, *, settles_between: bool
) -> None:
    slices, drawn = _apart()
    parts = [slices, [drawn]] if first == "ct" else [[drawn], slices]
    bench.push(*parts[0])
    (of_first,) = _by_key(bench)
    if settles_between:
        _settle(bench)
        assert _states(bench) == {StudyState.INCOMPLETE}
        bench = bench.reopen()
    bench.push(*parts[1])
    (of_second,) = set(_by_key(bench)) - {of_first}
    of_ct, of_drawn = (of_first, of_second) if first == "ct" else (of_second, of_first)
    assert bench.state(of_ct) == (StudyState.QUEUED, None)
    assert bench.state(of_drawn) == (
        StudyState.JOINED,
        (
            f"Its RTSTRUCT was drawn on the CT of study {of_ct} of the same patient: the score and "
            "the report are there."
        ),
    )
    _settle(bench)
    files = bench.registry.outbox.files(of_ct)
    assert (len(files.ct), files.rtstruct.sop_instance_uid) == (4, "1.2.1.9.1")
    assert files.rtstruct.path.is_file()
    assert files.warnings == ()
    assert bench.registry.outbox.counts()["waiting"] == 1
    bench.registry.outbox.finish(
        of_ct, files.content_digest, None, StudyState.EXTRACTED, None, None
    )
    assert _states(bench) == {StudyState.EXTRACTED, StudyState.JOINED}
    bench.close()


def test_without_instances_in_the_list_the_series_matches(bench: Bench) -> None:
    slices, drawn = _apart(12)
    set_listed_images(drawn, OF_RTSTRUCT, "1.2.1.1", FRAME, [])
    drawn.ROIContourSequence[0].ContourSequence[0].ContourData = [4, 4, 15, 6, 4, 15, 6, 6, 15]
    bench.push(drawn, *slices)
    assert _states(bench) == {StudyState.RECEIVING, StudyState.JOINED}
    _settle(bench, Completeness.STRICT)
    assert _states(bench) == {StudyState.QUEUED, StudyState.JOINED}
    assert [one.code for one in bench.claim().warnings] == ["no-list"]


def test_an_rtstruct_before_its_own_ct_leaves_the_patients_other_study_alone(bench: Bench) -> None:
    done = bench.complete(1)
    listed = ["1.9.9.1", "1.9.9.2"]
    drawn = rtstruct(listed, study=OF_RTSTRUCT, sop="1.2.2.9.1")
    set_listed_images(drawn, OF_RTSTRUCT, "1.9.9", FRAME, listed)
    bench.push(drawn)
    assert bench.state(done) == (StudyState.QUEUED, None)
    assert len(bench.registry.outbox.files(done).ct) > 1
    assert _states(bench) == {StudyState.QUEUED, StudyState.RECEIVING}


def test_a_study_with_the_named_ct_keeps_its_rtstruct(bench: Bench) -> None:
    first, second = bench.complete(1), bench.complete(2)
    assert {bench.state(key)[0] for key in (first, second)} == {StudyState.QUEUED}
    assert len(bench.registry.outbox.files(second).ct) == 3


def test_an_rtstruct_that_is_drawn_anew_in_another_study_is_a_new_content(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    first = bench.claim()
    names = [str(one.SOPInstanceUID) for one in slices]
    anew = rtstruct(names, study=OF_RTSTRUCT, sop="1.2.2.9.1", made=("20240601", ""))
    bench.push(anew)
    second = bench.claim()
    assert second.study_key == first.study_key
    assert second.content_digest != first.content_digest
    assert [one.code for one in second.warnings] == ["several-rtstructs"]
    files = bench.registry.outbox.files(first.study_key)
    assert files.rtstruct.sop_instance_uid == "1.2.2.9.1"


def test_the_ct_of_another_patient_is_left_alone_and_that_is_said(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    good = bench.claim()
    names = [str(one.SOPInstanceUID) for one in slices]
    bench.push(
        rtstruct(names, study=OF_RTSTRUCT, sop="1.2.2.9.1", patient="P2", made=("20240601", ""))
    )
    _settle(bench)
    (other,) = set(_by_key(bench)) - {good.study_key}
    state, sentence = bench.state(other)
    assert state is StudyState.INCOMPLETE
    assert sentence == (
        "The CT that the RTSTRUCT lists is here under another Patient ID, or without one: correct "
        "the patient at the source and send both again."
    )
    assert bench.state(good.study_key) == (StudyState.QUEUED, None)


def test_another_centre_is_never_matched(bench: Bench) -> None:
    slices, drawn = _apart()
    bench.push(*slices)
    bench.push(drawn, center_name="beta")
    _settle(bench)
    bench.registry.studies.settle(center("beta"))
    assert _states(bench) == {StudyState.INCOMPLETE}


def test_a_joined_study_that_is_requeued_is_joined_again(bench: Bench) -> None:
    slices, drawn = _apart()
    bench.push(drawn, *slices)
    (joined,) = (key for key, one in _by_key(bench).items() if one.state is StudyState.JOINED)
    bench.registry.outbox.requeue(joined)
    _settle(bench)
    assert bench.state(joined)[0] is StudyState.JOINED


def test_a_scout_in_the_study_of_the_rtstruct_is_no_ct_of_its_own(bench: Bench) -> None:
    slices, drawn = _apart()
    scout = ct_slice(0, study=OF_RTSTRUCT, series="1.2.1.5")
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    bench.push(scout, drawn, *slices)
    assert _states(bench) == {StudyState.QUEUED, StudyState.JOINED}


def test_one_more_instance_costs_no_more_where_its_patient_has_many_studies(bench: Bench) -> None:
    statements: list[str] = []

    def count(*arguments: Any) -> None:
        statements.append(arguments[2])

    def cost(number: int) -> int:
        slices = [
            ct_slice(index, study=f"1.3.{number}", series=f"1.3.{number}.1") for index in range(2)
        ]
        bench.push(slices[0])
        event.listen(Engine, "before_cursor_execute", count)
        try:
            bench.push(slices[1])
        finally:
            event.remove(Engine, "before_cursor_execute", count)
        found = len(statements)
        statements.clear()
        return found

    bench.complete(1)
    first = cost(1)
    for number in range(2, 12):
        bench.complete(number)
    assert cost(2) <= first + 2
