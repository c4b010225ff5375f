"""The elements of an encoded dataset one after the other, however they are nested (PS3.5 clause 7).

Each byte is passed once, in either encoding, with lengths that are given or not; what is not asked
for is passed over without being kept, so that memory does not grow with what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from dicom_node.datasets.dataset_window import DatasetWindow
from dicom_node.wording import counted

UNDEFINED_LENGTH: Final = 0xFFFFFFFF
LONG_FORM: Final = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
"""Value representations whose lengths have 32 bits (PS3.5 section 7.1.2)."""
SHORT_FORM: Final = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN")
) | frozenset((b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"))
"""All others (PS3.5 section 6.2)."""
LONGEST_HEADER: Final = 12
IMPLICIT: Final = Struct("<HHL")
EXPLICIT: Final = Struct("<HH2sH")
LONG: Final = Struct("<L")
DEEPEST_NESTING: Final = 100
"""Sequences within sequences of undefined length that are followed."""
MOST_HEADS: Final = 10_000_000
"""Elements and items that are looked at one by one, which empty items in a row are not."""

_DELIMITERS: Final = 0xFFFE
_ITEM: Final = 0xFFFEE000
_ITEM_DELIMITER: Final = 0xFFFEE00D
_SEQUENCE_DELIMITER: Final = 0xFFFEE0DD
_ITEM_TAG: Final = b"\xfe\xff\x00\xe0"
_EMPTY_ITEMS: Final = re.compile(
    rb"(?:\xfe\xff\x00\xe0(?:\x00{4}|\xff{4}\xfe\xff\x0d\xe0\x00{4}))++"
)
_READ_AHEAD: Final = 32768
_SEQUENCES: Final = (b"SQ", b"UN", b"")


class MalformedDatasetError(ValueError):
    """The bytes are no elements, or end too early; its text is what to do about it."""


class ExcessiveDatasetError(MalformedDatasetError):
    """It holds more than is looked at: sequences in each other, or elements."""


class Head(NamedTuple):
    """An element's head: what it is and where its value lies.

    Parameters
    ----------
    tag : int
        Group and element.
    representation : bytes
        Value representation; empty where the encoding has none.
    at, length : int
        Where the value begins, and its bytes; `UNDEFINED_LENGTH` when only a delimiter ends it.
    limit : int
        Where what it lies in ends at the latest.
    implicit : bool
        Whether it is encoded without value representation.
    """

    tag: int
    representation: bytes
    at: int
    length: int
    limit: int
    implicit: bool


class Item(NamedTuple):
    """An item of a sequence, or several empty ones in a row.

    Parameters
    ----------
    repeats : int
        How many; all of them are empty when they are more than one.
    end : int
        Where it ends, at the latest if it is delimited.
    delimited : bool
        Whether a delimiter ends it.
    implicit : bool
        Whether its elements are encoded without value representations.
    """

    repeats: int
    end: int
    delimited: bool
    implicit: bool


class ElementStream:
    """A dataset that is read from front to back.

    Of what `elements` and `items` give, nothing, or an element's items to their end, are to be
    read before the next is asked for.

    Parameters
    ----------
    window : DatasetWindow
        The dataset.
    """

    def __init__(self, window: DatasetWindow) -> None:
        self.window = window
        self._position = 0
        self._heads = 0
        self._ahead = b""
        self._ahead_at = 0

    def elements(self, item: Item) -> Iterator[Head]:
        """Return the elements of an item that `items` has just given.

        Raises
        ------
        MalformedDatasetError
            If there are bytes that are none, or one reaches beyond the item.
        """
        if item.repeats > 1:
            return
        while True:
            if self._position >= item.end:
                if item.delimited:
                    raise self._malformed()
                return
            head = self._head(item.end, implicit=item.implicit)
            if head.tag == _ITEM_DELIMITER and item.delimited:
                self._position = head.at
                return
            self._position = head.at
            yield head
            if head.length != UNDEFINED_LENGTH:
                self._position = head.at + head.length
            elif self._position == head.at:  # its items were not asked for
                self.pass_over(head)

    def items(self, head: Head) -> Iterator[Item]:
        """Return the items of a sequence.

        Raises
        ------
        MalformedDatasetError
            If it is not a sequence, or an item reaches beyond it.
        """
        if head.length and head.representation not in _SEQUENCES:
            raise self._malformed()
        self._position = head.at
        is_delimited = head.length == UNDEFINED_LENGTH
        end = head.limit if is_delimited else head.at + head.length
        implicit = head.implicit or (is_delimited and head.representation == b"UN")
        while is_delimited or self._position < end:
            if count := self._empty_items(end):
                yield Item(count, self._position, delimited=False, implicit=implicit)
                continue
            tag, length = self._item_head(end)
            if tag == _SEQUENCE_DELIMITER:
                return
            if tag != _ITEM:
                raise self._malformed()
            begin = self._position
            item = Item(
                1,
                end if length == UNDEFINED_LENGTH else begin + length,
                delimited=length == UNDEFINED_LENGTH,
                implicit=self._is_implicit(implicit=implicit),
            )
            if item.end > end:
                raise self._malformed()
            yield item
            if not item.delimited:
                self._position = item.end

    def pass_over(self, head: Head) -> int:
        """Return where a value of undefined length ends; its items are looked through, not kept.

        Raises
        ------
        MalformedDatasetError
            If it has no end.
        ExcessiveDatasetError
            If there is more of it than is looked at.
        """
        self._position = head.at
        # of each open sequence and item in turn whether it is implicit: the last one is read on
        levels = [head.implicit or head.representation == b"UN"]
        while levels:
            if len(levels) % 2:
                self._pass_item(levels, head.limit)
            else:
                self._pass_element(levels, head.limit)
            if self._position > head.limit:
                raise self._malformed()
            if len(levels) > 2 * DEEPEST_NESTING:
                raise ExcessiveDatasetError(
                    f"A dataset holds sequences that lie in each other {DEEPEST_NESTING} times and "
                    "more: expected less; mend the instance at its source and send it again."
                )
        return self._position

    def _pass_item(self, levels: list[bool], limit: int) -> None:
        """Pass over an item or empty ones, or into an item, or out of the sequence."""
        if self._empty_items(limit):
            return
        tag, length = self._item_head(limit)
        if tag == _SEQUENCE_DELIMITER:
            levels.pop()
        elif tag != _ITEM:
            raise self._malformed()
        elif length == UNDEFINED_LENGTH:
            levels.append(self._is_implicit(implicit=levels[-1]))
        else:
            self._position += length

    def _pass_element(self, levels: list[bool], limit: int) -> None:
        """Pass over an element, or into a sequence, or out of the item."""
        head = self._head(limit, implicit=levels[-1])
        self._position = head.at
        if head.tag == _ITEM_DELIMITER:
            levels.pop()
        elif head.length == UNDEFINED_LENGTH:
            levels.append(head.implicit or head.representation == b"UN")
        else:
            self._position += head.length

    def _head(self, limit: int, *, implicit: bool) -> Head:
        """Return the head of the next element, which must end before `limit`."""
        offset = self._come_to(limit)
        at = self._position + IMPLICIT.size
        representation = b""
        if implicit:
            group, number, length = IMPLICIT.unpack_from(self._ahead, offset)
        else:
            group, number, representation, length = EXPLICIT.unpack_from(self._ahead, offset)
            if group == _DELIMITERS or not _is_representation(representation):
                # some systems change to the other encoding within a sequence
                group, number, length = IMPLICIT.unpack_from(self._ahead, offset)
                representation, implicit = b"", True
            elif representation in LONG_FORM:
                if len(self._ahead) < offset + LONGEST_HEADER:
                    raise self._malformed()
                (length,) = LONG.unpack_from(self._ahead, offset + IMPLICIT.size)
                at += LONG.size
        if at > limit or (length != UNDEFINED_LENGTH and at + length > limit):
            raise self._malformed()
        return Head(group << 16 | number, representation, at, length, limit, implicit)

    def _item_head(self, limit: int) -> tuple[int, int]:
        """Return the tag and the length of the next item or delimiter, and move behind its head."""
        offset = self._come_to(limit)
        group, number, length = IMPLICIT.unpack_from(self._ahead, offset)
        self._position += IMPLICIT.size
        return group << 16 | number, length

    def _come_to(self, limit: int) -> int:
        """Count one head more, and return where in what is read ahead it lies."""
        self._heads += 1
        if self._heads > MOST_HEADS:
            raise ExcessiveDatasetError(
                f"A dataset holds more than {MOST_HEADS} elements and items in its sequences: "
                "expected at most so many; mend the instance at its source and send it again."
            )
        offset = self._position - self._ahead_at
        if not 0 <= offset <= len(self._ahead) - LONGEST_HEADER:
            self._ahead = self.window.at(self._position, _READ_AHEAD)
            self._ahead_at, offset = self._position, 0
        if len(self._ahead) < offset + IMPLICIT.size or self._position + IMPLICIT.size > limit:
            raise self._malformed()
        return offset

    def _is_implicit(self, *, implicit: bool) -> bool:
        """Say whether an item is implicit, which it may be in an explicit sequence (PS3.5 section
        6.2.2).
        """
        if implicit:
            return True
        first = self.window.at(self._position, IMPLICIT.size)
        return (
            len(first) == IMPLICIT.size
            and first[:2] != b"\xfe\xff"
            and not _is_representation(first[4:6])
        )

    def _empty_items(self, limit: int) -> int:
        """Move behind the empty items that follow and are at hand; return how many they are."""
        offset = self._position - self._ahead_at
        if not 0 <= offset < len(self._ahead):
            return 0
        last = min(len(self._ahead), limit - self._ahead_at)
        found = _EMPTY_ITEMS.match(self._ahead, offset, last)
        if found is None:
            return 0
        self._position = self._ahead_at + found.end()
        return self._ahead.count(_ITEM_TAG, offset, found.end())

    def _malformed(self) -> MalformedDatasetError:
        return MalformedDatasetError(
            f"A dataset of {counted(len(self.window), 'byte')} cannot be read to its end: send it "
            "again."
        )


def _is_representation(two: bytes) -> bool:
    return len(two) == 2 and 0x40 < two[0] < 0x5B and 0x40 < two[1] < 0x5B
