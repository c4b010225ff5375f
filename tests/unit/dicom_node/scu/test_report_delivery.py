"""A report is sent until it is taken; every failure is a sentence, and a warning is a delivery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from deploy.local.processes import free_port
from dicom_node.center import ReturnDestination
from dicom_node.datasets.sop_classes import (
    COMPREHENSIVE_3D_SR_STORAGE,
    VERIFICATION,
)
from dicom_node.errors import DeliveryError
from dicom_node.scu.caller import Caller, echo
from dicom_node.scu.report_delivery import deliver_due
from tests.support.intake_bench import Bench, center, whole_study
from tests.support.reports_for_pacs import REPORT_UID, finish_with, write_smallest_report

# pynetdicom drops the socket of a refused connection without closing it.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)


@contextmanager
def _pacs(
    port: int, status: int = 0x0000, *, takes_reports: bool = True
) -> Iterator[list[Dataset]]:
    """A listening AE that answers every report with one status and keeps it."""
    received: list[Dataset] = []

    def take(event: evt.Event) -> int:
        received.append(event.dataset)
        return status

    entity = AE("PACS")
    entity.require_called_aet = True
    entity.add_supported_context(VERIFICATION)
    if takes_reports:
        entity.add_supported_context(COMPREHENSIVE_3D_SR_STORAGE)
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, take)]
    )
    assert server is not None
    try:
        yield received
    finally:
        entity.shutdown()


@pytest.fixture
def queued(bench: Bench, tmp_path: Path) -> Bench:
    """A scored study whose report waits."""
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    finish_with(bench.registry, write_smallest_report(tmp_path / "report.dcm"))
    return bench


def _deliver(bench: Bench, port: int, ae_title: str = "PACS") -> int:
    centers = [center("beta"), center(return_to=ReturnDestination(ae_title, "127.0.0.1", port))]
    return deliver_due(
        bench.registry.deliveries,
        Caller("ANNULUS"),
        centers,
        first_retry_s=5.0,
        longest_retry_s=15.0,
    )


def _failure(bench: Bench) -> str:
    ((_, sentence, _),) = bench.registry.deliveries.undelivered()
    assert sentence is not None
    return sentence


def test_a_report_is_delivered_once(queued: Bench) -> None:
    with _pacs(port := free_port()) as received:
        assert _deliver(queued, port) == 1
        assert _deliver(queued, port) == 0
    assert [one.SOPInstanceUID for one in received] == [REPORT_UID]
    assert [one.delivered for one in queued.registry.studies.summaries()] == [True]


def test_a_pacs_that_is_down_is_tried_again_with_growing_pauses_until_it_takes_the_report(
    queued: Bench,
) -> None:
    port = free_port()
    for pause in (5.0, 10.0, 15.0, 15.0):
        assert _deliver(queued, port) == 0
        ((_, sentence, due),) = queued.registry.deliveries.undelivered()
        assert sentence is not None
        assert f"PACS at 127.0.0.1:{port} is not reached" in sentence
        assert (due - queued.clock()).total_seconds() == pause
        queued.clock.advance(pause - 1)
        assert queued.registry.deliveries.due(["alpha"]) == []
        queued.clock.advance(1)
    with _pacs(port) as received:
        assert _deliver(queued, port) == 1
    assert len(received) == 1


def test_a_refusal_is_not_a_delivery_and_names_the_status(queued: Bench) -> None:
    with _pacs(port := free_port(), 0xA700):
        assert _deliver(queued, port) == 0
    assert (
        _failure(queued) == f"PACS at 127.0.0.1:{port} did not take the report, with status 0xA700"
    )


def test_a_warning_is_a_delivery(queued: Bench) -> None:
    with _pacs(port := free_port(), 0xB000):
        assert _deliver(queued, port) == 1
    assert queued.registry.deliveries.undelivered() == []


def test_a_pacs_that_knows_another_title_or_takes_no_reports_is_told(queued: Bench) -> None:
    with _pacs(port := free_port()):
        _deliver(queued, port, "OTHER")
    assert "rejected our association" in _failure(queued)
    queued.clock.advance(60)
    with _pacs(port := free_port(), takes_reports=False):
        _deliver(queued, port)
    assert "takes Comprehensive 3D SR Storage" in _failure(queued)


def test_a_report_that_has_gone_is_told(queued: Bench, tmp_path: Path) -> None:
    (tmp_path / "report.dcm").unlink()
    with _pacs(port := free_port()):
        assert _deliver(queued, port) == 0
    assert "the report's file cannot be read (FileNotFoundError)" in _failure(queued)


def test_echo_answers_or_says_why_not() -> None:
    port = free_port()
    with pytest.raises(DeliveryError, match="is not reached"):
        echo(ReturnDestination("PACS", "127.0.0.1", port), Caller("ANNULUS"))
    with _pacs(port) as received:
        echo(ReturnDestination("PACS", "127.0.0.1", port), Caller("ANNULUS"))
    assert received == []
