"""One row per content, one holder per row, one result and one delivery per model: over threads and
processes.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.base import PGDialect

from dicom_node.center import Completeness, ReturnDestination
from dicom_node.errors import RegistryUnavailableError, UnknownStudyError
from dicom_node.registry.registry import OutboxItem, Registry, StudyState, open_registry
from dicom_node.registry.schema import SCHEMA_VERSION, schema_versions
from dicom_node.settings import NodeTable
from tests.support.intake_bench import Bench, center, ct_slice, rtstruct, whole_study

REPORT = Path("/reports/one.dcm")
MODEL = "m" * 64


def _complete(bench: Bench, number: int = 1) -> str:
    """Push study `number` and return its pseudonym."""
    study, series = f"1.2.{number}", f"1.2.{number}.1"
    slices = [ct_slice(index, study=study, series=series) for index in range(3)]
    listed = [str(one.SOPInstanceUID) for one in slices]
    before = {one.study_key for one in bench.registry.studies.summaries()}
    bench.push(*slices, rtstruct(listed, study=study, sop=f"{study}.9.1"))
    (key,) = {one.study_key for one in bench.registry.studies.summaries()} - before
    return key


def _claim(registry: Registry, owner: str = "worker", lease_s: float = 60.0) -> OutboxItem:
    item = registry.outbox.claim(owner, lease_s)
    assert item is not None
    return item


def _state(bench: Bench, study_key: str) -> tuple[StudyState, str | None]:
    return next(
        (one.state, one.sentence)
        for one in bench.registry.studies.summaries()
        if one.study_key == study_key
    )


def test_the_files_of_a_study_are_its_rtstruct_and_its_slices(bench: Bench) -> None:
    key = _complete(bench)
    files = bench.registry.outbox.files(key)
    assert files.rtstruct.sop_instance_uid == "1.2.1.9.1"
    assert [one.sop_instance_uid for one in files.ct] == ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3"]
    assert all(one.path.is_file() for one in (files.rtstruct, *files.ct))
    assert files == bench.registry.outbox.files(key, files.content_digest)


def test_unknown_studies_and_contents_are_told_in_a_sentence(bench: Bench) -> None:
    with pytest.raises(UnknownStudyError, match="study nobody has no complete content"):
        bench.registry.outbox.files("nobody")
    key = _complete(bench)
    with pytest.raises(UnknownStudyError, match="no complete content 000000000000"):
        bench.registry.outbox.files(key, "0" * 64)
    with pytest.raises(UnknownStudyError, match="knows no study nobody"):
        bench.registry.outbox.requeue("nobody")
    with pytest.raises(UnknownStudyError):
        bench.registry.outbox.finish("nobody", "0" * 64, None, StudyState.SCORED, None, None)


def test_rows_are_claimed_oldest_first_and_by_one_owner(bench: Bench) -> None:
    keys = [_complete(bench, 1), _complete(bench, 2)]
    items = [_claim(bench.registry, "a"), _claim(bench.registry, "b")]
    assert [one.study_key for one in items] == keys
    assert [one.attempts for one in items] == [1, 1]
    assert bench.registry.outbox.claim("c", 60) is None
    assert bench.registry.outbox.counts() == {"waiting": 0, "claimed": 2, "held": 0, "done": 0}


def test_a_lease_that_ran_out_is_claimed_by_the_next_and_lost_by_the_first(bench: Bench) -> None:
    _complete(bench)
    first = _claim(bench.registry, "a", 60)
    bench.registry.outbox.attach_flow_run(first.id, "a", "run 1")
    bench.clock.advance(59)
    assert bench.registry.outbox.renew(first.id, "a", 60)
    bench.clock.advance(59)
    assert bench.registry.outbox.claim("b", 60) is None
    bench.clock.advance(2)
    second = _claim(bench.registry, "b", 60)
    assert (second.id, second.attempts, second.flow_run_id) == (first.id, 2, "run 1")
    assert not bench.registry.outbox.renew(first.id, "a", 60)
    bench.registry.outbox.attach_flow_run(first.id, "a", "run 2")
    bench.registry.outbox.hold(first.id, "a", "late", 60)
    assert bench.registry.outbox.counts()["claimed"] == 1
    bench.clock.advance(61)
    assert _claim(bench.registry, "c").flow_run_id == "run 1"


def test_a_held_row_waits_with_its_sentence_until_it_is_due_or_retried(bench: Bench) -> None:
    key = _complete(bench)
    item = _claim(bench.registry)
    bench.registry.outbox.hold(item.id, "worker", "the model is not pinned", 300)
    assert _state(bench, key) == (StudyState.HELD, "the model is not pinned")
    assert bench.registry.outbox.claim("worker", 60) is None
    assert bench.registry.outbox.retry_held() == 1
    assert bench.registry.outbox.retry_held() == 0
    again = _claim(bench.registry)
    assert again.attempts == 2
    assert _state(bench, key) == (StudyState.QUEUED, None)
    bench.registry.outbox.hold(again.id, "worker", "once more", 300)
    bench.clock.advance(300)
    assert _claim(bench.registry).id == item.id


def test_a_result_closes_the_row_once_and_queues_one_delivery(bench: Bench) -> None:
    key = _complete(bench)
    item = _claim(bench.registry)
    assert bench.registry.results.find(key, item.content_digest, MODEL) is None
    for sentence in ("first", "second"):
        bench.registry.outbox.finish(
            key, item.content_digest, MODEL, StudyState.SCORED, sentence, REPORT
        )
    assert bench.registry.results.find(key, item.content_digest, MODEL) is StudyState.SCORED
    assert bench.registry.results.find(key, item.content_digest, None) is None
    assert _state(bench, key) == (StudyState.SCORED, "first")
    assert bench.registry.outbox.counts() == {"waiting": 0, "claimed": 0, "held": 0, "done": 1}
    (delivery,) = bench.registry.deliveries.due(["alpha"])
    assert (delivery.path, delivery.attempts) == (REPORT, 0)
    bench.clock.advance(10**6)
    assert bench.registry.outbox.claim("worker", 60) is None


def test_the_same_push_after_the_result_changes_nothing(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    item = _claim(bench.registry)
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
    first = _claim(bench.registry)
    listed = [str(one.SOPInstanceUID) for one in slices]
    bench.push(rtstruct(listed, sop="1.2.1.9.2", made=("20240601", "")))
    bench.registry.outbox.finish(
        first.study_key, first.content_digest, MODEL, StudyState.SCORED, None, None
    )
    assert _state(bench, first.study_key) == (StudyState.QUEUED, None)
    second = _claim(bench.registry)
    assert second.content_digest != first.content_digest
    assert "2 RTSTRUCTs" in second.warnings[0]
    files = bench.registry.outbox.files(first.study_key)
    assert files.rtstruct.sop_instance_uid == "1.2.1.9.2"
    older = bench.registry.outbox.files(first.study_key, first.content_digest)
    assert older.rtstruct.sop_instance_uid == "1.2.1.9.1"


def test_a_center_without_a_return_ae_gets_no_delivery(bench: Bench) -> None:
    key = _complete(bench)
    bench.registry.centers.record([center()])
    item = _claim(bench.registry)
    bench.registry.outbox.finish(key, item.content_digest, MODEL, StudyState.SCORED, None, REPORT)
    assert bench.registry.deliveries.due(["alpha"]) == []
    assert [one.delivered for one in bench.registry.studies.summaries()] == [None]
    bench.registry.outbox.requeue(key, also_finished=True)
    bench.registry.centers.record([center(return_to=ReturnDestination("PACS", "127.0.0.1", 104))])
    bench.registry.outbox.finish(key, item.content_digest, MODEL, StudyState.SCORED, None, REPORT)
    assert [one.delivered for one in bench.registry.studies.summaries()] == [False]


def test_a_failed_delivery_is_due_again_later_and_a_taken_one_never(bench: Bench) -> None:
    key = _complete(bench)
    digest = _claim(bench.registry).content_digest
    bench.registry.outbox.finish(key, digest, MODEL, StudyState.SCORED, None, REPORT)
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


def test_requeue_drops_the_result_and_sends_the_new_report(bench: Bench) -> None:
    key = _complete(bench)
    item = _claim(bench.registry)
    bench.registry.outbox.finish(
        key, item.content_digest, MODEL, StudyState.QUARANTINED, "two GTVs", None
    )
    assert _state(bench, key) == (StudyState.QUARANTINED, "two GTVs")
    bench.registry.outbox.requeue(key)
    assert bench.registry.results.find(key, item.content_digest, MODEL) is None
    assert _claim(bench.registry).content_digest == item.content_digest
    bench.registry.outbox.finish(key, item.content_digest, MODEL, StudyState.SCORED, None, REPORT)
    assert _state(bench, key) == (StudyState.SCORED, None)
    (delivery,) = bench.registry.deliveries.due(["alpha"])
    bench.registry.deliveries.mark_delivered(delivery.id)
    bench.registry.outbox.requeue(key, also_finished=True)
    bench.registry.outbox.finish(key, item.content_digest, MODEL, StudyState.SCORED, None, REPORT)
    assert [one.id for one in bench.registry.deliveries.due(["alpha"])] == [delivery.id]


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
    assert _state(bench, study.study_key) == (StudyState.RECEIVING, None)
    bench.clock.advance(60)
    bench.registry.studies.settle(center(completeness=Completeness.STRICT))
    assert _state(bench, study.study_key)[0] is StudyState.INCOMPLETE
    bench.registry.outbox.requeue(study.study_key)  # after the rule was changed
    bench.clock.advance(60)
    bench.registry.studies.settle(center())
    assert _state(bench, study.study_key) == (StudyState.QUEUED, None)
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


def test_incidents_are_counted_and_reported_once_a_day(bench: Bench) -> None:
    registry = bench.registry
    for subject in ("A", "A", "B"):
        registry.incidents.record("kind", f"about {subject}", None, subject)
    assert [(one.subject, one.count, one.center) for one in registry.incidents.unreported()] == [
        ("A", 2, None),
        ("B", 1, None),
    ]
    registry.incidents.mark_reported([one.id for one in registry.incidents.unreported()])
    registry.incidents.record("kind", "about A", None, "A")
    assert registry.incidents.unreported() == []
    bench.clock.advance(2 * 86400)
    registry.incidents.record("kind", "again", None, "A")
    assert [(one.sentence, one.count) for one in registry.incidents.unreported()] == [("again", 4)]


def test_threads_never_claim_a_row_twice(bench: Bench) -> None:
    for number in range(1, 11):
        _complete(bench, number)
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


def test_processes_never_claim_a_row_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "node")
    for number in range(1, 21):
        _complete(bench, number)
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


def test_the_registry_of_a_newer_version_is_refused(bench: Bench) -> None:
    with bench.registry._database.write() as connection:
        connection.execute(schema_versions.insert().values(version=SCHEMA_VERSION + 1))
    with pytest.raises(RegistryUnavailableError, match="used by a newer version of Annulus"):
        open_registry(NodeTable(folder=bench.folder, registry_url=bench.registry_url))


def test_a_registry_that_cannot_be_reached_is_told_without_values(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(RegistryUnavailableError, match=r"did not commit \(DatabaseError\): check"):
        open_registry(NodeTable(folder=tmp_path))


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
