"""Objects of a size that is asked for and a structure that is hard to read, as files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pydicom.dataset import Dataset

from dicom_node.archive.part10 import FileMeta
from dicom_node.datasets.sop_classes import IMPLICIT_VR_LITTLE_ENDIAN
from tests.support.intake_bench import ct_slice, encode, rtstruct

_AT_A_TIME = 1 << 20
_OPEN = (0xFFFFFFFF).to_bytes(4, "little")
_ITEM_END = b"\xfe\xff\x0d\xe0" + bytes(4)
_SEQUENCE_END = b"\xfe\xff\xdd\xe0" + bytes(4)
_EMPTY_ITEM = b"\xfe\xff\x00\xe0" + bytes(4)
_OPEN_ITEM = b"\xfe\xff\x00\xe0" + _OPEN
_OPEN_ROIS = b"\x06\x30\x39\x00" + _OPEN
_OPEN_CONTOURS = b"\x06\x30\x40\x00" + _OPEN
_NUMBER = b"\x06\x30\x84\x00" + (2).to_bytes(4, "little") + b"1 "
_POINT = b"-123.45\\-98.7\\55.5\\"

REFERENCES = 20_000


def points(length: int) -> tuple[bytes, bytes, int, bytes]:
    """Return the parts of a contour with so many bytes of points."""
    count = length // len(_POINT)
    data = b"\x06\x30\x50\x00" + (count * len(_POINT) + 6).to_bytes(4, "little")
    head = _OPEN_ROIS + _OPEN_ITEM + _OPEN_CONTOURS + _OPEN_ITEM + data
    tail = b"1\\2\\3 " + _ITEM_END + _SEQUENCE_END + _NUMBER + _ITEM_END + _SEQUENCE_END
    return head, _POINT, count, tail


def empty_items(length: int) -> tuple[bytes, bytes, int, bytes]:
    """Return the parts of a ROI with so many bytes of empty contours."""
    head = _OPEN_ROIS + _OPEN_ITEM + _OPEN_CONTOURS
    tail = _SEQUENCE_END + _NUMBER + _ITEM_END + _SEQUENCE_END
    return head, _EMPTY_ITEM, length // len(_EMPTY_ITEM), tail


def undefined_lengths(length: int) -> tuple[bytes, bytes, int, bytes]:
    """Return the parts of a sequence of images in a slice, none with a length."""
    image = _OPEN_ITEM + b"\x08\x00\x55\x11" + (6).to_bytes(4, "little") + b"1.2.3\0" + _ITEM_END
    return b"\x08\x00\x40\x11" + _OPEN, image, length // len(image), _SEQUENCE_END


def one_point_contours(length: int) -> tuple[bytes, bytes, int, bytes]:
    """Return the parts of a ROI with so many bytes of contours of one point, none with a length."""
    head = _OPEN_ROIS + _OPEN_ITEM + _OPEN_CONTOURS
    contour = _OPEN_ITEM + b"\x06\x30\x50\x00" + (6).to_bytes(4, "little") + b"1\\2\\3 " + _ITEM_END
    tail = _SEQUENCE_END + _NUMBER + _ITEM_END + _SEQUENCE_END
    return head, contour, length // len(contour), tail


def tiny_rois(length: int) -> tuple[bytes, bytes, int, bytes]:
    """Return the parts of so many bytes of ROIs without contours, all of one number."""
    roi = _OPEN_ITEM + _NUMBER + _ITEM_END
    return _OPEN_ROIS, roi, length // len(roi), _SEQUENCE_END


def nested(length: int) -> tuple[bytes, bytes, int, bytes]:
    """Return the parts of a private sequence in a slice whose items hold 50 sequences in each
    other.
    """
    private = b"\x09\x00\x10\x10" + _OPEN
    depth = 50
    one = _OPEN_ITEM + private
    piece = one * depth + (_SEQUENCE_END + _ITEM_END) * depth
    return private, piece, length // len(piece), _SEQUENCE_END


def fragments(length: int) -> tuple[bytes, bytes, int, bytes]:
    """Return the parts of encapsulated pixel data of so many bytes in fragments of 600."""
    fragment = b"\xfe\xff\x00\xe0" + (600).to_bytes(4, "little") + bytes(600)
    return b"\xe0\x7f\x10\x00" + _OPEN, fragment, length // len(fragment), _SEQUENCE_END


STRUCTURES: dict[str, Callable[[int], tuple[bytes, bytes, int, bytes]]] = {
    "points": points,
    "empty items": empty_items,
    "undefined lengths": undefined_lengths,
}
"""What `make bench-ingest` measures."""
MORE_STRUCTURES: dict[str, Callable[[int], tuple[bytes, bytes, int, bytes]]] = {
    "one-point contours": one_point_contours,
    "tiny ROIs": tiny_rois,
    "nested": nested,
    "fragments": fragments,
}
"""What ``python -m tests.benchmarks.object_memory`` measures too."""
_OF_A_SLICE = {"undefined lengths": 0x00081140, "nested": 0x00091010, "fragments": 0x7FE00010}


def write_structure(path: Path, what: str, length: int) -> Path:
    """Write an RTSTRUCT, or a slice, of about so many bytes; an RTSTRUCT lists 20 000 images."""
    head, piece, count, tail = (STRUCTURES | MORE_STRUCTURES)[what](length)
    if what in _OF_A_SLICE:
        dataset, tag = ct_slice(0), _OF_A_SLICE[what]
    else:
        dataset, tag = rtstruct([f"1.2.1.1.{number}" for number in range(REFERENCES)]), 0x30060039
    before, after = Dataset(), Dataset()
    for element in dataset:
        if element.tag != tag:
            (before if element.tag < tag else after).add(element)
    meta = FileMeta(
        str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), IMPLICIT_VR_LITTLE_ENDIAN
    )
    with path.open("wb") as file:
        file.write(meta.header() + encode(before) + head)
        at_once = _AT_A_TIME // len(piece)
        for _ in range(count // at_once):
            file.write(piece * at_once)
        file.write(piece * (count % at_once) + tail + encode(after))
    os.sync()
    return path
