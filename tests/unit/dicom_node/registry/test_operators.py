"""What operators do by hand: it is recorded, done at once, and refused in a sentence where it makes
no sense.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from dicom_node.errors import StudyStateError, UnknownStudyError
from dicom_node.registry.registry import StudyState, open_registry
from dicom_node.registry.schema import SCHEMA_VERSION, metadata, releases, schema_versions
from dicom_node.settings import NodeTable
from tests.support.intake_bench import Bench, ct_slice, rtstruct, whole_study

WAIVED = {
    "histology": "The histology is large cell, expected adenocarcinoma or squamous cell carcinoma."
}
MODEL = "m" * 64


def _complete(bench: Bench) -> tuple[str, str]:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    item = bench.registry.outbox.claim("worker", 60)
    assert item is not None
    return item.study_key, item.content_digest


def _finish(bench: Bench, state: StudyState, report: Path | None = None) -> str:
    key, digest = _complete(bench)
    bench.registry.outbox.finish(key, digest, MODEL, state, "why", report)
    return key


def _state(bench: Bench) -> StudyState:
    (study,) = bench.registry.studies.summaries()
    return study.state


def test_a_release_is_recorded_and_the_study_is_worked_on_again(bench: Bench) -> None:
    key = _finish(bench, StudyState.QUARANTINED)
    made = bench.registry.releases.release(
        key, "  Dr.  A. Example ", "confirmed by\nthe tumour board", WAIVED
    )
    assert (made.released_by, made.reason) == ("Dr. A. Example", "confirmed by the tumour board")
    assert _state(bench) is StudyState.QUEUED
    item = bench.registry.outbox.claim("worker", 60)
    assert item is not None
    assert bench.registry.results.find(key, item.content_digest, MODEL) is None
    assert bench.registry.releases.recorded() == [made]
    assert bench.registry.releases.recorded(key, item.content_digest) == [made]
    assert bench.registry.releases.recorded(key, "0" * 64) == []
    assert (made.released_at, dict(made.waived), made.center) == (bench.clock(), WAIVED, "alpha")


def test_a_release_holds_for_its_content_only(bench: Bench) -> None:
    key = _finish(bench, StudyState.QUARANTINED)
    bench.registry.releases.release(key, "A", "B", WAIVED)
    listed = [str(one.SOPInstanceUID) for one in whole_study()[0]]
    bench.push(rtstruct(listed, sop="1.2.1.9.2", made=("20240601", "080000")))
    newest = bench.registry.outbox.files(key).content_digest
    assert len(bench.registry.releases.recorded(key)) == 1
    assert bench.registry.releases.recorded(key, newest) == []


def test_what_cannot_be_released_is_refused_and_nothing_changes(bench: Bench) -> None:
    with pytest.raises(UnknownStudyError, match="knows no study nobody"):
        bench.registry.releases.release("nobody", "A", "B", WAIVED)
    key = _finish(bench, StudyState.SCORED)
    for by, reason, waived, sentence in (
        ("A", "B", WAIVED, "is scored: only a complete study that is quarantined can be released"),
        (" ", "B", WAIVED, "the name of a release has 0 characters: expected 1 to 64"),
        ("A", "x" * 301, WAIVED, "the reason of a release has 301 characters"),
        ("A", "B", {}, "nothing is waived"),
    ):
        with pytest.raises(StudyStateError, match=sentence):
            bench.registry.releases.release(key, by, reason, waived)
    assert _state(bench) is StudyState.SCORED
    assert bench.registry.releases.recorded() == []


def test_requeue_takes_what_can_be_done_again_and_says_why_not_otherwise(bench: Bench) -> None:
    key, digest = _complete(bench)
    with pytest.raises(StudyStateError, match="is being worked on"):
        bench.registry.outbox.requeue(key)
    bench.clock.advance(61)  # whoever claimed it is dead
    assert bench.registry.outbox.requeue(key) is StudyState.QUEUED
    bench.registry.outbox.finish(key, digest, MODEL, StudyState.SCORED, None, None)
    with pytest.raises(
        StudyStateError, match="is scored already: say that it is to be done once more"
    ):
        bench.registry.outbox.requeue(key)
    assert bench.registry.outbox.requeue(key, also_finished=True) is StudyState.SCORED
    assert _state(bench) is StudyState.QUEUED


def test_an_arriving_study_is_left_alone_and_an_incomplete_one_is_decided_anew(
    bench: Bench,
) -> None:
    bench.push(ct_slice(0))
    (study,) = bench.registry.studies.summaries()
    with pytest.raises(StudyStateError, match="still arriving"):
        bench.registry.outbox.requeue(study.study_key)


def test_a_report_is_sent_again(bench: Bench, tmp_path: Path) -> None:
    report = tmp_path / "report.dcm"
    report.write_bytes(b"SR")
    key = _finish(bench, StudyState.SCORED, report)
    (delivery,) = bench.registry.deliveries.due(["alpha"])
    bench.registry.deliveries.await_commitment(delivery.id, "1.2.3", 600)
    bench.registry.deliveries.mark_delivered(delivery.id)
    assert bench.registry.deliveries.redeliver(key) == report
    assert [(one.id, one.attempts) for one in bench.registry.deliveries.due(["alpha"])] == [
        (delivery.id, 0)
    ]
    assert not bench.registry.deliveries.awaits_commitment([delivery.id])
    report.unlink()
    with pytest.raises(StudyStateError, match="no longer in the node's folder"):
        bench.registry.deliveries.redeliver(key)


def test_a_study_without_a_report_says_so(bench: Bench) -> None:
    with pytest.raises(StudyStateError, match="is quarantined and has no report to deliver"):
        bench.registry.deliveries.redeliver(_finish(bench, StudyState.QUARANTINED))


def test_a_registry_of_the_first_schema_gains_what_it_lacks_and_keeps_its_rows(
    tmp_path: Path,
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    with engine.begin() as connection:
        metadata.create_all(
            connection, tables=[table for table in metadata.sorted_tables if table is not releases]
        )
        connection.execute(schema_versions.insert().values(version=1))
        connection.execute(text("INSERT INTO centers (name, wants_reports) VALUES ('alpha', 1)"))
    registry = open_registry(NodeTable(folder=tmp_path))
    assert registry.releases.recorded() == []
    registry.close()
    assert "releases" in inspect(engine).get_table_names()
    with engine.connect() as connection:
        assert max(connection.execute(schema_versions.select()).scalars()) == SCHEMA_VERSION
        assert connection.execute(text("SELECT name FROM centers")).scalars().all() == ["alpha"]
    engine.dispose()
