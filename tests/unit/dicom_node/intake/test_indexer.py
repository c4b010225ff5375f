"""The index follows the files: in groups, in spite of failures, and never by losing somebody's
instance.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from dicom_node.errors import RegistryUnavailableError
from dicom_node.intake.indexer import Indexer
from dicom_node.registry.group_commit import GroupCommit
from dicom_node.registry.registry import InstanceRecord
from tests.support.intake_bench import Bench, ct_slice, request


def _record(bench: Bench, number: int) -> InstanceRecord:
    found: list[InstanceRecord] = []
    one = request(ct_slice(number))
    with bench.ingest.begin("alpha", one) as incoming:
        incoming.write(one.dataset)
        bench.ingest._take("alpha", one, incoming, found.append)
    return found[0]


def test_while_the_registry_does_not_commit_what_is_new_is_refused_and_what_is_here_is_kept(
    bench: Bench,
) -> None:
    records = [_record(bench, number) for number in range(3)]
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


def test_one_that_cannot_be_indexed_does_not_hold_up_the_others(bench: Bench) -> None:
    good, bad, other = (_record(bench, number) for number in range(3))

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
    bench.ingest.reindex()  # its file is the truth
    assert len(bench.registry.instances.paths()) == 3


def test_an_answer_does_not_wait_for_the_index_and_a_flush_does(bench: Bench) -> None:
    one = request(ct_slice(0))
    with bench.ingest.begin("alpha", one) as incoming:
        incoming.write(one.dataset)
        bench.ingest.finish("alpha", one, incoming)
    assert len(list(bench.archive.files())) == 1
    assert bench.ingest.flush()
    assert len(bench.registry.instances.paths()) == 1


def test_who_comes_while_a_transaction_runs_shares_the_next_one() -> None:
    groups: list[list[int]] = []
    first_is_in, may_go_on = threading.Event(), threading.Event()

    def commit(group: Sequence[int]) -> None:
        first_is_in.set()
        may_go_on.wait(10)
        groups.append(sorted(group))

    together: GroupCommit[int] = GroupCommit(commit)
    threads = [threading.Thread(target=together.submit, args=(0,))]
    threads[0].start()
    first_is_in.wait(10)
    threads += [threading.Thread(target=together.submit, args=(number,)) for number in range(1, 5)]
    for one in threads[1:]:
        one.start()
    while len(together._waiting) < 4:
        pass
    may_go_on.set()
    for one in threads:
        one.join(10)
    assert groups == [[0], [1, 2, 3, 4]]


def test_in_a_group_only_the_guilty_one_fails() -> None:
    done: list[int] = []
    outcome: dict[int, Any] = {}

    def commit(group: Sequence[int]) -> None:
        if 2 in group:
            raise RegistryUnavailableError("two")
        done.extend(group)

    together: GroupCommit[int] = GroupCommit(commit)

    def submit(number: int) -> None:
        try:
            together.submit(number)
        except RegistryUnavailableError as error:
            outcome[number] = str(error)

    with together._turn:  # nobody gets a turn before all have come
        threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
        for one in threads:
            one.start()
        while len(together._waiting) < 4:
            pass
    for one in threads:
        one.join(10)
    assert (sorted(done), outcome) == ([0, 1, 3], {2: "two"})
