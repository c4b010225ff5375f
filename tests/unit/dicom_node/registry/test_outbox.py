"""The outbox: complete studies are handed out once, held, taken back and worked on again."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.base import PGDialect

from dicom_node.errors import StudyStateError, UnknownStudyError
from dicom_node.registry.registry import Registry, StudyState
from tests.support.intake_bench import Bench, center, ct_slice, rtstruct, whole_study

REPORT = Path("/reports/one.dcm")
MODEL = "m" * 64


def test_unknown_studies_and_contents_are_told_in_a_sentence(bench: Bench) -> None:
    with pytest.raises(UnknownStudyError, match="Study nobody has no complete content"):
        bench.registry.outbox.files("nobody")
    key = bench.complete()
    with pytest.raises(UnknownStudyError, match="no complete content 000000000000"):
        bench.registry.outbox.files(key, "0" * 64)
    with pytest.raises(UnknownStudyError, match="knows no study nobody"):
        bench.registry.outbox.requeue("nobody")
    with pytest.raises(UnknownStudyError):
        bench.registry.outbox.finish("nobody", "0" * 64, None, StudyState.SCORED, None, None)


def test_rows_are_claimed_oldest_first_and_by_one_owner(bench: Bench) -> None:
    keys = [bench.complete(1), bench.complete(2)]
    items = [bench.claim("a"), bench.claim("b")]
    assert [one.study_key for one in items] == keys
    assert [one.attempts for one in items] == [1, 1]
    assert bench.registry.outbox.claim("c", 60) is None
    assert bench.registry.outbox.counts() == {"waiting": 0, "claimed": 2, "held": 0, "done": 0}


def test_a_row_is_due_until_it_is_claimed_and_again_when_the_lease_has_run_out(
    bench: Bench,
) -> None:
    slices, drawn = whole_study()
    assert not bench.registry.outbox.has_due()
    bench.push(*slices, drawn)
    assert bench.registry.outbox.has_due()
    assert bench.registry.outbox.claim("worker", 60) is not None
    assert not bench.registry.outbox.has_due()
    bench.clock.advance(61)
    assert bench.registry.outbox.has_due()


def test_a_lease_that_ran_out_is_claimed_by_the_next_and_lost_by_the_first(bench: Bench) -> None:
    bench.complete()
    first = bench.claim("a", 60)
    bench.registry.outbox.attach_flow_run(first.id, "a", "run 1")
    bench.clock.advance(59)
    assert bench.registry.outbox.renew(first.id, "a", 60)
    bench.clock.advance(59)
    assert bench.registry.outbox.claim("b", 60) is None
    bench.clock.advance(2)
    second = bench.claim("b", 60)
    assert (second.id, second.attempts, second.flow_run_id) == (first.id, 2, "run 1")
    assert not bench.registry.outbox.renew(first.id, "a", 60)
    bench.registry.outbox.attach_flow_run(first.id, "a", "run 2")
    bench.registry.outbox.hold(first.id, "a", "late", 60)
    assert bench.registry.outbox.counts()["claimed"] == 1
    bench.clock.advance(61)
    assert bench.claim("c").flow_run_id == "run 1"


def test_a_held_row_waits_with_its_sentence_until_it_is_due_or_retried(bench: Bench) -> None:
    key = bench.complete()
    item = bench.claim()
    bench.registry.outbox.hold(item.id, "worker", "the model is not pinned", 300)
    assert bench.state(key) == (StudyState.HELD, "the model is not pinned")
    assert bench.registry.outbox.claim("worker", 60) is None
    assert bench.registry.outbox.retry_held() == 1
    assert bench.registry.outbox.retry_held() == 0
    again = bench.claim()
    assert again.attempts == 2
    assert bench.state(key) == (StudyState.QUEUED, None)
    bench.registry.outbox.hold(again.id, "worker", "once more", 300)
    bench.clock.advance(300)
    assert bench.claim().id == item.id


def test_a_result_closes_the_row_once_and_queues_one_delivery(bench: Bench) -> None:
    key = bench.complete()
    item = bench.claim()
    assert bench.registry.results.find(key, item.content_digest, MODEL) is None
    for sentence in ("first", "second"):
        bench.registry.outbox.finish(
            key, item.content_digest, MODEL, StudyState.SCORED, sentence, REPORT
        )
    assert bench.registry.results.find(key, item.content_digest, MODEL) is StudyState.SCORED
    assert bench.registry.results.find(key, item.content_digest, None) is None
    assert bench.state(key) == (StudyState.SCORED, "first")
    assert bench.registry.outbox.counts() == {"waiting": 0, "claimed": 0, "held": 0, "done": 1}
    (delivery,) = bench.registry.deliveries.due(["alpha"])
    assert (delivery.path, delivery.attempts) == (REPORT, 0)
    bench.clock.advance(10**6)
    assert bench.registry.outbox.claim("worker", 60) is None


def test_the_same_push_after_the_result_changes_nothing(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    item = bench.claim()
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, None, StudyState.EXTRACTED, None, None
    )
    before = bench.registry.studies.summaries()
    bench.clock.advance(1000)
    bench.push(*slices, drawn)
    assert bench.registry.studies.settle(center()) == 0
    assert bench.registry.studies.summaries() == before
    assert bench.registry.outbox.counts()["done"] == 1


def test_a_newer_contour_is_a_new_content_and_the_older_result_does_not_hide_it(
    bench: Bench,
) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    first = bench.claim()
    listed = [str(one.SOPInstanceUID) for one in slices]
    bench.push(rtstruct(listed, sop="1.2.1.9.2", made=("20240601", "")))
    bench.registry.outbox.finish(
        first.study_key, first.content_digest, MODEL, StudyState.SCORED, None, None
    )
    assert bench.state(first.study_key) == (StudyState.QUEUED, None)
    second = bench.claim()
    assert second.content_digest != first.content_digest
    assert [one.code for one in second.warnings] == ["several-rtstructs"]
    files = bench.registry.outbox.files(first.study_key)
    assert files.rtstruct.sop_instance_uid == "1.2.1.9.2"
    older = bench.registry.outbox.files(first.study_key, first.content_digest)
    assert older.rtstruct.sop_instance_uid == "1.2.1.9.1"


def test_requeue_drops_the_result_and_sends_the_new_report(bench: Bench) -> None:
    key = bench.complete()
    item = bench.claim()
    bench.registry.outbox.finish(
        key, item.content_digest, MODEL, StudyState.QUARANTINED, "two GTVs", None
    )
    assert bench.state(key) == (StudyState.QUARANTINED, "two GTVs")
    bench.registry.outbox.requeue(key)
    assert bench.registry.results.find(key, item.content_digest, MODEL) is None
    assert bench.claim().content_digest == item.content_digest
    bench.registry.outbox.finish(key, item.content_digest, MODEL, StudyState.SCORED, None, REPORT)
    assert bench.state(key) == (StudyState.SCORED, None)
    (delivery,) = bench.registry.deliveries.due(["alpha"])
    bench.registry.deliveries.mark_delivered(delivery.id)
    bench.registry.outbox.requeue(key, also_finished=True)
    bench.registry.outbox.finish(key, item.content_digest, MODEL, StudyState.SCORED, None, REPORT)
    assert [one.id for one in bench.registry.deliveries.due(["alpha"])] == [delivery.id]


def test_requeue_takes_what_can_be_done_again_and_says_why_not_otherwise(bench: Bench) -> None:
    key, digest = bench.complete(), bench.claim().content_digest
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
    assert bench.state(key) == (StudyState.QUEUED, None)


def test_a_study_that_is_still_arriving_is_not_requeued(bench: Bench) -> None:
    bench.push(ct_slice(0))
    (study,) = bench.registry.studies.summaries()
    with pytest.raises(StudyStateError, match="still arriving"):
        bench.registry.outbox.requeue(study.study_key)


def test_a_run_is_under_way_as_long_as_its_row_is_claimed(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    item = bench.claim()
    assert bench.registry.outbox.runs_under_way() == set()
    bench.registry.outbox.attach_flow_run(item.id, "worker", "run-1")
    assert bench.registry.outbox.runs_under_way() == {"run-1"}
    bench.registry.outbox.hold(item.id, "worker", "why", 5)
    assert bench.registry.outbox.runs_under_way() == set()


@pytest.mark.slow
def test_threads_never_claim_a_row_twice(bench: Bench) -> None:
    for number in range(1, 11):
        bench.complete(number)
    with ThreadPoolExecutor(8) as pool:
        items = [
            item
            for item in pool.map(lambda n: bench.registry.outbox.claim(f"t{n}", 60), range(24))
            if item
        ]
    assert sorted(item.id for item in items) == list(range(1, 11))


def _claim_all(url: str, owner: str) -> list[int]:
    registry = Registry(url, Path())
    claimed = []
    while (item := registry.outbox.claim(owner, 3600)) is not None:
        claimed.append(item.id)
    registry.close()
    return claimed


@pytest.mark.slow
def test_processes_never_claim_a_row_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "node")
    for number in range(1, 21):
        bench.complete(number)
    url = f"sqlite:///{bench.folder / 'registry.sqlite'}"
    bench.close()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        claimed = pool.starmap(_claim_all, [(url, f"p{number}") for number in range(2)])
    assert sorted(one for part in claimed for one in part) == list(range(1, 21))


@pytest.mark.sqlite_only
def test_a_claim_locks_before_it_looks(bench: Bench) -> None:
    statements: list[str] = []
    engine = bench.registry._database._engine
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(str(a[2])))
    bench.registry.outbox.claim("worker", 60)
    assert statements[0] == "BEGIN IMMEDIATE"
    locked: list[str] = []
    postgresql = PGDialect()  # type: ignore[no-untyped-call]
    event.listen(
        engine,
        "before_execute",
        lambda _c, clause, *_: locked.append(str(clause.compile(dialect=postgresql))),
    )
    bench.registry.outbox.claim("worker", 60)
    assert locked[0].endswith("FOR UPDATE SKIP LOCKED")
