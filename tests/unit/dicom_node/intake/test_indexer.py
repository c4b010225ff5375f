"""The index follows the files: in groups, in spite of failures, and never by losing somebody's
instance.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from dicom_node.errors import RegistryUnavailableError
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

    indexer = Indexer(add, retry_s=0.01)
    for one in records:
        indexer.submit(one)
    assert not indexer.flush(0.2)
    with pytest.raises(RegistryUnavailableError, match="did not commit"):
        indexer.check()
    assert indexer.study_of(records[0].instance_key) == records[0].study_key
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

    indexer = Indexer(add, retry_s=0.01)
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
