"""One association with a centre's AE, from the first byte to the last: the loop that stores what is
pushed.

The thread that reads also writes and answers; nothing is polled. PDVs go from the socket's buffer
straight into the instance's temporary file, so that memory does not depend on the size of an
object, and a peer that sends faster than the disk takes is held back by TCP.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from dicom_node.center import Center
from dicom_node.errors import where_raised
from dicom_node.intake.pace import Pace
from dicom_node.network import command_set as dimse
from dicom_node.network import pdu
from dicom_node.network.pdu import AssociateRequest, PduType, ProtocolError
from dicom_node.scp.admission import Rejection
from dicom_node.scp.negotiation import Negotiated, negotiate
from dicom_node.scp.pdu_stream import PduStream, PeerClosedError, PeerSilentError
from dicom_node.scp.services import DimseServices, Message, StoreMessage
from dicom_node.scp.state_machine import TRANSITIONS, Action, Event, State
from dicom_node.wording import counted

_log = logging.getLogger(__name__)

MAXIMUM_PDU_BYTES = 131072
_CLOSE_S = 2.0
_EVENTS: dict[int, Event] = {
    PduType.ASSOCIATE_RQ: Event.ASSOCIATE_RQ,
    PduType.ASSOCIATE_AC: Event.ASSOCIATE_AC,
    PduType.ASSOCIATE_RJ: Event.ASSOCIATE_RJ,
    PduType.P_DATA: Event.P_DATA,
    PduType.RELEASE_RQ: Event.RELEASE_RQ,
    PduType.RELEASE_RP: Event.RELEASE_RP,
    PduType.ABORT: Event.ABORT,
}
_SILENCE = {
    State.AWAITING_REQUEST: Event.TIMER_EXPIRED,
    State.ESTABLISHED: Event.ABORT_REQUEST,
    State.AWAITING_CLOSE: Event.TIMER_EXPIRED,
}
_UNEXPECTED, _UNRECOGNIZED_PDU, _INVALID_PARAMETER = 0x00, 0x01, 0x06


@dataclass(frozen=True)
class PeerTimeouts:
    """How long a peer is waited for.

    Parameters
    ----------
    request_s : float
        Seconds from the connection to the whole A-ASSOCIATE-RQ: the ARTIM timer (PS3.8 section
        9.1.5).
    silence_s : float
        Seconds without anything from a peer after which its association is aborted.
    bytes_per_s : float
        The slowest that a message may come on the whole, beyond `silence_s`; 0 is no limit.
    """

    request_s: float
    silence_s: float
    bytes_per_s: float = 0.0


class AssociationAcceptor(Protocol):
    """What an association asks of the AE that it belongs to."""

    def admit(self, request: AssociateRequest, address: str) -> Center | Rejection:
        """Return the calling centre and count its association, or say why it may not come in."""

    def leave(self, center: Center, calling: str, address: str) -> None:
        """Stop counting an association that was admitted."""


class AcceptedAssociation:
    """The acceptor's side of one connection.

    Parameters
    ----------
    connection : socket.socket
        The connection, TLS handshake done.
    address : str
        The peer's address.
    acceptor : AssociationAcceptor
        Who says who may come in.
    services : DimseServices
        What is offered to whoever is in.
    timeouts : PeerTimeouts
        How long the peer is waited for.
    """

    def __init__(
        self,
        connection: socket.socket,
        address: str,
        acceptor: AssociationAcceptor,
        services: DimseServices,
        timeouts: PeerTimeouts,
    ) -> None:
        self._connection = connection
        self._address = address
        self._acceptor = acceptor
        self._services = services
        self._timeouts = timeouts
        self._pace = Pace(timeouts.silence_s, timeouts.bytes_per_s)
        self._stream = PduStream(connection, timeouts.request_s, self._pace)
        self._state = State.AWAITING_REQUEST
        self._is_in_step = True
        self._is_counted = False
        self._length = 0
        self._abort_reason = 0
        self._request: AssociateRequest | None = None
        self._center: Center | None = None
        self._rejection: Rejection | None = None
        self._negotiated: Negotiated | None = None
        self._message: Message | None = None
        self._command = bytearray()
        self._command_context = 0
        self._has_stored = False
        self.last_heard = time.monotonic()
        self._actions: dict[Action, Callable[[], Event | None]] = {
            Action.ANSWER_REQUEST: self._answer_request,
            Action.SEND_ACCEPT: self._send_accept,
            Action.SEND_REJECT: self._send_reject,
            Action.TAKE_DATA: self._take_data,
            Action.TAKE_RELEASE: self._take_release,
            Action.SEND_RELEASE_RESPONSE: lambda: self._part(pdu.release_response()),
            Action.ABORT_AS_USER: lambda: self._part(pdu.abort(0, 0), is_abort=True),
            Action.ABORT_AS_PROVIDER: lambda: self._part(
                pdu.abort(2, self._abort_reason), is_abort=True
            ),
            Action.ABORT_AGAIN: lambda: self._send(pdu.abort(2, self._abort_reason)),
            Action.IGNORE: self._ignore,
        }

    @property
    def is_established(self) -> bool:
        """Whether the association was accepted and has not ended."""
        return self._state is State.ESTABLISHED

    @property
    def is_busy(self) -> bool:
        """Whether a message is on its way in or being answered."""
        return self._message is not None or bool(self._command)

    def serve(self) -> None:
        """Serve the peer until the connection ends; it is closed when this returns."""
        self._stream.wait_at_most(self._timeouts.request_s, total_s=self._timeouts.request_s)
        try:
            while self._state is not State.IDLE:
                self._apply(self._next_event())
        finally:
            self._drop_message()
            self._uncount()
            with suppress(OSError):
                self._connection.close()

    def abort(self) -> None:
        """End the association from another thread."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _apply(self, event: Event | None) -> None:
        while event is not None:
            action, self._state = TRANSITIONS[self._state, event]
            act = self._actions.get(action)
            try:
                event = act() if act else None
            except PeerSilentError:
                event = _SILENCE.get(self._state, Event.CLOSED)
            except OSError:
                event = Event.CLOSED
            except Exception as error:  # noqa: BLE001 - the peer hears of it
                _log.error("%s: the association is aborted (%s).", self._peer, where_raised(error))
                self._abort_reason = _UNEXPECTED
                self._is_in_step = False
                is_open = self._state in {State.ESTABLISHED, State.AWAITING_OWN_RESPONSE}
                event = Event.INVALID_PDU if is_open else Event.CLOSED

    def _next_event(self) -> Event:
        try:
            if not self._is_in_step:
                self._stream.discard_rest()
            kind, self._length = self._stream.header()
        except PeerClosedError:
            return Event.CLOSED
        except PeerSilentError:
            return _SILENCE[self._state]
        self.last_heard = time.monotonic()
        if not self.is_busy:
            self._pace.begin()  # between messages a peer may be silent
        event = _EVENTS.get(kind)
        if event is None:
            return self._invalid(_UNRECOGNIZED_PDU, f"a PDU of the unknown type 0x{kind:02X}")
        longest = MAXIMUM_PDU_BYTES if event is Event.P_DATA else pdu.MAXIMUM_ASSOCIATE_BYTES
        if self._length > longest:
            return self._invalid(
                _INVALID_PARAMETER,
                f"a PDU of {counted(self._length, 'byte')}, expected at most {longest}",
            )
        return event

    def _invalid(self, reason: int, what: str) -> Event:
        _log.warning("%s: the association is aborted. %s", self._peer, what)
        self._abort_reason = reason
        self._is_in_step = False
        return Event.INVALID_PDU

    @property
    def _peer(self) -> str:
        if self._center is None or self._request is None:
            return self._address
        return f"{self._center.name} ({self._request.calling} at {self._address})"

    def _answer_request(self) -> Event:
        try:
            self._request = pdu.parse_associate_request(self._stream.take(self._length))
        except ProtocolError as error:
            return self._invalid(error.reason, str(error))
        answer = self._acceptor.admit(self._request, self._address)
        if isinstance(answer, Rejection):
            self._rejection = answer
            return Event.REJECT
        self._center, self._is_counted = answer, True
        return Event.ACCEPT

    def _send_accept(self) -> None:
        assert self._request is not None  # noqa: S101 - the table leads here only after the request
        assert self._center is not None  # noqa: S101
        self._negotiated = negotiated = negotiate(self._request, self._center.accepts)
        self._stream.wait_at_most(self._timeouts.silence_s)
        self._send(
            pdu.associate_accept(
                self._request, negotiated.results, negotiated.roles, MAXIMUM_PDU_BYTES
            )
        )

    def _send_reject(self) -> None:
        # The table leads here only after the rejection
        assert self._rejection is not None  # noqa: S101
        one = self._rejection
        self._part(pdu.associate_reject(one.result, one.source, one.reason))

    def _take_release(self) -> Event:
        self._stream.pour(self._length, _nowhere)
        if self._has_stored:
            self._services.flush()
        return Event.RELEASE_RESPONSE

    def _ignore(self) -> None:
        self._stream.pour(self._length, _nowhere)

    def _part(self, final_pdu: bytes, *, is_abort: bool = False) -> None:
        """Say the last thing, and leave the peer a moment to read it before the connection is
        closed.
        """
        self._uncount()
        self._drop_message()
        self._send(final_pdu)
        self._stream.wait_at_most(_CLOSE_S, total_s=_CLOSE_S)
        if is_abort:
            self._is_in_step = False
            self._connection.shutdown(socket.SHUT_WR)

    def _take_data(self) -> Event | None:
        left = self._length
        try:
            while left:
                left = self._take_value(left)
        except ProtocolError as error:
            return self._invalid(error.reason, str(error))
        return None

    def _take_value(self, left: int) -> int:
        """Take one presentation data value, and return how much of its PDU is left."""
        if left < pdu.PDV_HEADER_BYTES:
            raise ProtocolError(
                f"A presentation data value of {counted(left, 'byte')} has no room for its header."
            )
        head = self._stream.take(pdu.PDV_HEADER_BYTES)
        context_id, control = head[4], head[5]
        length = int.from_bytes(head[:4], "big") - 2
        left -= pdu.PDV_HEADER_BYTES + length
        if length < 0 or left < 0:
            raise ProtocolError("A presentation data value does not fit into its PDU.")
        if control & pdu.IS_COMMAND:
            self._take_command(context_id, control, length)
            return left
        message = self._message
        if message is None or message.context.id != context_id:
            raise ProtocolError("A fragment of a dataset came that no command announced.")
        self._stream.pour(length, message.write)
        if control & pdu.IS_LAST:
            self._answer(message)
        return left

    def _take_command(self, context_id: int, control: int, length: int) -> None:
        # Data is taken only when the association is established
        assert self._negotiated is not None  # noqa: S101
        assert self._center is not None  # noqa: S101
        assert self._request is not None  # noqa: S101
        context = self._negotiated.accepted.get(context_id)
        if context is None:
            raise ProtocolError("A message came in a presentation context that was not accepted.")
        if self._message is not None or (self._command and self._command_context != context_id):
            raise ProtocolError("A command came before the message that had begun was complete.")
        if len(self._command) + length > dimse.MAXIMUM_COMMAND_BYTES:
            raise ProtocolError(
                f"A command set is longer than {dimse.MAXIMUM_COMMAND_BYTES} bytes."
            )
        self._command += self._stream.take(length)
        self._command_context = context_id
        if control & pdu.IS_LAST:
            command = dimse.parse_command(bytes(self._command))
            self._command.clear()
            message = self._services.begin(self._center, self._request.calling, context, command)
            self._message = message
            if not command.has_dataset:
                self._answer(message)

    def _answer(self, message: Message) -> None:
        """Answer a complete message; only then is it forgotten, so that a drain waits for the
        answer.
        """
        assert self._request is not None  # noqa: S101
        self._has_stored |= isinstance(message, StoreMessage)
        try:
            for content, flags in message.answer():
                self._send(
                    pdu.p_data(message.context.id, content, flags, self._request.maximum_length)
                )
        finally:
            message.discard()
            self._message = None
        self._pace.begin()
        self.last_heard = time.monotonic()

    def _drop_message(self) -> None:
        if self._message is not None:
            self._message.discard()
            self._message = None

    def _uncount(self) -> None:
        if self._is_counted and self._center is not None and self._request is not None:
            self._is_counted = False
            self._acceptor.leave(self._center, self._request.calling, self._address)

    def _send(self, content: bytes) -> None:
        self._connection.sendall(content)


def _nowhere(_piece: memoryview) -> None:
    """Take what is not wanted."""
