"""The top-level elements of an encoded dataset, found by their lengths: a quick look at what is in
good order.

Whatever is not (an undefined length, an element that reaches beyond the end, tags out of order) is
left to pydicom, whose reading decides.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from struct import Struct
from typing import Final, NamedTuple

_UNDEFINED_LENGTH: Final = 0xFFFFFFFF
_LONG_FORM: Final = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
_SHORT_FORM: Final = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN")
) | frozenset((b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"))
VALUE_REPRESENTATIONS: Final = frozenset(vr.decode() for vr in _LONG_FORM | _SHORT_FORM)
"""All that there are (PS3.5 section 6.2)."""
LONGEST_VALUE: Final = 4096
"""Of a longer value only so much is read, which is too long for whatever it should be."""
_LONGEST_HEADER: Final = 12
_READ_AHEAD: Final = 32768
_IMPLICIT: Final = Struct("<HHL")
_EXPLICIT: Final = Struct("<HH2sH")
_LONG: Final = Struct("<L")


class Element(NamedTuple):
    """A top-level element: its value's length, and the value where it was wanted."""

    length: int
    value: bytes


class DatasetWindow:
    """The dataset in a file, to be read piece by piece; only what is looked at comes into memory.

    Parameters
    ----------
    descriptor : int
        The open file.
    start, length : int
        Where the dataset lies in it, in bytes.
    """

    def __init__(self, descriptor: int, start: int, length: int) -> None:
        self._descriptor = descriptor
        self._start = start
        self._length = length
        self._position = 0
        self._ahead = b""
        self._ahead_at = 0

    def __len__(self) -> int:
        return self._length

    def at(self, position: int, count: int) -> bytes:
        """Return so many bytes from `position` on, or what there is of them."""
        offset = position - self._ahead_at
        if offset >= 0 and offset + count <= len(self._ahead):
            return self._ahead[offset : offset + count]
        count = max(min(count, self._length - position), 0)
        if count > _READ_AHEAD:
            return self._read(position, count)
        self._ahead = self._read(position, min(_READ_AHEAD, self._length - position))
        self._ahead_at = position
        return self._ahead[:count]

    def read(self, count: int = -1) -> bytes:
        """Read from where the last reading ended."""
        piece = self.at(self._position, self._length - self._position if count < 0 else count)
        self._position += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to where the next reading begins."""
        self._position = max((0, self._position, self._length)[whence] + offset, 0)
        return self._position

    def tell(self) -> int:
        """Return where the next reading begins."""
        return self._position

    def _read(self, position: int, count: int) -> bytes:
        pieces = []
        while count > 0:
            piece = os.pread(self._descriptor, count, self._start + position)
            if not piece:
                break
            pieces.append(piece)
            position += len(piece)
            count -= len(piece)
        return b"".join(pieces)


def quick_scan(
    dataset: DatasetWindow, wanted: Collection[int], *, implicit: bool
) -> dict[int, Element] | None:
    """Return the top-level elements of a dataset in good order, or `None` when it takes a closer
    look.

    Parameters
    ----------
    dataset : DatasetWindow
        The dataset.
    wanted : collection of int
        Tags whose values are returned too, their first 4096 bytes.
    implicit : bool
        Whether it is Implicit VR Little Endian (PS3.5 annex A.1) rather than Explicit (A.2).
    """
    elements: dict[int, Element] = {}
    position, end, last = 0, len(dataset), -1
    while position < end:
        head = dataset.at(position, _LONGEST_HEADER)
        header = 8
        if len(head) < 8:
            return None
        if implicit:
            group, number, length = _IMPLICIT.unpack_from(head)
        else:
            group, number, vr, length = _EXPLICIT.unpack_from(head)
            if vr in _LONG_FORM:
                if len(head) < _LONGEST_HEADER:
                    return None
                header, length = _LONGEST_HEADER, _LONG.unpack_from(head, 8)[0]
            elif vr not in _SHORT_FORM:
                return None
        tag = group << 16 | number
        position += header
        if tag <= last or length == _UNDEFINED_LENGTH or position + length > end:
            return None
        value = dataset.at(position, min(length, LONGEST_VALUE)) if tag in wanted else b""
        elements[tag] = Element(length, value)
        position += length
        last = tag
    return elements
