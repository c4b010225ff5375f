"""Our own AE as it calls others: associations and the echo."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from dicom_node.center import ReturnDestination
from dicom_node.datasets.sop_classes import (
    TRANSFER_SYNTAXES,
    VERIFICATION,
)
from dicom_node.errors import DeliveryError, UnreachableError
from dicom_node.intake.refusals import SUCCESS

_TIMEOUT_S = 30.0
_LOOK_S = 0.0002
_REQUESTS = (
    "send_c_echo",
    "send_c_find",
    "send_c_move",
    "send_c_store",
    "send_n_action",
    "send_n_event_report",
)
_FOR_REPORTS = (
    "it takes Comprehensive 3D SR Storage for patients, and for the centre's own reports "
    "Comprehensive SR and Encapsulated PDF Storage"
)


@dataclass(frozen=True)
class Caller:
    """Our own AE as it calls others.

    Parameters
    ----------
    ae_title : str
        Our AE title.
    tls : ssl.SSLContext or None
        With it we call with TLS.
    """

    ae_title: str
    tls: ssl.SSLContext | None = None

    def associate(
        self,
        destination: ReturnDestination,
        sop_classes: Sequence[str],
        roles: Sequence[Any] = (),
        handlers: Sequence[Any] = (),
        expected: str = _FOR_REPORTS,
    ) -> Any:
        """Open an association.

        Parameters
        ----------
        destination : ReturnDestination
            The AE.
        sop_classes : sequence of str
            What is proposed.
        roles : sequence
            SCP/SCU role selections.
        handlers : sequence
            pynetdicom's event handlers.
        expected : str
            What the AE must do, as the end of a sentence, in case that it accepts nothing.

        Raises
        ------
        UnreachableError
            If it is not established.
        """
        entity = AE(ae_title=self.ae_title)
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = (
            entity.network_timeout
        ) = _TIMEOUT_S
        for sop_class in sop_classes:
            entity.add_requested_context(sop_class, list(TRANSFER_SYNTAXES))
        try:
            association = entity.associate(
                destination.host,
                destination.port,
                ae_title=destination.ae_title,
                ext_neg=list(roles) or None,
                evt_handlers=[*_WITHOUT_WAITING, *handlers],
                tls_args=(self.tls, destination.host) if self.tls else None,
            )
        except (OSError, UnicodeError, RuntimeError) as error:
            raise UnreachableError(
                f"{destination_name(destination)} cannot be called ({type(error).__name__}): check "
                "that the host is spelt right, and that this machine's name server and network "
                "know it."
            ) from error
        if association.is_established:
            keep_answers(association)
            return association
        if association.is_rejected:
            raise UnreachableError(
                f"{destination_name(destination)} rejected our association: it must know the AE "
                f"title {self.ae_title} and be called as {destination.ae_title}."
            )
        speaks_tls = "that it speaks TLS as we do" if self.tls else "that it wants no TLS"
        raise UnreachableError(
            f"{destination_name(destination)} is not reached, or accepts nothing that we offer: "
            f"check host, port and firewall, {speaks_tls}, and that {expected}."
        )


def keep_answers(association: Any) -> None:
    """Let each request of an association be sent when nobody but its sender can take the answer.

    pynetdicom has a thread that serves what the peer asks for. It asks that thread to stop before
    it sends, but does not wait until it has: an answer that comes at once could be taken there, and
    thrown away as unexpected.

    Parameters
    ----------
    association : pynetdicom.association.Association
        Established by us.
    """
    for name in _REQUESTS:
        setattr(association, name, _sent_alone(association, getattr(association, name)))


def _sent_alone(association: Any, send: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(send)
    def sent(*args: Any, **kwargs: Any) -> Any:
        checkpoint = association._reactor_checkpoint  # noqa: SLF001 - where that thread stops
        checkpoint.clear()
        while association.is_alive() and not checkpoint._cond._waiters:  # noqa: SLF001
            time.sleep(_LOOK_S)
        try:
            return send(*args, **kwargs)
        except BaseException:  # whatever was not sent, that thread goes on
            checkpoint.set()
            raise

    return sent


def _send_at_once(event: evt.Event) -> None:
    """Let the system send a PDU when it is written, and not when the one before it is
    acknowledged.
    """
    _set_tcp(event, socket.TCP_NODELAY)


def _acknowledge_at_once(event: evt.Event) -> None:
    """Let the system acknowledge the first packet of an answer at once: a peer that sends the
    second only then would wait 40 ms. The system goes back to waiting, so each PDU says it anew.
    """
    if hasattr(socket, "TCP_QUICKACK"):  # Linux
        _set_tcp(event, socket.TCP_QUICKACK)


def _set_tcp(event: evt.Event, option: int) -> None:
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        with suppress(OSError):  # the peer has gone, which whoever waits for its answer finds
            connection.socket.setsockopt(socket.IPPROTO_TCP, option, 1)


_WITHOUT_WAITING = ((evt.EVT_CONN_OPEN, _send_at_once), (evt.EVT_PDU_SENT, _acknowledge_at_once))


def echo(destination: ReturnDestination, caller: Caller) -> None:
    """Verify that a centre's AE answers (PS3.4 annex A).

    Parameters
    ----------
    destination : ReturnDestination
        The AE.
    caller : Caller
        Our own AE.

    Raises
    ------
    DeliveryError
        If it does not answer, or not with success.
    """
    association = caller.associate(destination, (VERIFICATION,))
    try:
        status = association.send_c_echo()
    except (ValueError, AttributeError, RuntimeError) as error:
        raise UnreachableError(
            f"{destination_name(destination)} closed the association at once "
            f"({type(error).__name__}): ask its administrator."
        ) from error
    finally:
        if association.is_established:
            association.release()
    if status.get("Status") != SUCCESS:
        raise DeliveryError(
            f"{destination_name(destination)} answered the echo {status_words(status)}: ask its "
            "administrator."
        )


def destination_name(destination: ReturnDestination) -> str:
    """Return how a destination is called in a sentence."""
    return f"{destination.ae_title} at {destination.host}:{destination.port}"


def status_words(status: Dataset) -> str:
    """Return how a peer answered, as the end of a sentence."""
    code = status.get("Status")
    return "without an answer in time" if code is None else f"with status 0x{code:04X}"
