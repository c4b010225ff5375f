"""The studies: quiet ones are decided, and what never becomes complete is told once, with what is
missing.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select, update

from dicom_node.center import Completeness
from dicom_node.errors import IncidentKind, StudyStateError, UnknownStudyError
from dicom_node.registry.ct_choice import NameVerdict
from dicom_node.registry.registry import StudyState
from dicom_node.registry.schema import instances
from tests.support.dicom_datasets import set_rois, square
from tests.support.intake_bench import FRAME, Bench, center, ct_slice, rtstruct, whole_study


def test_a_quiet_study_is_settled_after_its_quiet_period_and_new_instances_reopen_it(
    bench: Bench,
) -> None:
    slices, drawn = whole_study()
    bench.push(*slices[:2])
    bench.clock.advance(59)
    bench.push(slices[0])  # the sender is still at it
    bench.clock.advance(59)
    assert bench.registry.studies.settle(center()) == 0
    bench.clock.advance(1)
    assert bench.registry.studies.settle(center("beta")) == 0
    assert bench.registry.studies.settle(center()) == 1
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.INCOMPLETE
    assert study.sentence is not None
    assert "no RTSTRUCT" in study.sentence
    bench.push(drawn)
    assert bench.state(study.study_key) == (StudyState.RECEIVING, None)
    bench.clock.advance(60)
    bench.registry.studies.settle(center(completeness=Completeness.STRICT))
    assert bench.state(study.study_key)[0] is StudyState.INCOMPLETE
    bench.registry.outbox.requeue(study.study_key)  # after the rule was changed
    bench.clock.advance(60)
    bench.registry.studies.settle(center())
    assert bench.state(study.study_key) == (StudyState.QUEUED, None)
    bench.push(slices[2])
    bench.push(slices[3])
    assert bench.registry.outbox.counts()["waiting"] == 2
    assert bench.registry.outbox.files(study.study_key).warnings == ()


def test_every_rtstruct_of_a_study_is_found_in_the_archive(bench: Bench) -> None:
    slices, drawn = whole_study()
    second = rtstruct([str(one.SOPInstanceUID) for one in slices], sop="1.2.1.9.2")
    bench.push(*slices, drawn, second)
    (study,) = bench.registry.studies.summaries()
    found = bench.registry.studies.rtstructs(study.study_key, bench.folder / "archive")
    assert [one.sop_instance_uid for one in found] == sorted(
        [drawn.SOPInstanceUID, second.SOPInstanceUID]
    )
    assert all(one.path.is_file() for one in found)


def test_a_study_is_named_by_its_pseudonym_or_by_its_patients_where_there_is_one(
    bench: Bench,
) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    (study,) = bench.registry.studies.summaries()
    for name in (study.study_key, study.patient_key, f"alpha · {study.patient_key}"):
        assert bench.registry.studies.named(name).study_key == study.study_key
    with pytest.raises(UnknownStudyError, match=f"has the pseudonym {'a' * 16}: expected"):
        bench.registry.studies.named("a" * 16)
    for text in ("PATIENT-7", "\0", "\ud800", "ä"):
        with pytest.raises(UnknownStudyError, match=r"that was given, of \d") as unknown:
            bench.registry.studies.named(text)
        assert text not in str(unknown.value)
    bench.push(ct_slice(0, study="1.2.9", series="1.2.9.1"))
    others = [one.study_key for one in bench.registry.studies.summaries()]
    with pytest.raises(StudyStateError) as refusal:
        bench.registry.studies.named(study.patient_key)
    assert f"Patient {study.patient_key} of centre alpha has 2 studies" in str(refusal.value)
    assert all(key in str(refusal.value) for key in others)
    assert bench.registry.studies.named(study.study_key).study_key == study.study_key


def test_a_restart_gives_open_studies_a_full_quiet_period(bench: Bench) -> None:
    slices, _ = whole_study()
    bench.push(slices[0])
    bench.clock.advance(3600)
    bench.registry.studies.restart_quiet_periods()
    assert bench.registry.studies.settle(center()) == 0


def _tell(bench: Bench) -> list[str]:
    """Do what the node's sweep does, and return the sentences."""
    bench.registry.studies.settle(center())
    told = bench.registry.studies.overdue(3600)
    for name, study, sentence in told:
        bench.registry.incidents.record(IncidentKind.INCOMPLETE_STUDY, sentence, name, study)
    return [sentence for _, _, sentence in told]


