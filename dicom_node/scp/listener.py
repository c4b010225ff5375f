"""The receiving AE: listens, lets in who may come in, and gives each connection a thread of its
own.

A connection counts as an association only after its request was accepted. Until then it is only a
pending connection: the TLS handshake happens in its own thread, and when too many wait silently,
the one that has waited longest makes room.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from dicom_node.audit import AuditEvent, record
from dicom_node.center import Center
from dicom_node.certificate import PeerCertificate, peer_certificate
from dicom_node.errors import NodeError
from dicom_node.intake.places import Places
from dicom_node.intake.prompt_notes import TakesIncidents
from dicom_node.network.pdu import AssociateRequest
from dicom_node.scp.admission import Rejection, admit
from dicom_node.scp.association import AcceptedAssociation, PeerTimeouts
from dicom_node.scp.services import DimseServices

_log = logging.getLogger(__name__)

_BACKLOG = 128
_RECEIVE_BUFFER_BYTES = 1 << 20
_POLL_S = 0.05
_IDLE_S = 1.0
_BREATH_S = 0.2
SPARE_CONNECTIONS = 16
_STRANGERS = "callers of no centre"  # one row whatever their number: everybody may call


@dataclass(frozen=True)
class ListenerSettings:
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
    request_timeout_s : float
        Seconds that a peer has for its TLS handshake and again for its association request.
    bytes_per_s : float
        The slowest that a message may come on the whole, beyond `network_timeout_s`; 0 is no limit.
    associations_of_a_center : int, optional
        Of the associations, how many one centre may have; see `Places`.
    """

    ae_title: str
    host: str
    port: int
    maximum_associations: int = 20
    network_timeout_s: float = 60.0
    request_timeout_s: float = 10.0
    bytes_per_s: float = 0.0
    associations_of_a_center: int | None = None


