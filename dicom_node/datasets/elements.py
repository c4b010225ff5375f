"""The top-level elements of an encoded dataset, and their values, read without believing that they
are right.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from dicom_node.datasets.dataset_window import DatasetWindow
from dicom_node.datasets.element_stream import (
    EXPLICIT,
    IMPLICIT,
    LONG,
    LONG_FORM,
    LONGEST_HEADER,
    SHORT_FORM,
    UNDEFINED_LENGTH,
    ElementStream,
    Head,
    MalformedDatasetError,
)
from dicom_node.errors import UnreadableDatasetError
from dicom_node.wording import are, counted, were

LONGEST_VALUE: Final = 4096
"""Of a longer value only so much is read, which is too long for whatever it should be."""

_READ_AHEAD: Final = 8192
_FIRST_TAG: Final = 0x00080000
_LAST_TAG: Final = 0xFFFCFFFC
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_LARGEST_NUMBER: Final = 1e9


class Element(NamedTuple):
    """A top-level element.

    Parameters
    ----------
    head : Head
        Where it lies.
    value : bytes
        The first 4096 bytes of its value, where it was wanted.
    """

    head: Head
    value: bytes


Elements = Mapping[int, Element]


def scan(
    dataset: DatasetWindow, wanted: Collection[int], located: Collection[int], *, implicit: bool
) -> tuple[Elements, str | None]:
    """Return top-level elements, and a sentence if the dataset ends before its last element does.

    Parameters
    ----------
    dataset : DatasetWindow
        The dataset.
    wanted : collection of int
        Tags whose values are needed, when they are short.
    located : collection of int
        Tags of which it is only needed where they lie; a sequence may be among them.
    implicit : bool
        Whether it is Implicit VR Little Endian (PS3.5 annex A.1) rather than Explicit (A.2).

    Raises
    ------
    UnreadableDatasetError
        If there is no element, or one that no dataset may hold.
    """
    elements: dict[int, Element] = {}
    position, end = 0, len(dataset)
    ahead, ahead_at = b"", 0
    while position < end:
        if position - ahead_at > len(ahead) - LONGEST_HEADER:
            ahead, ahead_at = dataset.at(position, _READ_AHEAD), position
        head = _head(ahead, position - ahead_at, position, implicit=implicit)
        if head is None:
            if not position:
                raise UnreadableDatasetError(
                    f"{counted(end, 'byte')} {were(end)} received that {are(end)} no DICOM dataset "
                    "in the negotiated transfer syntax; check the sending system."
                )
            return elements, _cut_off(end, position + IMPLICIT.size)
        tag, vr, at, length = head
        if not _FIRST_TAG <= tag <= _LAST_TAG:
            raise UnreadableDatasetError(
                "A dataset holds elements that belong to a command, to file meta information or to "
                "items: expected groups 0008 to FFFC only (PS3.5 section 7.1); mend the instance "
                "at its source and send it again."
            )
        if length == UNDEFINED_LENGTH:
            _check_is_no_value(tag, wanted)
            try:
                position = ElementStream(dataset).pass_over(
                    Head(tag, vr, at, length, end, implicit)
                )
            except MalformedDatasetError as error:
                return elements, str(error)
        else:
            position = at + length
            if position > end:
                return elements, _cut_off(end, position)
        if tag in wanted or tag in located:
            value = dataset.at(at, min(length, LONGEST_VALUE)) if tag in wanted else b""
            elements[tag] = Element(Head(tag, vr, at, length, end, implicit), value)
    if not end:
        raise UnreadableDatasetError("An empty dataset was received: send the instance again.")
    return elements, None


def _check_is_no_value(tag: int, wanted: Collection[int]) -> None:
    if tag in wanted:
        raise UnreadableDatasetError(
            "A dataset holds a sequence where a value belongs: mend the instance at its source and "
            "send it again."
        )


def _head(
    ahead: bytes, offset: int, position: int, *, implicit: bool
) -> tuple[int, bytes, int, int] | None:
    """Return tag, value representation, where the value begins and its length, of the element at a
    position, which lies at `offset` in what is read ahead; `None` if it is cut off.
    """
    if len(ahead) < offset + IMPLICIT.size:
        return None
    at, vr = position + IMPLICIT.size, b""
    if implicit:
        group, number, length = IMPLICIT.unpack_from(ahead, offset)
    else:
        group, number, vr, length = EXPLICIT.unpack_from(ahead, offset)
        if vr in LONG_FORM:
            if len(ahead) < offset + LONGEST_HEADER:
                return None
            at = position + LONGEST_HEADER
            (length,) = LONG.unpack_from(ahead, offset + IMPLICIT.size)
        elif vr not in SHORT_FORM and group >= _FIRST_TAG >> 16:
            raise UnreadableDatasetError(
                "A dataset came as Explicit VR Little Endian and holds an element without a value "
                "representation of the standard: expected one in each (PS3.5 section 6.2); check "
                "the sending system."
            )
    return group << 16 | number, vr, at, length


def _cut_off(length: int, expected: int) -> str:
    return (
        f"a dataset ends after {counted(length, 'byte')} in the middle of an element, expected at "
        f"least {counted(expected, 'byte')}: it was cut off; send it again from an undamaged copy"
    )


def value_bytes(elements: Elements, tag: int) -> bytes:
    """Return the value of an element as it is encoded; empty when it is absent or was not
    wanted.
    """
    element = elements.get(tag)
    return element.value if element else b""


def text(elements: Elements, tag: int) -> str:
    """Return the text of an element without its padding; for what is ASCII by definition."""
    return text_of(value_bytes(elements, tag))


def text_of(value: bytes) -> str:
    """Return what is ASCII by definition without its padding."""
    return value.decode("ascii", errors="replace").strip(" \0")


def numbers(elements: Elements, tag: int, count: int) -> tuple[float, ...] | None:
    """Return the decimal strings of an element; `None` when it is absent or empty.

    Raises
    ------
    ValueError
        If it does not hold `count` numbers (PS3.5 section 6.2, DS and IS) of at most 1e9.
    """
    given = text(elements, tag)
    if not given:
        return None
    parts = [part.strip() for part in given.split("\\")]
    if len(parts) != count or not all(map(_NUMBER.fullmatch, parts)):
        raise ValueError(f"Expected {counted(count, 'decimal string')}.")
    values = tuple(map(float, parts))
    if not all(math.isfinite(one) and abs(one) <= _LARGEST_NUMBER for one in values):
        raise ValueError("A decimal string is larger than whatever is measured.")
    return values


def unsigned_short(elements: Elements, tag: int, default: int) -> int:
    """Return the first unsigned short of an element."""
    value = value_bytes(elements, tag)
    return int.from_bytes(value[:2], "little") if len(value) >= 2 else default