def test_a_study_that_stays_incomplete_is_told_once_and_again_when_something_else_is_missing(
    bench: Bench,
) -> None:
    slices, drawn = whole_study()
    bench.push(*slices)
    bench.clock.advance(61)
    assert _tell(bench) == []
    bench.clock.advance(3601)
    (sentence,) = _tell(bench)
    assert "4 CT slices have arrived but no RTSTRUCT" in sentence
    assert _tell(bench) == []
    assert [(one.kind, one.count, one.reported) for one in bench.registry.incidents.latest()] == [
        ("incomplete-study", 1, False)
    ]
    bench.push(ct_slice(7))
    bench.clock.advance(3700)
    _tell(bench)
    bench.clock.advance(3700)
    (sentence,) = _tell(bench)
    assert "5 CT slices" in sentence
    bench.push(drawn)
    assert _tell(bench) == []
    assert [one.state for one in bench.registry.studies.summaries()] == [StudyState.QUEUED]


def test_of_two_planning_cts_the_listed_one_is_scored_and_of_two_listed_the_one_with_contours(
    bench: Bench,
) -> None:
    slices, _ = whole_study()
    other = [ct_slice(index, series="1.2.1.2", frame="1.2.3.9") for index in range(6)]
    both = [str(one.SOPInstanceUID) for one in (*slices, *other)]
    bench.push(*other, *slices, rtstruct(both))
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.QUEUED
    files = bench.registry.outbox.files(study.study_key)
    assert {one.sop_instance_uid for one in files.ct} == {str(one.SOPInstanceUID) for one in slices}
    assert [tuple(one) for one in files.warnings] == [
        (
            "several-series-listed",
            (
                "The RTSTRUCT lists 2 CT series: one is used, chosen by the Series Instance UID "
                "that the RTSTRUCT lists."
            ),
        )
    ]


def _contoured_only(count: int = 12) -> tuple[list[Dataset], Dataset]:
    """Return slices, and an RTSTRUCT that lists the one with its contour only."""
    slices, _ = whole_study(count)
    return slices, rtstruct([str(slices[5].SOPInstanceUID)], square_mm=(4.0, 6.0, 15.0))


def test_a_list_of_contoured_slices_waits_for_quiet_and_a_later_slice_is_scored_anew(
    bench: Bench,
) -> None:
    slices, drawn = _contoured_only()
    bench.push(drawn, *slices[:11])
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.RECEIVING
    strict = center(completeness=Completeness.STRICT)
    bench.clock.advance(59)
    assert bench.registry.studies.settle(strict) == 0
    bench.clock.advance(1)
    assert bench.registry.studies.settle(strict) == 1
    first = bench.claim()
    assert [one.code for one in first.warnings] == ["contoured-slices-listed"]
    assert len(bench.registry.outbox.files(study.study_key).ct) == 11
    bench.registry.outbox.finish(
        first.study_key, first.content_digest, "m" * 64, StudyState.SCORED, None, None
    )
    bench.push(slices[11])
    assert bench.state(study.study_key)[0] is StudyState.RECEIVING
    bench.clock.advance(60)
    bench.registry.studies.settle(strict)
    second = bench.claim()
    assert second.content_digest != first.content_digest
    assert len(bench.registry.outbox.files(study.study_key).ct) == 12
    assert len(bench.registry.outbox.files(study.study_key, first.content_digest).ct) == 11


def test_the_same_objects_again_settle_to_the_same_content(bench: Bench) -> None:
    slices, drawn = _contoured_only()
    bench.push(drawn, *slices)
    bench.clock.advance(60)
    bench.registry.studies.settle(center())
    bench = bench.reopen()
    bench.push(*slices, drawn)
    bench.clock.advance(60)
    bench.registry.studies.settle(center())
    assert bench.registry.outbox.counts()["waiting"] == 1
    bench.close()


