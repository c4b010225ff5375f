"""The elements of a dataset as it was encoded, and their values, read without believing that they
are right.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from io import BytesIO
from typing import Any, Final

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator

from dicom_node.datasets.quick_scan import (
    LONGEST_VALUE,
    VALUE_REPRESENTATIONS,
    DatasetWindow,
    Element,
    quick_scan,
)
from dicom_node.errors import UnreadableDatasetError

_SEQUENCE_DELIMITER: Final = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
_UNDEFINED_LENGTH: Final = 0xFFFFFFFF
_DEFER_BYTES: Final = 16384
_FIRST_TAG: Final = 0x00080000
_LAST_TAG: Final = 0xFFFCFFFC
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_LARGEST_NUMBER: Final = 1e9

Elements = Mapping[int, Element | RawDataElement | DataElement]


def scan(
    dataset: bytes | DatasetWindow, wanted: Collection[int], *, implicit: bool
) -> tuple[Elements, str | None]:
    """Return the top-level elements, and a sentence if the dataset ends before its last element
    does.

    Parameters
    ----------
    dataset : bytes or DatasetWindow
        The dataset.
    wanted : collection of int
        Tags whose values are needed, when they are short; none of them for the values of all.
    implicit : bool
        Whether it is Implicit VR Little Endian.

    Raises
    ------
    UnreadableDatasetError
        If there is no element.
    """
    if isinstance(dataset, DatasetWindow) and wanted:
        quick = quick_scan(dataset, wanted, implicit=implicit)
        if quick:
            _check_tags(quick)
            return quick, None
    stream: Any = BytesIO(dataset) if isinstance(dataset, bytes) else dataset
    stream.seek(0)
    elements, damage = _closer_look(stream, len(dataset), deferred=bool(wanted), implicit=implicit)
    _check_tags(elements)
    if damage is None and not implicit:
        _check_representations(elements)
    for tag in elements.keys() & set(wanted):
        elements[tag] = _with_value(stream, elements[tag])
    return elements, damage


def _closer_look(
    stream: Any, length: int, *, deferred: bool, implicit: bool
) -> tuple[dict[int, Element | RawDataElement | DataElement], str | None]:
    """Return what pydicom makes of a dataset, and the sentence if it ends too early."""
    elements: dict[int, Element | RawDataElement | DataElement] = {}
    end = 0
    try:
        for element in data_element_generator(
            stream, implicit, is_little_endian=True, defer_size=_DEFER_BYTES if deferred else None
        ):
            elements[int(element.tag)] = element
            if isinstance(element, RawDataElement) and element.length != _UNDEFINED_LENGTH:
                end = element.value_tell + element.length
            else:
                end = stream.tell()
                stream.seek(max(end - 8, 0))
                if stream.read(8) != _SEQUENCE_DELIMITER:
                    break
    except (
        Exception
    ) as error:  # pydicom raises whatever the bytes provoke; the verdict is ours and is raised
        if not elements:
            raise UnreadableDatasetError(
                f"{length} bytes were received that are no DICOM dataset in the negotiated "
                "transfer syntax; check the sending system"
            ) from error
        return (
            elements,
            f"a dataset of {length} bytes cannot be read to its end: send it again",
        )
    if end == length and elements:
        return elements, None
    if not elements:
        raise UnreadableDatasetError("an empty dataset was received: send the instance again")
    return elements, (
        f"a dataset ends after {length} bytes in the middle of an element, expected at least "
        f"{end} bytes: it was cut off; send it again from an undamaged copy"
    )


def _check_tags(elements: Elements) -> None:
    """Refuse elements that no dataset may hold: those of commands, of file meta information, of
    items (PS3.5 section 7.1, PS3.10 section 7.1).
    """
    if any(not _FIRST_TAG <= tag <= _LAST_TAG for tag in elements):
        raise UnreadableDatasetError(
            "a dataset holds elements that belong to a command, to file meta information or to "
            "items: expected groups 0008 to FFFC only (PS3.5 section 7.1); mend the instance at "
            "its source and send it again"
        )


def _check_representations(elements: Elements) -> None:
    """Refuse a dataset whose elements do not name their value representations (PS3.5 annex A.2)."""
    if any(
        isinstance(one, RawDataElement) and one.VR not in VALUE_REPRESENTATIONS
        for one in elements.values()
    ):
        raise UnreadableDatasetError(
            "a dataset came as Explicit VR Little Endian and holds an element without a value "
            "representation of the standard: expected one in each (PS3.5 section 6.2); check the "
            "sending system"
        )


def _with_value(
    stream: Any, element: Element | RawDataElement | DataElement
) -> Element | RawDataElement | DataElement:
    """Return an element with as much of its value as `quick_scan` would read."""
    if isinstance(element, DataElement):
        raise UnreadableDatasetError(
            "a dataset holds a sequence where a value belongs: mend the instance at its source "
            "and send it again"
        )
    if isinstance(element, RawDataElement) and element.value is None and element.length:
        stream.seek(element.value_tell)
        return Element(element.length, stream.read(min(element.length, LONGEST_VALUE)))
    return element


def value_bytes(elements: Elements | Dataset, tag: int) -> bytes:
    """Return the value of an element as it is encoded; empty when it is absent or was not
    wanted.
    """
    element = elements.get_item(tag) if isinstance(elements, Dataset) else elements.get(tag)
    value = getattr(element, "value", None)
    return value if isinstance(value, bytes) else b""


def text(elements: Elements | Dataset, tag: int) -> str:
    """Return the text of an element without its padding; for what is ASCII by definition."""
    return value_bytes(elements, tag).decode("ascii", errors="replace").strip(" \0")


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
        raise ValueError(f"expected {count} decimal strings")
    values = tuple(map(float, parts))
    if not all(math.isfinite(one) and abs(one) <= _LARGEST_NUMBER for one in values):
        raise ValueError("a decimal string is larger than whatever is measured")
    return values


def unsigned_short(elements: Elements, tag: int, default: int) -> int:
    """Return the first unsigned short of an element."""
    value = value_bytes(elements, tag)
    return int.from_bytes(value[:2], "little") if len(value) >= 2 else default


def items(elements: Elements | Dataset, tag: int) -> Iterator[Dataset]:
    """Return the items of a sequence; none when it is absent or empty."""
    dataset = elements if isinstance(elements, Dataset) else Dataset(dict(elements))  # type: ignore[arg-type]
    return iter(dataset[tag].value or ()) if tag in dataset else iter(())
