"""DIMSE command sets (PS3.7 section 6.3 and annex E): always Implicit VR Little Endian, group
0000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dicom_node.network.pdu import ProtocolError

C_STORE_RQ: Final = 0x0001
C_ECHO_RQ: Final = 0x0030
N_EVENT_REPORT_RQ: Final = 0x0100
N_ACTION_RQ: Final = 0x0130
C_CANCEL_RQ: Final = 0x0FFF
RESPONSE: Final = 0x8000
NO_DATASET: Final = 0x0101
MAXIMUM_COMMAND_BYTES: Final = 65536

AFFECTED_SOP_CLASS_UID: Final = 0x0002
REQUESTED_SOP_CLASS_UID: Final = 0x0003
COMMAND_FIELD: Final = 0x0100
MESSAGE_ID: Final = 0x0110
MESSAGE_ID_BEING_RESPONDED_TO: Final = 0x0120
COMMAND_DATA_SET_TYPE: Final = 0x0800
STATUS: Final = 0x0900
ERROR_COMMENT: Final = 0x0902
AFFECTED_SOP_INSTANCE_UID: Final = 0x1000
REQUESTED_SOP_INSTANCE_UID: Final = 0x1001
EVENT_TYPE_ID: Final = 0x1002
ACTION_TYPE_ID: Final = 0x1008

_UNRECOGNIZED_OPERATION: Final = 0x0211


@dataclass(frozen=True)
class Command:
    """A command set as read.

    Parameters
    ----------
    elements : mapping of int to bytes
        Element number of group 0000 -> value.
    """

    elements: Mapping[int, bytes]

    def number(self, element: int) -> int | None:
        """Return an unsigned short, or `None` where there is none."""
        value = self.elements.get(element, b"")
        return int.from_bytes(value, "little") if len(value) == 2 else None

    def text(self, element: int) -> str:
        """Return a UID or a string without its padding; empty where there is none."""
        return self.elements.get(element, b"").decode("ascii", errors="replace").strip("\0 ")

    @property
    def field(self) -> int:
        """The Command Field (0000,0100)."""
        return self.number(COMMAND_FIELD) or 0

    @property
    def message_id(self) -> int:
        """The Message ID (0000,0110)."""
        return self.number(MESSAGE_ID) or 0

    @property
    def has_dataset(self) -> bool:
        """Whether a dataset follows (PS3.7 section E.1)."""
        return self.number(COMMAND_DATA_SET_TYPE) != NO_DATASET

    @property
    def is_request(self) -> bool:
        """Whether it is a request, which wants an answer."""
        return self.field & RESPONSE == 0 and self.field != C_CANCEL_RQ


def parse_command(content: bytes) -> Command:
    """Read a command set.

    Raises
    ------
    ProtocolError
        If it is none: an element of another group, or one that reaches beyond it, or no Command
        Field.
    """
    elements: dict[int, bytes] = {}
    position = 0
    while position + 8 <= len(content):
        end = position + 8 + int.from_bytes(content[position + 4 : position + 8], "little")
        if content[position : position + 2] != b"\0\0" or end > len(content):
            raise ProtocolError("A command set holds an element that is not a command element.")
        elements[int.from_bytes(content[position + 2 : position + 4], "little")] = content[
            position + 8 : end
        ]
        position = end
    command = Command(elements)
    if position != len(content) or not command.field:
        raise ProtocolError("A command set is cut off or has no Command Field (0000,0100).")
    return command


def encode_command(elements: Mapping[int, int | str]) -> bytes:
    """Return the bytes of a command set, group length first; numbers are unsigned shorts."""
    body = b""
    for element in sorted(elements):
        value = elements[element]
        encoded = (
            value.to_bytes(2, "little")
            if isinstance(value, int)
            else value.encode("ascii", errors="replace")
        )
        if len(encoded) % 2:
            encoded += b" " if element == ERROR_COMMENT else b"\0"
        body += _element(element, encoded)
    return _element(0x0000, len(body).to_bytes(4, "little")) + body


def response(command: Command, status: int, comment: str | None = None) -> bytes:
    """Return the response to a request without a dataset (PS3.7 sections 9.3 and 10.3).

    Parameters
    ----------
    command : Command
        The request.
    status : int
        Status (0000,0900).
    comment : str, optional
        Error Comment (0000,0902); at most 64 characters of it are sent.
    """
    elements: dict[int, int | str] = {
        COMMAND_FIELD: command.field | RESPONSE,
        MESSAGE_ID_BEING_RESPONDED_TO: command.message_id,
        COMMAND_DATA_SET_TYPE: NO_DATASET,
        STATUS: status,
    }
    for answered, requested in (
        (AFFECTED_SOP_CLASS_UID, REQUESTED_SOP_CLASS_UID),
        (AFFECTED_SOP_INSTANCE_UID, REQUESTED_SOP_INSTANCE_UID),
    ):
        if uid := command.text(answered) or command.text(requested):
            elements[answered] = uid
    for repeated in (EVENT_TYPE_ID, ACTION_TYPE_ID):
        if (number := command.number(repeated)) is not None:
            elements[repeated] = number
    if comment:
        elements[ERROR_COMMENT] = comment[:64]
    return encode_command(elements)


def unrecognized(command: Command) -> bytes:
    """Return the answer to an operation that is not offered (PS3.7 section C.5.21)."""
    return response(command, _UNRECOGNIZED_OPERATION, "operation not supported")


def _element(element: int, value: bytes) -> bytes:
    return b"\0\0" + element.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value
