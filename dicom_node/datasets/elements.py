"""The elements of a dataset as it was encoded, and their values, read without believing that they
are right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from io import BytesIO
from typing import Any, Final

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator

from dicom_node.datasets.quick_scan import DatasetWindow, Element, quick_scan
from dicom_node.errors import UnreadableDatasetError

_SEQUENCE_DELIMITER: Final = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
_UNDEFINED_LENGTH: Final = 0xFFFFFFFF
_DEFER_BYTES: Final = 16384

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
    defer_bytes = _DEFER_BYTES if wanted else None
    elements: dict[int, Element | RawDataElement | DataElement] = {}
    if isinstance(dataset, DatasetWindow) and wanted:
        quick = quick_scan(dataset, wanted, implicit=implicit)
        if quick:
            return quick, None
    stream: Any = BytesIO(dataset) if isinstance(dataset, bytes) else dataset
    stream.seek(0)
    end = 0
    try:
        for element in data_element_generator(
            stream, implicit, is_little_endian=True, defer_size=defer_bytes
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
                f"{len(dataset)} bytes were received that are no DICOM dataset in the negotiated "
                "transfer syntax; check the sending system"
            ) from error
        return (
            elements,
            f"a dataset of {len(dataset)} bytes cannot be read to its end: send it again",
        )
    if end == len(dataset) and elements:
        return elements, None
    if not elements:
        raise UnreadableDatasetError("an empty dataset was received: send the instance again")
    return elements, (
        f"a dataset ends after {len(dataset)} bytes in the middle of an element, expected at least "
        f"{end} bytes: it was cut off; send it again from an undamaged copy"
    )


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
    """Return the decimal strings of an element, or `None` unless there are `count` numbers."""
    try:
        values = tuple(float(part) for part in text(elements, tag).split("\\"))
    except ValueError:
        return None
    return values if len(values) == count else None


def unsigned_short(elements: Elements, tag: int, default: int) -> int:
    """Return the first unsigned short of an element."""
    value = value_bytes(elements, tag)
    return int.from_bytes(value[:2], "little") if len(value) >= 2 else default


def items(elements: Elements | Dataset, tag: int) -> Iterator[Dataset]:
    """Return the items of a sequence; none when it is absent or empty."""
    dataset = elements if isinstance(elements, Dataset) else Dataset(dict(elements))  # type: ignore[arg-type]
    return iter(dataset[tag].value or ()) if tag in dataset else iter(())
