"""The index follows the files: in groups, in spite of failures, and never by losing somebody's
instance.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest

from dicom_node.errors import RegistryUnavailableError, UnwritableRegistryError
from dicom_node.intake.indexer import Indexer
from dicom_node.registry.registry import InstanceRecord
from tests.support.intake_bench import Bench, ct_slice, request


def _records(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[InstanceRecord]:
    """Return three instances that are on the disk and not in the registry."""
    found: list[InstanceRecord] = []
    with monkeypatch.context() as patched:
        patched.setattr(bench.intake._indexer, "submit", found.append)
        bench.push(*(ct_slice(number) for number in range(3)))
    return found


def _nothing(_record: InstanceRecord, _error: Exception) -> None:
    """Set nothing aside."""


def test_while_the_registry_does_not_commit_what_is_new_is_refused_and_what_is_here_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = _records(bench, monkeypatch)
    is_broken = threading.Event()
    is_broken.set()

    def add(group: Sequence[InstanceRecord]) -> None:
        if is_broken.is_set():
            raise RegistryUnavailableError("the registry did not commit")
        bench.registry.instances.add(group)

    indexer = Indexer(add, _nothing, retry_s=0.01)
    for one in records:
        indexer.submit(one)
    assert not indexer.flush(0.2)
    with pytest.raises(RegistryUnavailableError, match="did not commit"):
        indexer.check()
    assert indexer.waiting(records[0].instance_key) is records[0]
    is_broken.clear()
    assert indexer.flush(10)
    indexer.check()
    assert (indexer.backlog, len(bench.registry.instances.paths())) == (0, 3)
    indexer.stop()


def test_one_that_cannot_be_indexed_does_not_hold_up_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad, other = _records(bench, monkeypatch)

    def add(group: Sequence[InstanceRecord]) -> None:
        if bad in group:
            raise RegistryUnavailableError("the registry did not commit")
        bench.registry.instances.add(group)

    indexer = Indexer(add, _nothing, retry_s=0.01)
    for one in (good, bad, other):
        indexer.submit(one)
    assert indexer.flush(10)
    assert bench.registry.instances.paths() == {good.relative_path, other.relative_path}
    indexer.stop()
    bench.intake.reindex()  # its file is the truth
    assert len(bench.registry.instances.paths()) == 3


def test_an_answer_does_not_wait_for_the_index_and_a_flush_does(bench: Bench) -> None:
    one = request(ct_slice(0))
    with bench.intake.begin("alpha", one) as incoming:
        incoming.write(one.dataset)
        bench.intake.finish("alpha", one, incoming)
    assert len(list(bench.archive.files())) == 1
    assert bench.intake.flush()
    assert len(bench.registry.instances.paths()) == 1


def _poisoned(bench: Bench, monkeypatch: pytest.MonkeyPatch, uid: str) -> list[InstanceRecord]:
    """Return three instances on the disk, one of which says what no check has let through."""
    good, bad, other = _records(bench, monkeypatch)
    header = replace(bad.header, frame_of_reference_uid=uid)
    return [good, replace(bad, header=header), other]


@pytest.mark.parametrize("uid", ["1." + "2" * 72, "1.2\x003", "1.2.\ud800"])
def test_a_record_that_no_column_holds_is_set_aside_and_the_others_are_indexed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, uid: str
) -> None:
    for one in _poisoned(bench, monkeypatch, uid):
        bench.intake._indexer.submit(one)
    assert bench.intake.flush(20)
    assert len(bench.registry.instances.paths()) == len(list(bench.archive.files())) == 2
    assert len(list(bench.archive.quarantined.rglob("*.dcm"))) == 1
    (incident,) = bench.registry.incidents.latest()
    assert (incident.kind, incident.count) == ("processing-failure", 1)
    bench.push(ct_slice(7))  # and whatever comes then is taken
    assert len(bench.registry.instances.paths()) == 3


def test_what_the_database_itself_refuses_holds_nobody_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad, other = _records(bench, monkeypatch)
    for one in (good, replace(bad, relative_path="a\0b"), other):
        bench.intake._indexer.submit(one)
    assert bench.intake.flush(20)
    assert {good.relative_path, other.relative_path} <= bench.registry.instances.paths()
    kinds = [one.kind for one in bench.registry.incidents.latest()]
    assert kinds == ([] if bench.registry_url is None else ["processing-failure"])
    bench.push(ct_slice(7))


def test_an_error_that_nobody_foresaw_ends_no_thread(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad, other = _records(bench, monkeypatch)
    for one in (good, replace(bad, header=None), other):  # type: ignore[arg-type]
        bench.intake._indexer.submit(one)
    assert bench.intake.flush(20)
    assert bench.registry.instances.paths() == {good.relative_path, other.relative_path}
    assert len(list(bench.archive.files())) == 3  # the next start tries again
    again = bench.reopen()
    assert len(again.registry.instances.paths()) == 3
    again.close()


def test_one_by_itself_is_given_up_after_three_times_if_the_registry_commits_others() -> None:
    told: list[Exception] = []

    def add(group: Sequence[InstanceRecord]) -> None:
        if group:
            raise RegistryUnavailableError("the registry did not commit")

    indexer = Indexer(add, lambda _record, error: told.append(error), retry_s=0.01)
    indexer.submit(SimpleNamespace(instance_key="a"))  # type: ignore[arg-type]
    assert indexer.flush(10)
    assert len(told) == 1
    indexer.check()
    indexer.stop()


def test_while_nothing_can_be_written_nothing_is_given_up_though_an_empty_transaction_commits() -> (
    None
):
    told: list[Exception] = []
    indexed: list[InstanceRecord] = []
    is_full = threading.Event()
    is_full.set()

    def add(group: Sequence[InstanceRecord]) -> None:
        if group and is_full.is_set():
            raise UnwritableRegistryError("the disk is full")
        indexed.extend(group)

    indexer = Indexer(add, lambda _record, error: told.append(error), retry_s=0.01)
    indexer.submit(SimpleNamespace(instance_key="a"))  # type: ignore[arg-type]
    assert not indexer.flush(0.3)
    with pytest.raises(UnwritableRegistryError):
        indexer.check()
    is_full.clear()
    assert indexer.flush(10)
    assert (len(indexed), told) == (1, [])
    indexer.check()
    indexer.stop()


def test_a_flush_does_not_wait_for_a_registry_that_hangs() -> None:
    is_free = threading.Event()

    def add(_group: Sequence[InstanceRecord]) -> None:
        is_free.wait(30)

    indexer = Indexer(add, _nothing)
    indexer.submit(SimpleNamespace(instance_key="a"))  # type: ignore[arg-type]
    began = time.monotonic()
    assert not indexer.flush(30, stuck_s=0.2)
    assert time.monotonic() - began < 5
    is_free.set()
    assert indexer.flush(10)
    indexer.stop()
