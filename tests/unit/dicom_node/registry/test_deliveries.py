"""The deliveries: sent again until they are taken, and once more when somebody asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_node.center import USUALLY_RETURNED, ReturnedObject
from dicom_node.errors import StudyStateError
from dicom_node.network.commitment_messages import CommitmentReport
from dicom_node.registry.registry import StudyState
from tests.support.intake_bench import Bench

MODEL = "m" * 64


def _finish(bench: Bench, report: Path | None, state: StudyState = StudyState.SCORED) -> str:
    """Finish the study that is due, with a report, and return the digest of its content."""
    item = bench.claim()
    bench.registry.outbox.finish(item.study_key, item.content_digest, MODEL, state, None, report)
    return item.content_digest


def test_a_failed_delivery_is_due_again_later_and_a_taken_one_never(bench: Bench) -> None:
    bench.complete()
    _finish(bench, Path("/reports/one.dcm"))
    (delivery,) = bench.registry.deliveries.due(["alpha", "beta"])
    assert bench.registry.deliveries.due(["beta"]) == []
    bench.registry.deliveries.mark_failed(delivery.id, "PACS is down", 30)
    assert bench.registry.deliveries.due(["alpha"]) == []
    assert [(one.attempts, why) for one, why, _ in bench.registry.deliveries.undelivered()] == [
        (1, "PACS is down")
    ]
    bench.clock.advance(30)
    assert [one.attempts for one in bench.registry.deliveries.due(["alpha"])] == [1]
    bench.registry.deliveries.mark_delivered(delivery.id)
    assert bench.registry.deliveries.due(["alpha"]) == []
    assert [one.delivered for one in bench.registry.studies.summaries()] == [True]


def test_the_objects_of_a_center_s_report_are_queued_once_each(bench: Bench) -> None:
    study = "q" * 16
    one, other = {"d" * 64: Path("a")}, {"d" * 64: Path("c"), "e" * 64: Path("b")}
    assert bench.registry.deliveries.queue("alpha", study, MODEL, one)
    assert not bench.registry.deliveries.queue("alpha", study, MODEL, one)
    assert bench.registry.deliveries.queue("alpha", study, MODEL, other)
    waiting = bench.registry.deliveries.due(["alpha"])
    assert [(str(delivery.path), delivery.study_key) for delivery in waiting] == [
        ("a", study),
        ("b", study),
    ]


def test_a_report_is_sent_again(bench: Bench, tmp_path: Path) -> None:
    report = tmp_path / "report.dcm"
    report.write_bytes(b"SR")
    key = bench.complete()
    _finish(bench, report)
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
    key = bench.complete()
    _finish(bench, None, StudyState.QUARANTINED)
    with pytest.raises(StudyStateError, match="is quarantined and has no report to deliver"):
        bench.registry.deliveries.redeliver(key)


def _with_regions(
    bench: Bench, folder: Path, kinds: tuple[ReturnedObject, ...] = USUALLY_RETURNED
) -> str:
    """Finish the study that is due with a report and other objects, and return its key."""
    files = {kind: folder / f"{kind}.dcm" for kind in kinds}
    for file in files.values():
        file.write_bytes(b"DICM")
    item = bench.claim()
    bench.registry.outbox.finish(
        item.study_key,
        item.content_digest,
        MODEL,
        StudyState.SCORED,
        None,
        files.pop(ReturnedObject.SR),
        beside=files,
    )
    return item.study_key


def test_what_names_an_object_waits_until_that_was_answered(bench: Bench, tmp_path: Path) -> None:
    bench.complete()
    _with_regions(bench, tmp_path)
    waiting = bench.registry.deliveries
    (regions,) = waiting.due(["alpha"])
    assert regions.kind is ReturnedObject.SEG
    waiting.mark_failed(regions.id, "the PACS is down", 30)
    assert waiting.due(["alpha"]) == []
    bench.clock.advance(30)
    assert [one.kind for one in waiting.due(["alpha"])] == [ReturnedObject.SEG]
    waiting.mark_failed(regions.id, "refused", 30, answered=True)
    (page,) = waiting.due(["alpha"])
    assert page.kind is ReturnedObject.PDF
    waiting.mark_delivered(page.id)
    (report,) = waiting.due(["alpha"])
    assert report.kind is ReturnedObject.SR
    waiting.mark_delivered(report.id)
    assert [one.delivered for one in bench.registry.studies.summaries()] == [True]
    assert [(one.kind, one.attempts) for one, _, _ in waiting.undelivered()] == [
        (ReturnedObject.SEG, 2)
    ]


def test_a_report_is_sent_again_with_what_it_names(bench: Bench, tmp_path: Path) -> None:
    bench.complete()
    key = _with_regions(bench, tmp_path)
    waiting = bench.registry.deliveries
    for _ in USUALLY_RETURNED:
        (one,) = waiting.due(["alpha"])
        waiting.await_commitment(one.id, f"1.2.{one.id}", 900)
    assert waiting.due(["alpha"]) == []
    assert waiting.redeliver(key) == tmp_path / "sr.dcm"
    assert [one.kind for one in waiting.due(["alpha"])] == [ReturnedObject.SEG]
    (tmp_path / "seg.dcm").unlink()
    with pytest.raises(StudyStateError, match="no longer in the node's folder"):
        waiting.redeliver(key)


def test_a_page_as_picture_goes_only_where_the_page_as_pdf_was_not_taken(
    bench: Bench, tmp_path: Path
) -> None:
    kinds = (ReturnedObject.PDF, ReturnedObject.SC, ReturnedObject.SR)
    bench.complete()
    _with_regions(bench, tmp_path, kinds)
    waiting = bench.registry.deliveries
    (page,) = waiting.due(["alpha"])
    waiting.mark_failed(page.id, "refused", 30, answered=True)
    (picture,) = waiting.due(["alpha"])
    assert picture.kind is ReturnedObject.SC
    assert not waiting.let_go_if_spare(picture.id)
    waiting.await_commitment(page.id, "1.2.3", 900)
    assert not waiting.let_go_if_spare(page.id)
    assert waiting.let_go_if_spare(picture.id)
    assert [one.kind for one in waiting.due(["alpha"])] == [ReturnedObject.SR]


def test_what_the_pacs_says_of_a_report_is_not_said_of_the_one_that_took_its_place(
    bench: Bench,
) -> None:
    key = bench.complete()
    first, second = Path("/reports/one.dcm"), Path("/reports/two.dcm")
    waiting = bench.registry.deliveries
    _finish(bench, first)
    (old,) = waiting.due(["alpha"])
    waiting.await_commitment(old.id, "1.2.3", 900, first)
    bench.registry.outbox.requeue(key, also_finished=True)
    _finish(bench, second)
    waiting.take_commitment_report("alpha", CommitmentReport("1.2.3", (), ()))
    waiting.mark_delivered(old.id, None, first)
    waiting.await_commitment(old.id, "1.2.4", 900, first)
    waiting.take_commitment_report("alpha", CommitmentReport("1.2.4", (), ()))
    assert [one.path for one in waiting.due(["alpha"])] == [second]
    waiting.mark_delivered(old.id, None, second)
    assert waiting.due(["alpha"]) == []
