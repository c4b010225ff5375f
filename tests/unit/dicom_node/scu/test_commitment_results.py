"""Who asks us to commit is told, however long it takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pynetdicom import AE, evt

from deploy.local.processes import free_port
from dicom_node.center import ReturnDestination
from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE, STORAGE_COMMITMENT
from dicom_node.network.commitment_messages import CommitmentRequest, Reference, parse_report
from dicom_node.scu.caller import Caller
from dicom_node.scu.commitment_results import report_commitments
from tests.support.intake_bench import Bench, center, ct_slice

pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)

CALLER = Caller("ANNULUS")
KNOWN = Reference(CT_IMAGE_STORAGE, str(ct_slice(0).SOPInstanceUID))
UNKNOWN = Reference(CT_IMAGE_STORAGE, "1.2.3.4.5.6")


@contextmanager
def _asker(port: int, meanwhile: Callable[[], None] = lambda: None) -> Iterator[list[Any]]:
    """A system that asked us and waits to be told, and does something before it answers."""
    told: list[Any] = []

    def take(event: Any) -> tuple[int, None]:
        meanwhile()
        told.append((event.event_type, parse_report(event.event_information, "")))
        return 0x0000, None

    entity = AE("ALPHA")
    entity.add_supported_context(STORAGE_COMMITMENT, scu_role=False, scp_role=True)
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, take)]
    assert entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers) is not None
    try:
        yield told
    finally:
        entity.shutdown()


def test_who_asked_is_told_as_soon_as_it_listens_and_once(bench: Bench) -> None:
    bench.push(ct_slice(0))
    port = free_port()
    centers = [center(return_to=ReturnDestination("ALPHA", "127.0.0.1", port))]
    bench.registry.commitments.queue("alpha", "ALPHA", CommitmentRequest("1.2.9", (KNOWN, UNKNOWN)))

    def report() -> int:
        return report_commitments(
            bench.registry.commitments, CALLER, centers, bench.intake.verify, 5, 9
        )

    assert report() == 0
    bench.clock.advance(5)
    with _asker(port) as told:
        assert report() == 1
        assert report() == 0
    ((kind, result),) = told
    assert kind == 2
    assert (result.transaction_uid, result.committed) == ("1.2.9", (KNOWN,))
    assert [reference for reference, _ in result.failed] == [UNKNOWN]


def test_a_transaction_that_comes_again_is_answered_for_what_it_means_then(bench: Bench) -> None:
    bench.push(ct_slice(0))
    port = free_port()
    centers = [center(return_to=ReturnDestination("ALPHA", "127.0.0.1", port))]

    def ask(*references: Reference) -> None:
        bench.registry.commitments.queue("alpha", "ALPHA", CommitmentRequest("1.2.9", references))

    def report() -> int:
        return report_commitments(
            bench.registry.commitments, CALLER, centers, bench.intake.verify, 5, 9
        )

    ask(KNOWN)
    with _asker(port) as told:
        assert report() == 1
    ask(UNKNOWN)
    with _asker(port) as told_again:
        assert report() == 1
    ((_, first),), ((kind, second),) = told, told_again
    assert (first.committed, first.failed) == ((KNOWN,), ())
    assert (kind, second.committed) == (2, ())
    assert [reference for reference, _ in second.failed] == [UNKNOWN]


def test_what_is_asked_while_a_result_is_reported_is_reported_too(bench: Bench) -> None:
    bench.push(ct_slice(0))
    port = free_port()
    centers = [center(return_to=ReturnDestination("ALPHA", "127.0.0.1", port))]
    commitments = bench.registry.commitments
    commitments.queue("alpha", "ALPHA", CommitmentRequest("1.2.9", (KNOWN,)))
    later = [CommitmentRequest("1.2.9", (UNKNOWN,))]

    def meanwhile() -> None:
        if later:
            commitments.queue("alpha", "ALPHA", later.pop())

    with _asker(port, meanwhile) as told:
        for _ in range(3):
            report_commitments(commitments, CALLER, centers, bench.intake.verify, 5, 9)
    assert [(kind, result.committed) for kind, result in told] == [(1, (KNOWN,)), (2, ())]


def test_of_many_large_requests_one_is_held_at_a_time(bench: Bench) -> None:
    commitments = bench.registry.commitments
    named = [Reference(CT_IMAGE_STORAGE, f"1.2.3.{number}") for number in range(3000)]
    for number in range(20):
        commitments.queue("alpha", "ALPHA", CommitmentRequest(f"1.2.9.{number}", tuple(named)))
    first = next(iter(commitments.due([("alpha", "ALPHA")])))
    tracemalloc.start()
    try:
        seen = sum(len(one.request.references) for one in commitments.due([("alpha", "ALPHA")]))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (seen, first.request.references) == (20 * 3000, tuple(named))
    assert most < 3_000_000  # all of them are 14 MB
