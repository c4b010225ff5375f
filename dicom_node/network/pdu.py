"""The protocol data units of PS3.8 section 9.3, as an accepting AE reads and writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from dicom_node.datasets.sop_classes import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.wording import counted

HEADER_BYTES: Final = 6
PDV_HEADER_BYTES: Final = 6
MAXIMUM_ASSOCIATE_BYTES: Final = 262144
"""Longest A-ASSOCIATE-RQ that is read: 128 contexts with all their transfer syntaxes take about 100
kB.
"""

IS_COMMAND: Final = 0x01
IS_LAST: Final = 0x02

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SMALLEST_USEFUL_PDU: Final = 1024


class PduType(IntEnum):
    """The first byte of a PDU."""

    ASSOCIATE_RQ = 0x01
    ASSOCIATE_AC = 0x02
    ASSOCIATE_RJ = 0x03
    P_DATA = 0x04
    RELEASE_RQ = 0x05
    RELEASE_RP = 0x06
    ABORT = 0x07


class ProtocolError(ValueError):
    """A PDU or a message in it breaks PS3.8 or PS3.7; the association cannot go on.

    Parameters
    ----------
    message : str
        What is wrong.
    reason : int
        Reason of the A-ABORT (PS3.8 table 9-26).
    """

    def __init__(self, message: str, reason: int = 0x06) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class ProposedContext:
    """One presentation context of a request (PS3.8 section 9.3.2.2)."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True)
