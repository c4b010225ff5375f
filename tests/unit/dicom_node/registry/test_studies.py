"""The studies: quiet ones are decided, and what never becomes complete is told once, with what is
missing.
"""

from __future__ import annotations

from sqlalchemy import select, update

from dicom_node.center import Completeness
from dicom_node.errors import IncidentKind
from dicom_node.registry.registry import StudyState
from dicom_node.registry.schema import instances
from tests.support.intake_bench import Bench, center, ct_slice, rtstruct, whole_study


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
    assert files.warnings == (
        "the RTSTRUCT lists 2 CT series: one is used, chosen by Frame of Reference and geometry",
    )


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