def test_objects_that_never_end_are_waited_for_as_long_as_that_may_be(bench: Bench) -> None:
    patient = replace(center(), longest_wait_s=150.0)
    slices, drawn = _contoured_only(20)
    bench.push(drawn)
    for number, one in enumerate(slices[:15]):
        bench.clock.advance(30)
        bench.push(one)
        settled = bench.registry.studies.settle(patient)
        assert settled == (number in {4, 10})
        if settled:
            assert bench.registry.outbox.counts()["waiting"] == (number == 10) + 1
    # a node that was down gives a full wait again
    bench.registry.studies.restart_quiet_periods()
    bench.clock.advance(59)
    assert bench.registry.studies.settle(patient) == 0


def test_a_requeue_chooses_the_gtv_by_the_rule_that_the_centre_has_now(bench: Bench) -> None:
    bench.registry.centers.record([replace(center(), gtv_pattern="boost")])
    key = bench.complete()
    item = bench.claim()
    chosen = bench.registry.outbox.files(key).choice
    assert chosen is not None
    assert (chosen.roi_number, chosen.roi_verdict) == (None, NameVerdict.NONE)
    bench.registry.outbox.finish(
        key, item.content_digest, None, StudyState.QUARANTINED, "no ROI is the GTV", None
    )
    bench.registry.centers.record([center()])
    bench.registry.outbox.requeue(key)
    chosen = bench.registry.outbox.files(key).choice
    assert chosen is not None
    assert (chosen.roi_number, chosen.roi_verdict) == (1, NameVerdict.ONE)


def test_a_malformed_contour_of_another_roi_is_no_matter_for_the_node(bench: Bench) -> None:
    slices, drawn = whole_study()
    set_rois(drawn, FRAME, [("GTV-1", [square(4, 6, 3)]), ("Heart", [square(4, 6, 6)])])
    drawn.ROIContourSequence[1].ContourSequence[0].ContourData = [1, 2, 3, 4]
    bench.push(*slices, drawn)
    assert bench.registry.incidents.latest() == []
    assert bench.claim().warnings == ()


def test_of_three_reconstructions_without_references_the_named_series_is_queued(
    bench: Bench,
) -> None:
    three = {
        series: [ct_slice(index, series=series) for index in range(12)]
        for series in ("1.2.1.1", "1.2.1.2", "1.2.1.3")
    }
    drawn = rtstruct([], square_mm=(4.0, 6.0, 15.0))
    for series in ("1.2.1.3", "1.2.1.1", "1.2.1.2"):
        bench.push(*three[series])
    bench.push(drawn)
    bench.clock.advance(60)
    bench.registry.studies.settle(center())
    (study,) = bench.registry.studies.summaries()
    files = bench.registry.outbox.files(study.study_key)
    assert files.choice is not None
    assert files.choice.series_instance_uid == "1.2.1.1"
    assert {one.sop_instance_uid for one in files.ct} == {
        str(one.SOPInstanceUID) for one in three["1.2.1.1"]
    }


def test_a_study_that_cannot_be_decided_keeps_no_other_from_it(bench: Bench) -> None:
    bench.push(ct_slice(0), ct_slice(0, study="1.2.7", series="1.2.7.1"))
    with bench.registry._database.write() as connection:
        bad = select(instances.c.study_key).where(instances.c.series_instance_uid == "1.2.7.1")
        poisoned = connection.scalars(bad).one()
        at = instances.c.series_instance_uid == "1.2.7.1"
        connection.execute(update(instances).where(at).values(plane='{"position": 1}'))
    bench.clock.advance(61)
    assert bench.registry.studies.settle(center()) == 2
    states = {one.study_key: one for one in bench.registry.studies.summaries()}
    assert states[poisoned].state is StudyState.QUARANTINED
    assert "cannot be decided (TypeError at contents.py" in (states[poisoned].sentence or "")
    others = [one.state for key, one in states.items() if key != poisoned]
    assert others == [StudyState.INCOMPLETE]
