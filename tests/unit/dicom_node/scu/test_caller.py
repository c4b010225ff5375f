"""Calling: whoever answers is reached, and whoever does not is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.transport import ThreadedAssociationServer

from deploy.local.processes import free_port
from dicom_node.center import ReturnDestination
from dicom_node.datasets.sop_classes import (
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    VERIFICATION,
)
from dicom_node.errors import DeliveryError
from dicom_node.scu.caller import Caller, echo
from tests.support.waiting import wait_until


@pytest.fixture
def pacs() -> Iterator[ThreadedAssociationServer]:
    """Return a PACS that answers C-ECHO."""
    entity = AE("PACS")
    entity.add_supported_context(VERIFICATION)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    assert server is not None
    yield server
    entity.shutdown()


def _associated(pacs: ThreadedAssociationServer) -> Any:
    destination = ReturnDestination("PACS", "127.0.0.1", pacs.server_address[1])
    return Caller("ANNULUS").associate(destination, (VERIFICATION,))


# pynetdicom drops the socket of a refused connection without closing it.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)
def test_echo_answers_or_says_why_not() -> None:
    port = free_port()
    with pytest.raises(DeliveryError, match="is not reached"):
        echo(ReturnDestination("PACS", "127.0.0.1", port), Caller("ANNULUS"))
    entity = AE("PACS")
    entity.require_called_aet = True
    entity.add_supported_context(VERIFICATION)
    assert entity.start_server(("127.0.0.1", port), block=False) is not None
    try:
        echo(ReturnDestination("PACS", "127.0.0.1", port), Caller("ANNULUS"))
    finally:
        entity.shutdown()


def test_neither_side_waits_for_acknowledgements(pacs: ThreadedAssociationServer) -> None:
    association = _associated(pacs)
    connection = association.dul.socket.socket
    told = [
        (
            association.send_c_echo().Status,
            connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
            connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK),
        )
        for _ in range(5)
    ]
    association.release()
    assert told == [(0x0000, 1, 1)] * 5


class _Slow(threading.Event):
    """Where pynetdicom's thread stops, on a machine so busy that it goes on late, as who asked
    does.
    """

    def wait(self, timeout: float | None = None) -> bool:
        found = super().wait(timeout)
        time.sleep(0.02)
        return found


@pytest.mark.parametrize("keeps", [True, False])
def test_an_answer_is_taken_by_whoever_asked(
    keeps: bool, pacs: ThreadedAssociationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not keeps:
        monkeypatch.setattr("dicom_node.scu.caller.keep_answers", lambda _: None)
    association = _associated(pacs)
    association.dimse_timeout = 0.5
    slow = _Slow()
    slow.set()
    association._reactor_checkpoint = slow
    take = association.dimse.get_msg

    def take_late(block: bool = False) -> Any:
        time.sleep(0.1 if block else 0)
        return take(block)

    association.dimse.get_msg = take_late
    statuses: list[int | None] = []
    while association.is_established and len(statuses) < 5:
        statuses.append(association.send_c_echo().get("Status"))
    association.abort()
    assert (statuses == [0x0000] * 5) is keeps


def test_what_cannot_be_sent_stops_nothing(pacs: ThreadedAssociationServer) -> None:
    association = _associated(pacs)
    with pytest.raises(ValueError, match="context"):
        association.send_n_action(Dataset(), 1, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE)
    pacs.active_associations[0].abort()
    wait_until(lambda: association.is_aborted, 10, "the peer's abort is taken")
