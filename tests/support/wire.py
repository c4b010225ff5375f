"""DICOM by hand: the bytes of a peer, right or wrong, written here a second time."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)
from dicom_node.network.pdu import PDV_HEADER_BYTES

ABORT, ACCEPT, REJECT, RELEASED, DATA = 7, 2, 3, 6, 4
CLOSED = 0


def item(kind: int, value: bytes) -> bytes:
    """An item of an association PDU."""
    return bytes((kind, 0)) + len(value).to_bytes(2, "big") + value


def pdu(kind: int, body: bytes) -> bytes:
    """A PDU with its true length."""
    return bytes((kind, 0)) + len(body).to_bytes(4, "big") + body


def context(number: int, abstract: str, *transfer: str) -> bytes:
    """A proposed presentation context."""
    syntaxes = b"".join(item(0x40, one.encode()) for one in transfer)
    return item(0x20, bytes((number, 0, 0, 0)) + item(0x30, abstract.encode()) + syntaxes)


CONTEXTS = (
    context(1, VERIFICATION, IMPLICIT_VR_LITTLE_ENDIAN),
    context(3, CT_IMAGE_STORAGE, EXPLICIT_VR_LITTLE_ENDIAN),
)


def associate(
    calling: str = "ALPHA",
    called: str = "ANNULUS",
    contexts: Sequence[bytes] = CONTEXTS,
    *,
    version: int = 1,
    application: str = "1.2.840.10008.3.1.1.1",
    maximum: int = 16384,
    more: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ."""
    body = (
        version.to_bytes(2, "big")
        + b"\0\0"
        + called.ljust(16).encode()
        + calling.ljust(16).encode()
        + bytes(32)
    )
    body += item(0x10, application.encode()) + b"".join(contexts)
    user = item(0x51, maximum.to_bytes(4, "big")) + item(0x52, b"1.2.3") + more
    return pdu(1, body + item(0x50, user))


def element(number: int, value: bytes) -> bytes:
    """An element of a command set."""
    value += b"\0" * (len(value) % 2)
    return b"\0\0" + number.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value


def us(value: int) -> bytes:
    """An unsigned short."""
    return value.to_bytes(2, "little")


def command(elements: dict[int, bytes]) -> bytes:
    """A command set with its group length."""
    body = b"".join(element(number, elements[number]) for number in sorted(elements))
    return element(0, len(body).to_bytes(4, "little")) + body


def echo_request(message_id: int = 1) -> bytes:
    """The command set of a C-ECHO-RQ."""
    return command(
        {
            0x0002: VERIFICATION.encode(),
            0x0100: us(0x30),
            0x0110: us(message_id),
            0x0800: us(0x0101),
        }
    )


def store_request(
    sop_instance_uid: str, sop_class_uid: str = CT_IMAGE_STORAGE, message_id: int = 1
) -> bytes:
    """The command set of a C-STORE-RQ."""
    return command(
        {
            0x0002: sop_class_uid.encode(),
            0x0100: us(1),
            0x0110: us(message_id),
            0x0700: us(0),
            0x0800: us(0),
            0x1000: sop_instance_uid.encode(),
        }
    )


def commitment_elements() -> dict[int, bytes]:
    """The command elements of an N-ACTION that requests storage commitment."""
    return {
        0x0003: b"1.2.840.10008.1.20.1",
        0x0100: us(0x130),
        0x0110: us(1),
        0x0800: us(0),
        0x1001: b"1.2.840.10008.1.20.1.1",
        0x1008: us(1),
    }


def value(context_id: int, content: bytes, *, is_command: bool, is_last: bool = True) -> bytes:
    """A presentation data value."""
    return (
        (len(content) + 2).to_bytes(4, "big")
        + bytes((context_id, is_command | is_last << 1))
        + content
    )


def data(*values: bytes) -> bytes:
    """A P-DATA-TF."""
    return pdu(4, b"".join(values))


RELEASE = pdu(5, bytes(4))


@dataclass
class Wire:
    """A connection of a peer that is made by hand."""

    connection: socket.socket

    @classmethod
    def to(cls, port: int, *, timeout_s: float = 10.0) -> Wire:
        """Connect."""
        connection = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, content: bytes) -> None:
        """Send bytes; a peer that has closed already takes none."""
        with contextlib.suppress(ConnectionError):
            self.connection.sendall(content)

    def receive(self) -> tuple[int, bytes]:
        """Return the type and the body of the next PDU; type 0 when the connection was closed."""
        head = self._exactly(6)
        if len(head) < 6:
            return CLOSED, b""
        return head[0], self._exactly(int.from_bytes(head[2:6], "big"))

    def ask(self, content: bytes) -> tuple[int, bytes]:
        """Send, and return the next PDU."""
        self.send(content)
        return self.receive()

    def open(self, calling: str = "ALPHA") -> Wire:
        """Associate."""
        assert self.ask(associate(calling))[0] == ACCEPT
        return self

    def status(self, content: bytes) -> int:
        """Send a message, and return the status of its answer."""
        kind, body = self.ask(content)
        assert kind == DATA, kind
        return status_of(body)

    def _exactly(self, count: int) -> bytes:
        found = b""
        with contextlib.suppress(ConnectionError):
            while len(found) < count:
                piece = self.connection.recv(count - len(found))
                if not piece:
                    break
                found += piece
        return found


def status_of(body: bytes) -> int:
    """Return the status in a P-DATA-TF with one command set."""
    at = PDV_HEADER_BYTES
    while body[at : at + 4] != b"\0\0\0\x09":  # a value may look like a tag
        at += 8 + int.from_bytes(body[at + 4 : at + 8], "little")
        assert at < len(body), "an answer without a status"
    return int.from_bytes(body[at + 8 : at + 10], "little")


def store(sop_instance_uid: str, dataset: bytes, **more: str) -> bytes:
    """A whole C-STORE in presentation context 3, in PDUs of at most 16 kB."""
    request = store_request(sop_instance_uid, **more)  # type: ignore[arg-type]
    pdus = [data(value(3, request, is_command=True))]
    for start in range(0, len(dataset), 16000):
        piece = dataset[start : start + 16000]
        pdus.append(data(value(3, piece, is_command=False, is_last=start + 16000 >= len(dataset))))
    return b"".join(pdus)
