"""The receiving AE: who may call, what may come, and the thin way from an event to the archive and a status."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt

from dicom_node.center import Center, center_by_ae_title
from dicom_node.errors import IncidentKind, NodeError
from dicom_node.ingest import Ingest, StoreRequest
from dicom_node.registry import Registry
from dicom_node.status import SUCCESS, status_of
from dicom_node.study import CT_IMAGE_STORAGE, RT_STRUCTURE_SET_STORAGE, TRANSFER_SYNTAXES, VERIFICATION

_log = logging.getLogger(__name__)

_MAXIMUM_PDU_BYTES = 131072
_NOT_AUTHORIZED = 0x0124
_POLL_S = 0.05


@dataclass(frozen=True)
class ReceiverSettings:
    """How the AE listens.

    Parameters
    ----------
    ae_title, host : str
        Our AE title and the address that is bound.
    port : int
        TCP port; 0 takes a free one.
    maximum_associations : int
        Beyond them a caller is asked to come again.
    network_timeout_s : float
        Seconds without anything from a peer after which its association is aborted.
    """

    ae_title: str
    host: str
    port: int
    maximum_associations: int = 20
    network_timeout_s: float = 60.0


class Receiver:
    """A listening AE: Verification, CT Image Storage, RT Structure Set Storage.

    Parameters
    ----------
    settings : ReceiverSettings
        How it listens.
    centers : tuple of Center
        Who may call; without centres nobody may.
    ingest : Ingest
        What takes the instances.
    registry : Registry
        Where rejected callers are recorded.
    """

    def __init__(
        self, settings: ReceiverSettings, centers: tuple[Center, ...], ingest: Ingest, registry: Registry
    ) -> None:
        if not centers:
            raise ValueError("no centre may call this node: expected at least one [center.NAME] table in the settings")
        self._settings = settings
        self._ae = _application_entity(settings, centers)
        self._handlers: list[tuple[Any, Callable[..., Any], list[Any]]] = [
            (evt.EVT_C_STORE, handle_store, [centers, ingest]),
            (evt.EVT_REJECTED, handle_rejected, [settings.ae_title, centers, registry]),
        ]
        self._server: Any = None

    @property
    def port(self) -> int:
        """The port that is bound.

        Raises
        ------
        RuntimeError
            If the receiver has not been started.
        """
        if self._server is None:
            raise RuntimeError("the receiver has no port before it is started")
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Bind the port and accept associations; when this returns, the port is known.

        Raises
        ------
        OSError
            If the port cannot be bound.
        """
        address = (self._settings.host, self._settings.port)
        self._server = self._ae.start_server(address, block=False, evt_handlers=self._handlers)
        # Accepted sockets inherit it: otherwise each answer waits for the peer's delayed acknowledgement.
        self._server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def stop(self, drain_s: float = 10.0) -> None:
        """Accept nothing more, let running associations end, then abort what is left.

        Parameters
        ----------
        drain_s : float
            Seconds that running associations are given.
        """
        if self._server is None:
            return
        self._server.shutdown()
        deadline = time.monotonic() + drain_s
        while self._ae.active_associations and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        self._ae.shutdown()
        self._server = None


def handle_store(event: Any, centers: tuple[Center, ...], ingest: Ingest) -> int:
    """Answer one C-STORE: success only after the instance is on disk and indexed.

    Parameters
    ----------
    event : pynetdicom.events.Event
        The C-STORE.
    centers : tuple of Center
        Who may send.
    ingest : Ingest
        What takes the instance.

    Returns
    -------
    int
        The status (0000,0900).
    """
    center = center_by_ae_title(centers, event.assoc.requestor.ae_title)
    if center is None:
        return _NOT_AUTHORIZED
    command = event.request
    request = StoreRequest(
        sop_class_uid=str(command.AffectedSOPClassUID),
        sop_instance_uid=str(command.AffectedSOPInstanceUID),
        context_class_uid=str(event.context.abstract_syntax),
        transfer_syntax=str(event.context.transfer_syntax),
        dataset=command.DataSet.getvalue(),
    )
    try:
        ingest.receive(center.name, request)
    except NodeError as error:
        return status_of(error)
    return SUCCESS


def handle_rejected(event: Any, ae_title: str, centers: tuple[Center, ...], registry: Registry) -> None:
    """Record why an association was rejected (PS3.8 section 9.3.4).

    Parameters
    ----------
    event : pynetdicom.events.Event
        The rejection.
    ae_title : str
        Our AE title.
    centers : tuple of Center
        Who may call.
    registry : Registry
        Where the incident goes.
    """
    request = event.assoc.requestor.primitive
    calling, called = request.calling_ae_title.strip(), request.called_ae_title.strip()
    center = center_by_ae_title(centers, calling)
    if center is None:
        kind = IncidentKind.UNKNOWN_CALLER
        sentence = f"{calling!r} called, which is no centre's AE title: add it to ae_titles of its centre, or stop it"
    elif called != ae_title:
        kind = IncidentKind.WRONG_CALLED_AE
        sentence = f"{calling!r} called for {called!r}, but this node is {ae_title!r}: correct the called AE title"
    else:
        kind = IncidentKind.TOO_MANY_ASSOCIATIONS
        sentence = f"{calling!r} was asked to come again: as many associations as allowed were open"
    _log.warning("association rejected: %s", sentence)
    try:
        registry.record_incident(kind, sentence, center.name if center else None, calling)
    except NodeError as error:
        _log.error("the rejection could not be recorded: %s", error)


def _application_entity(settings: ReceiverSettings, centers: tuple[Center, ...]) -> Any:
    entity = AE(ae_title=settings.ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = [title for center in centers for title in center.ae_titles]
    entity.maximum_associations = settings.maximum_associations
    entity.maximum_pdu_size = _MAXIMUM_PDU_BYTES
    entity.network_timeout = settings.network_timeout_s
    entity.acse_timeout = settings.network_timeout_s
    entity.dimse_timeout = settings.network_timeout_s
    for sop_class in (VERIFICATION, CT_IMAGE_STORAGE, RT_STRUCTURE_SET_STORAGE):
        entity.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))
    return entity
