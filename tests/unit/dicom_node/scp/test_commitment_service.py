"""Delivered is committed where that is offered, and who asks us to commit is told, however long it
takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from deploy.local.processes import free_port
from dicom_node.center import ReturnDestination
from dicom_node.datasets.sop_classes import (
    COMPREHENSIVE_3D_SR_STORAGE,
    CT_IMAGE_STORAGE,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
)
from dicom_node.network.commitment_messages import (
    CommitmentReport,
    CommitmentRequest,
    Reference,
    parse_report,
    parse_request,
)
from dicom_node.scu.caller import Caller
from dicom_node.scu.commitment_results import report_commitments
from dicom_node.scu.report_delivery import deliver_due
from tests.support.intake_bench import Bench, center, ct_slice, whole_study
from tests.support.reports_for_pacs import REPORT_UID, finish_with, write_smallest_report

pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)

CALLER = Caller("ANNULUS")
KNOWN = Reference(CT_IMAGE_STORAGE, str(ct_slice(0).SOPInstanceUID))
UNKNOWN = Reference(CT_IMAGE_STORAGE, "1.2.3.4.5.6")


@contextmanager
def _pacs(port: int, answer: int, result: str) -> Iterator[list[Dataset]]:
    """A PACS that takes reports, answers a commitment request, and reports a result on the same
    association.
    """
    asked: list[Dataset] = []

    def act(event: Any) -> tuple[int, None]:
        asked.append(event.action_information)
        return answer, None

    def after(event: Any) -> None:
        if result == "silence" or event.message.__class__.__name__ != "N_ACTION_RSP" or answer:
            return
        request = asked[-1]
        outcome = Dataset()
        outcome.TransactionUID = request.TransactionUID
        if result == "committed":
            outcome.ReferencedSOPSequence = request.ReferencedSOPSequence
        else:
            outcome.FailedSOPSequence = request.ReferencedSOPSequence
            outcome.FailedSOPSequence[0].FailureReason = 0x0110
        kind = 1 if result == "committed" else 2
        event.assoc.send_n_event_report(
            outcome, kind, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
        )

    entity = AE("PACS")
    entity.add_supported_context(COMPREHENSIVE_3D_SR_STORAGE)
    entity.add_supported_context(STORAGE_COMMITMENT)
    handlers: list[Any] = [
        (evt.EVT_C_STORE, lambda _: 0x0000),
        (evt.EVT_N_ACTION, act),
        (evt.EVT_DIMSE_SENT, after),
    ]
    assert entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers) is not None
    try:
        yield asked
    finally:
        entity.shutdown()


@pytest.fixture
def deliver(bench: Bench, tmp_path: Path) -> Callable[[int], int]:
    """Deliver the report of a scored study to a port."""
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    finish_with(bench.registry, write_smallest_report(tmp_path / "report.dcm"))

    def to(port: int) -> int:
        return deliver_due(
            bench.registry.deliveries,
            CALLER,
            [center(return_to=ReturnDestination("PACS", "127.0.0.1", port))],
            5,
            9,
        )

    return to


def _why(bench: Bench) -> str:
    ((_, sentence, _),) = bench.registry.deliveries.undelivered()
    return str(sentence)


def test_a_report_that_is_committed_at_once_is_delivered(
    bench: Bench, deliver: Callable[[int], int]
) -> None:
    with _pacs(port := free_port(), 0x0000, "committed") as asked:
        assert deliver(port) == 1
    assert bench.registry.deliveries.undelivered() == []
    assert [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in asked] == [REPORT_UID]


def test_a_report_that_is_not_committed_is_sent_again(
    bench: Bench, deliver: Callable[[int], int]
) -> None:
    with _pacs(port := free_port(), 0x0000, "failed"):
        assert deliver(port) == 0
        assert "says that it did not commit it" in _why(bench)
    with _pacs(port := free_port(), 0x0000, "committed"):
        assert deliver(port) == 1


def test_a_result_that_comes_later_delivers_and_one_that_does_not_come_sends_again(
    bench: Bench, deliver: Callable[[int], int]
) -> None:
    with _pacs(port := free_port(), 0x0000, "silence") as asked:
        assert deliver(port) == 0
        assert "has not answered yet" in _why(bench)
        assert deliver(port) == 0  # not due
        assert len(asked) == 1
        bench.clock.advance(901)
        assert deliver(port) == 0
    first, second = (CommitmentReport(one.TransactionUID, (), ()) for one in asked)
    bench.registry.deliveries.take_commitment_report(
        "alpha", first
    )  # superseded by the second request
    bench.registry.deliveries.take_commitment_report("beta", second)  # another centre's word
    assert len(bench.registry.deliveries.undelivered()) == 1
    bench.registry.deliveries.take_commitment_report("alpha", second)
    assert bench.registry.deliveries.undelivered() == []
    assert [one.delivered for one in bench.registry.studies.summaries()] == [True]


def test_a_pacs_that_will_not_commit_has_the_report_all_the_same(
    bench: Bench, deliver: Callable[[int], int]
) -> None:
    with _pacs(port := free_port(), 0x0110, "silence"):
        assert deliver(port) == 1
    assert bench.registry.deliveries.undelivered() == []


@contextmanager
def _asker(port: int) -> Iterator[list[Any]]:
    """A system that asked us and waits to be told."""
    told: list[Any] = []

    def take(event: Any) -> tuple[int, None]:
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


@pytest.mark.parametrize("transfer_syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN])
def test_a_report_reads_back_as_it_was_written(transfer_syntax: str) -> None:
    report = CommitmentReport("1.2.9", (KNOWN,), ((UNKNOWN, 0x0110),))
    assert parse_report(report.dataset(transfer_syntax), transfer_syntax) == report
    assert report.event_type == 2
    assert parse_request(
        CommitmentReport("1.2.9", (KNOWN,), ()).dataset(transfer_syntax), transfer_syntax
    ) == CommitmentRequest("1.2.9", (KNOWN,))
