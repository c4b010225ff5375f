"""What never becomes complete is told once, with what is missing; what is replaced is
superseded.
"""

from __future__ import annotations

from pathlib import Path

from dicom_node.errors import IncidentKind
from dicom_node.registry.registry import StudyState
from tests.support.intake_bench import Bench, center, ct_slice, rtstruct, whole_study


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


def _score(bench: Bench, report: Path) -> str:
    item = bench.registry.outbox.claim("worker", 60)
    assert item is not None
    report.write_bytes(b"a report")
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, "m" * 64, StudyState.SCORED, None, report
    )
    return item.content_digest


def test_a_replaced_rtstruct_is_scored_anew_and_its_report_knows_the_one_that_it_supersedes(
    bench: Bench, tmp_path: Path
) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    first = _score(bench, tmp_path / "first.dcm")
    (study,) = bench.registry.studies.summaries()
    assert bench.registry.deliveries.previous_report(study.study_key, first) is None
    listed = [str(one.SOPInstanceUID) for one in slices]
    bench.push(rtstruct(listed, sop="1.2.1.9.2", made=("20240518", "083000")))
    (study,) = bench.registry.studies.summaries()
    assert study.state is StudyState.QUEUED
    second = _score(bench, tmp_path / "second.dcm")
    assert second != first
    assert (
        bench.registry.deliveries.previous_report(study.study_key, second) == tmp_path / "first.dcm"
    )
    bench.push(
        rtstruct(listed, sop="1.2.1.9.0", made=("20240101", "083000"))
    )  # older: changes nothing
    assert bench.registry.outbox.counts() == {"waiting": 0, "claimed": 0, "held": 0, "done": 2}


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