class ContextResult:
    """The answer to one presentation context (PS3.8 section 9.3.3.2): 0 acceptance, 3 or 4
    refusal.
    """

    id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ (PS3.8 section 9.3.2).

    Parameters
    ----------
    protocol_version : int
        Bit 0 stands for version 1.
    called, calling : str
        AE titles without the blanks around them.
    fixed : bytes
        The 64 bytes of AE titles and reserved fields, which the answer repeats.
    application_context : str
        The only one is 1.2.840.10008.3.1.1.1.
    contexts : tuple of ProposedContext
        In the order of the request.
    maximum_length : int
        Longest P-DATA-TF that the peer takes; 0 is no limit.
    roles : mapping
        SOP Class UID -> whether the peer would be SCU and SCP (PS3.7 section D.3.3.4).
    """

    protocol_version: int
    called: str
    calling: str
    fixed: bytes
    application_context: str
    contexts: tuple[ProposedContext, ...]
    maximum_length: int
    roles: Mapping[str, tuple[bool, bool]]


def parse_associate_request(body: bytes) -> AssociateRequest:
    """Read an A-ASSOCIATE-RQ without its six bytes of header.

    Raises
    ------
    ProtocolError
        If its items do not fit into it.
    """
    if len(body) < 68:
        raise ProtocolError(
            f"An A-ASSOCIATE-RQ has {counted(len(body), 'byte')}, expected at least 68."
        )
    application_context, contexts, maximum_length = "", [], 0
    roles: dict[str, tuple[bool, bool]] = {}
    for kind, value in _items(body[68:]):
        if kind == 0x10:
            application_context = _uid(value)
        elif kind == 0x20:
            contexts.append(_proposed_context(value))
        elif kind == 0x50:
            for sub_kind, sub_value in _items(value):
                if sub_kind == 0x51 and len(sub_value) == 4:
                    maximum_length = int.from_bytes(sub_value, "big")
                elif sub_kind == 0x54:
                    uid, scu, scp = _role(sub_value)
                    roles[uid] = (scu, scp)
    if len({context.id for context in contexts}) != len(contexts):
        raise ProtocolError(
            "An A-ASSOCIATE-RQ proposes two presentation contexts under one number."
        )
    if 0 < maximum_length < _SMALLEST_USEFUL_PDU:
        raise ProtocolError(
            f"The peer takes PDUs of at most {counted(maximum_length, 'byte')}, expected "
            f"{_SMALLEST_USEFUL_PDU}."
        )
    return AssociateRequest(
        protocol_version=int.from_bytes(body[0:2], "big"),
        called=_title(body[4:20]),
        calling=_title(body[20:36]),
        fixed=body[4:68],
        application_context=application_context,
        contexts=tuple(contexts),
        maximum_length=maximum_length,
        roles=roles,
    )


def associate_accept(
    request: AssociateRequest,
    results: Sequence[ContextResult],
    roles: Mapping[str, tuple[bool, bool]],
    maximum_length: int,
) -> bytes:
    """Return an A-ASSOCIATE-AC (PS3.8 section 9.3.3).

    Parameters
    ----------
    request : AssociateRequest
        What is answered.
    results : sequence of ContextResult
        One per proposed context.
    roles : mapping
        SOP Class UID -> accepted SCU and SCP role of the requestor, for those that it proposed.
    maximum_length : int
        Longest P-DATA-TF that we take.
    """
    user = _item(0x51, maximum_length.to_bytes(4, "big")) + _item(
        0x52, IMPLEMENTATION_CLASS_UID.encode()
    )
    for uid, (scu, scp) in roles.items():
        user += _item(0x54, len(uid).to_bytes(2, "big") + uid.encode() + bytes((scu, scp)))
    user += _item(0x55, IMPLEMENTATION_VERSION_NAME.encode())
    body = (
        (1).to_bytes(2, "big") + b"\0\0" + request.fixed + _item(0x10, APPLICATION_CONTEXT.encode())
    )
    for one in results:
        body += _item(
            0x21, bytes((one.id, 0, one.result, 0)) + _item(0x40, one.transfer_syntax.encode())
        )
    return _pdu(PduType.ASSOCIATE_AC, body + _item(0x50, user))


def associate_reject(result: int, source: int, reason: int) -> bytes:
    """Return an A-ASSOCIATE-RJ (PS3.8 section 9.3.4)."""
    return _pdu(PduType.ASSOCIATE_RJ, bytes((0, result, source, reason)))


def release_response() -> bytes:
    """Return an A-RELEASE-RP (PS3.8 section 9.3.7)."""
    return _pdu(PduType.RELEASE_RP, bytes(4))


def abort(source: int, reason: int) -> bytes:
    """Return an A-ABORT (PS3.8 section 9.3.8): source 0 is the service user, 2 the provider."""
    return _pdu(PduType.ABORT, bytes((0, 0, source, reason)))


def p_data(context_id: int, content: bytes, flags: int, maximum_length: int) -> bytes:
    """Return the P-DATA-TFs that carry a whole command set or dataset (PS3.8 section 9.3.5).

    Parameters
    ----------
    context_id : int
        The presentation context.
    content : bytes
        What is sent.
    flags : int
        `IS_COMMAND`, or 0 for a dataset.
    maximum_length : int
        Longest P-DATA-TF that the peer takes; 0 is no limit.
    """
    most = (maximum_length or 131072) - PDV_HEADER_BYTES
    pdus = []
    for start in range(0, len(content), most):
        fragment = content[start : start + most]
        last = IS_LAST if start + most >= len(content) else 0
        pdv = (len(fragment) + 2).to_bytes(4, "big") + bytes((context_id, flags | last)) + fragment
        pdus.append(_pdu(PduType.P_DATA, pdv))
    return b"".join(pdus)


def _pdu(kind: PduType, body: bytes) -> bytes:
    return bytes((kind, 0)) + len(body).to_bytes(4, "big") + body


def _item(kind: int, value: bytes) -> bytes:
    return bytes((kind, 0)) + len(value).to_bytes(2, "big") + value


def _items(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of the items in `body`, which must be filled by them exactly."""
    position = 0
    while position < len(body):
        end = position + 4 + int.from_bytes(body[position + 2 : position + 4], "big")
        if end > len(body) or position + 4 > len(body):
            raise ProtocolError(
                f"An item of type 0x{body[position]:02X} reaches beyond what holds it."
            )
        yield body[position], body[position + 4 : end]
        position = end


def _proposed_context(value: bytes) -> ProposedContext:
    if len(value) < 4 or value[0] % 2 == 0:
        raise ProtocolError("A proposed presentation context has no odd number.")
    abstract, transfer = "", []
    for kind, sub_value in _items(value[4:]):
        if kind == 0x30:
            abstract = _uid(sub_value)
        elif kind == 0x40:
            transfer.append(_uid(sub_value))
    return ProposedContext(value[0], abstract, tuple(transfer))


def _role(value: bytes) -> tuple[str, bool, bool]:
    length = int.from_bytes(value[:2], "big")
    if len(value) != length + 4:
        raise ProtocolError("An SCP/SCU role selection item has another length than it says.")
    return _uid(value[2 : 2 + length]), bool(value[-2]), bool(value[-1])


def _uid(value: bytes) -> str:
    return value.decode("ascii", errors="replace").strip("\0 ")


def _title(value: bytes) -> str:
    return _CONTROL.sub("?", value.decode("ascii", errors="replace").strip("\0 "))