class Listener:
    """A listening AE: Verification, CT Image Storage, RT Structure Set Storage, Storage Commitment.

    Parameters
    ----------
    settings : ListenerSettings
        How it listens.
    centers : tuple of Center
        Who may call; without centres nobody may.
    services : DimseServices
        What is offered.
    incidents : TakesIncidents
        Where rejected callers are recorded.
    tls : ssl.SSLContext, optional
        With it nobody is listened to without TLS.

    Raises
    ------
    ValueError
        If no centre may call.
    """

    def __init__(
        self,
        settings: ListenerSettings,
        centers: tuple[Center, ...],
        services: DimseServices,
        incidents: TakesIncidents,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not centers:
            raise ValueError(
                "No centre may call this node: expected at least one [center.NAME] table in the "
                "settings."
            )
        self._settings = settings
        self._centers = centers
        self._services = services
        self._incidents = incidents
        self._tls = tls
        self._lock = threading.Lock()
        self._places = Places(
            settings.maximum_associations,
            [center.name for center in centers],
            settings.associations_of_a_center,
        )
        self._pending: dict[_PendingConnection, None] = {}
        self._associations: set[AcceptedAssociation] = set()
        self._listening: socket.socket | None = None
        self._accepting: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is bound.

        Raises
        ------
        RuntimeError
            If the listener has not been started.
        """
        if self._listening is None:
            raise RuntimeError("The listener has no port before it is started.")
        return int(self._listening.getsockname()[1])

    @property
    def open_associations(self) -> int:
        """How many associations are open."""
        return self._places.taken

    def start(self) -> None:
        """Bind the port and accept associations; when this returns, the port is known.

        Raises
        ------
        OSError
            If the port cannot be bound.
        """
        family = socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            listening.bind((self._settings.host, self._settings.port))
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
        self._listening = listening
        self._accepting = threading.Thread(
            target=self._accept, args=(listening,), name="accept", daemon=True
        )
        self._accepting.start()

    def stop(self, drain_s: float = 10.0) -> None:
        """Accept nothing more, let what is being received be answered, then end what is left.

        Parameters
        ----------
        drain_s : float
            Seconds that busy associations are given; idle ones are ended after a second.
        """
        if self._listening is None or self._accepting is None:
            return
        listening, self._listening = self._listening, None
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self._accepting.join()
        listening.close()
        deadline = time.monotonic() + drain_s
        while time.monotonic() < deadline and self._end_idle():
            time.sleep(_POLL_S)
        for one in list(self._associations):
            one.abort()
        deadline = time.monotonic() + max(drain_s, 1.0)
        while self._associations and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def admit(
        self, request: AssociateRequest, address: str, certificate: PeerCertificate | None = None
    ) -> Center | Rejection:
        """Let a caller in and count it, or record why not."""
        answer = admit(
            request,
            address,
            self._centers,
            self._settings.ae_title,
            has_place=self._places.take,
            certificate=certificate,
        )
        who = {"calling": request.calling, "address": address}
        if isinstance(answer, Rejection):
            self._services.metrics.association(answer.center, "rejected")
            record(AuditEvent.ASSOCIATION_REJECTED, **who, center=answer.center, kind=answer.kind)
            self._record(answer, request.calling if answer.center else _STRANGERS)
        else:
            self._services.metrics.association(answer.name, "accepted")
            record(AuditEvent.ASSOCIATION_OPENED, **who, center=answer.name)
        return answer

    def leave(self, center: Center, calling: str, address: str) -> None:
        """Stop counting an association."""
        self._places.leave(center.name)
        record(AuditEvent.ASSOCIATION_CLOSED, calling=calling, address=address, center=center.name)

    def _record(self, rejection: Rejection, subject: str) -> None:
        _log.warning("An association was rejected. %s", rejection.sentence)
        try:
            self._incidents.record(rejection.kind, rejection.sentence, rejection.center, subject)
        except NodeError as error:
            _log.error("The rejection could not be recorded. %s", error)

    def _end_idle(self) -> bool:
        """End the associations that nothing comes on, and say whether any is left."""
        quiet_since = time.monotonic() - _IDLE_S
        for one in list(self._associations):
            if not one.is_established or (not one.is_busy and one.last_heard < quiet_since):
                one.abort()
        return bool(self._associations)

    def _accept(self, listening: socket.socket) -> None:
        while self._listening is listening:
            try:
                connection, address = listening.accept()
            except OSError as error:
                if self._listening is listening:
                    _log.warning("A connection could not be accepted (%s).", error.strerror)
                    time.sleep(_BREATH_S)
                continue
            self._make_room()
            thread = threading.Thread(
                target=self._serve, args=(connection, str(address[0])), daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                _log.warning("A connection was refused, because the system has no thread for it.")
                connection.close()

    def _make_room(self) -> None:
        """End the pending connection that has waited longest when there are as many as associations
        are allowed, and 16 more.
        """
        with self._lock:
            if len(self._pending) < self._settings.maximum_associations + SPARE_CONNECTIONS:
                return
            oldest = next(iter(self._pending))
            del self._pending[oldest]
        with suppress(OSError):
            oldest.connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket, address: str) -> None:
        pending = _PendingConnection(self, connection)
        association: AcceptedAssociation | None = None
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(self._settings.request_timeout_s)
            with self._lock:
                self._pending[pending] = None
            if self._tls is not None:
                pending.connection = secured = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
                secured.do_handshake()
            timeouts = PeerTimeouts(
                self._settings.request_timeout_s,
                self._settings.network_timeout_s,
                self._settings.bytes_per_s,
            )
            association = AcceptedAssociation(
                pending.connection, address, pending, self._services, timeouts
            )
            self._associations.add(association)
            association.serve()
        except OSError as error:
            # A handshake that failed, a peer that went: nothing of it concerns anybody else.
            _log.info(
                "A connection from %s ended before an association (%s).", address, _reason(error)
            )
        finally:
            self.forget(pending)
            if association is not None:
                self._associations.discard(association)
            pending.connection.close()

    def forget(self, pending: _PendingConnection) -> None:
        """Count a connection as pending no more."""
        with self._lock:
            self._pending.pop(pending, None)


class _PendingConnection:
    """A connection without an association yet, and the listener as its association sees it."""

    def __init__(self, listener: Listener, connection: socket.socket) -> None:
        self._listener = listener
        self.connection = connection

    def admit(self, request: AssociateRequest, address: str) -> Center | Rejection:
        """Let the caller in, or say why not; either way it is not pending any more."""
        self._listener.forget(self)
        return self._listener.admit(request, address, peer_certificate(self.connection))

    def leave(self, center: Center, calling: str, address: str) -> None:
        """Stop counting the association."""
        self._listener.leave(center, calling, address)


def _reason(error: OSError) -> str:
    return (
        str(error.reason)
        if isinstance(error, ssl.SSLError) and error.reason
        else type(error).__name__
    )
