"""Calling: whoever answers is reached, and whoever does not is told."""

from __future__ import annotations

import pytest
from pynetdicom import AE

from deploy.local.processes import free_port
from dicom_node.center import ReturnDestination
from dicom_node.datasets.sop_classes import VERIFICATION
from dicom_node.errors import DeliveryError
from dicom_node.scu.caller import Caller, echo


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
