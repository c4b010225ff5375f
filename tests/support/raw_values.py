"""Datasets with values that no library would write."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.support.intake_bench import encode

_LONG_FORM = ("OB", "OW", "SQ", "UN", "UT")


def raw_element(tag: int, vr: str, value: bytes, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN) -> bytes:
    """Return one encoded element; a value of odd length gets a blank."""
    value += b" " * (len(value) % 2)
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    if syntax == IMPLICIT_VR_LITTLE_ENDIAN:
        return head + len(value).to_bytes(4, "little") + value
    if vr in _LONG_FORM:
        return head + vr.encode() + b"\0\0" + len(value).to_bytes(4, "little") + value
    return head + vr.encode() + len(value).to_bytes(2, "little") + value


def with_value(
    dataset: Dataset, tag: int, vr: str, value: bytes, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN
) -> bytes:
    """Return an encoded dataset in which one element is present with these bytes."""
    before, after = Dataset(), Dataset()
    for element in dataset:
        if element.tag != tag:
            (before if element.tag < tag else after).add(element)
    return encode(before, syntax) + raw_element(tag, vr, value, syntax) + encode(after, syntax)


LONG_UID = b"1." + b"2" * 72
CANNOT_BE = {
    "a Frame of Reference UID of 74 characters": (0x00200052, "UI", LONG_UID),
    "a NUL in a Frame of Reference UID": (0x00200052, "UI", b"1.2\x003.4"),
    "a Frame of Reference UID longer than is read": (0x00200052, "UI", b"1." * 9000),
    "two Frame of Reference UIDs": (0x00200052, "UI", b"1.2\\1.3"),
    "letters in a Frame of Reference UID": (0x00200052, "UI", b"1.2.x"),
    "a Series Instance UID of 74 characters": (0x0020000E, "UI", LONG_UID),
    "a NUL in a Study Instance UID": (0x0020000D, "UI", b"1.2\x003"),
    "a SOP Instance UID with a line break": (0x00080018, "UI", b"1.2.3\n"),
    "frames: nan": (0x00280008, "IS", b"nan"),
    "frames: infinity": (0x00280008, "IS", b"1e400"),
    "frames: a long exponent": (0x00280008, "IS", b"1e99999999"),
    "frames: none": (0x00280008, "IS", b"0"),
    "frames: less than none": (0x00280008, "IS", b"-1"),
    "frames: a half": (0x00280008, "IS", b"1.5"),
    "frames: two numbers": (0x00280008, "IS", b"1\\1"),
    "frames: a word": (0x00280008, "IS", b"one"),
    "a position that is no number": (0x00200032, "DS", b"nan\\0\\0"),
    "a position without an end": (0x00200032, "DS", b"0\\0\\inf"),
    "a position in underscores": (0x00200032, "DS", b"1_0\\0\\0"),
    "half a position": (0x00200032, "DS", b"0\\0"),
    "an orientation of words": (0x00200037, "DS", b"a\\b\\c\\d\\e\\f"),
    "a spacing beyond all measure": (0x00280030, "DS", b"1e308\\1e308"),
    "a codec of Python": (0x00080005, "CS", b"HEX"),
    "another codec of Python": (0x00080005, "CS", b"rot13"),
    "a codec of Python that reads text": (0x00080005, "CS", b"punycode"),
    "a codec as an extension": (0x00080005, "CS", b"\\base64"),
    "a NUL in a Patient ID": (0x00100020, "LO", b"P\x001"),
    "a Patient ID of 65 characters": (0x00100020, "LO", b"P" * 65),
}
"""What -> an element of a slice whose value is none of its kind."""
