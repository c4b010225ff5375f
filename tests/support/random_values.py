"""Datasets in which some values are drawn at random from what no standard allows, and from what it
does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from pydicom.dataset import Dataset

from dicom_node.datasets.sop_classes import IMPLICIT_VR_LITTLE_ENDIAN
from tests.support.intake_bench import encode

MARK: Final = "Zqmarkzq"
"""Stands in texts that are about a patient: no log and no incident may hold it."""

Tree = list["Element"]

_LONG_FORM: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT"))
_UNDEFINED: Final = b"\xff\xff\xff\xff"
_ITEM, _END_OF_ITEM, _END_OF_SEQUENCE = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_VRS: Final = (
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OW", "PN", "SH",
    "SL", "SQ", "SS", "ST", "TM", "UI", "UL", "UN", "US", "UT", "ZZ",
)  # fmt: skip

_UIDS: Final = (
    b"1", b"1.2.3", b"1." + b"2" * 62, b"1." + b"2" * 63, b"1." + b"2" * 72, b"1." * 2500,
    b"1.2\0003", b"1.2.3\0\0\0", b"1.02.3", b"..", b"1.", b".1", b" 1.2.3", b"1.2\\1.3",
    b"1.2.\xd9\xa3", b"1.2.\xff", b"1.2\n", b"../../etc/passwd", b"1.2.x", b"-1.2", b"2.25.0",
    b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.5.1.4.1.1.481.3", b"1.2.840.10008.1.2.1",
)  # fmt: skip
_NUMBERS: Final = (
    b"nan", b"-nan", b"inf", b"-inf", b"Infinity", b"1e400", b"1e308", b"-1e308", b"1e-400",
    b"0", b"-0", b"1", b"-1", b"1.5", b"+7", b" 7 ", b"1_0", b"0x10", b"1,5", b"\xd9\xa3",
    b"\xef\xbc\x91", b"9" * 16, b"9" * 400, b"9" * 5000, b"1\\2\\3", b"1\\\\3", b"\\", b"1 2",
    b"2147483647", b"2147483648", b"-2147483649", b"9223372036854775808", b"1e99999999", b".", b"e",
    b"1\0", b"0\\0\\0", b"1\\0\\0\\0\\1\\0", b"0\\0\\0\\0\\0\\0", b"1e9\\1e9\\1e9", b"1e10\\0\\0",
)  # fmt: skip
_TIMES: Final = (
    b"20240230", b"2024", b"99999999", b"00000000", b"-0010101", b"20240517\\20240518",
    b"2024.05.17", b"24:00:00", b"235960.999999", b"083000.1234567", b"today", b"20240517083000",
    b"20240517083000.000000+0100", b"2" * 27, b"2" * 3000, b"2024\0517", b"\xff\xff",
)  # fmt: skip
_TEXTS: Final = (
    f"{MARK}^A=B=C".encode(), MARK.encode() * 9, MARK.encode() * 700, f"{MARK}\0".encode(),
    f"\0{MARK}".encode(), f"{MARK}\x1b$B".encode(), b"\x1b$B\x1b(B", b"\x1b", b"\xff\xfe\xfd",
    b"\xed\xa0\x80", b"\xf0\x9f\xab\x81", b"\x80", b"'; DROP TABLE instances; --", b"%s%n%d",
    b"{0}{error}", b"\\", b"a\\b\\c", b"\r\n", b"\t", b"\x7f\x01", b"GTV-1", b"gtv" * 60, b" ",
    "Ωmega".encode("iso8859_7"), "山田^太郎".encode("shift_jis"), "김희중".encode("euc_kr"),
)  # fmt: skip
_CHARACTER_SETS: Final = (
    b"ISO_IR 6", b"ISO_IR 100", b"ISO_IR 192", b"ISO_IR 13", b"GB18030", b"GBK", b"ISO IR 100",
    b"\\ISO 2022 IR 87", b"ISO 2022 IR 13\\ISO 2022 IR 87", b"ISO_IR 192\\ISO 2022 IR 87",
    b"\\ISO 2022 IR 149", b"\\ISO 2022 IR 58", b"utf8", b"utf-16", b"HEX", b"rot13", b"punycode",
    b"idna", b"unicode_escape", b"raw_unicode_escape", b"undefined", b"\\", b"\\\\\\", b"\0",
    b"\xff",
)  # fmt: skip
_BINARY: Final = (
    b"\0\0", b"\1\0", b"\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\0\0\0\xf8\x7f", b"\0", b"\1\2\3",
    b"\0" * 300, b"\xfe\xff\x00\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0",
)  # fmt: skip
_OF_KIND: Final = {
    "UI": _UIDS, "IS": _NUMBERS, "DS": _NUMBERS, "DA": _TIMES, "TM": _TIMES, "DT": _TIMES,
    "PN": _TEXTS, "LO": _TEXTS, "SH": _TEXTS, "CS": _CHARACTER_SETS + _TEXTS, "US": _BINARY,
}  # fmt: skip
_ANY: Final = (*_UIDS, *_NUMBERS, *_TIMES, *_TEXTS, *_CHARACTER_SETS, *_BINARY)


@dataclass
class Element:
    """An element: its bytes, or its items."""

    tag: int
    vr: str
    value: bytes | list[Tree]


def tree_of(dataset: Dataset) -> Tree:
    """Return the elements of a dataset."""
    found: Tree = []
    for one in dataset:
        if one.VR == "SQ":
            found.append(Element(int(one.tag), "SQ", [tree_of(item) for item in one.value]))
        else:
            alone = Dataset()
            alone.add(one)
            found.append(
                Element(int(one.tag), one.VR, encode(alone, IMPLICIT_VR_LITTLE_ENDIAN)[8:])
            )
    return found


def encoded(tree: Sequence[Element], *, implicit: bool, undefined: bool = False) -> bytes:
    """Return the bytes of a tree; with sequences and items of undefined length where asked for."""
    return b"".join(_encoded(one, implicit=implicit, undefined=undefined) for one in tree)


def spoil(tree: Tree, random: Random) -> str:
    """Change an element anywhere in a tree, and return what was done."""
    places = [(tree, index) for index in range(len(tree))]
    for one in tree:
        places += _below(one)
    # Elements at the top are few beside those in items, and most of what is read.
    within, index = random.choice(places if random.random() < 0.4 else places[: len(tree)])
    one = within[index]
    what = random.choice(("value",) * 9 + ("kind", "shape", "twice", "none", "empty", "private"))
    match what:
        case "value":
            one.value = _value(one.vr, random)
        case "kind":
            one.vr = random.choice(_VRS)
        case "shape":
            is_sequence = isinstance(one.value, list)
            one.value = (
                _value("UI", random) if is_sequence else [[], [Element(one.tag, one.vr, b"1 ")]]
            )
            one.vr = random.choice((one.vr, "UI" if is_sequence else "SQ"))
        case "twice":
            within.insert(index, Element(one.tag, one.vr, _value(one.vr, random)))
        case "none":
            del within[index]
        case "empty":
            one.value = [] if isinstance(one.value, list) else b""
        case "private":
            private = Element((one.tag & 0xFFFF0000) | 0x00010010, "LO", _value("LO", random))
            within.insert(index + 1, private)
    return f"{what} of {one.tag:08X} {one.vr}"


def _below(element: Element) -> list[tuple[Tree, int]]:
    found: list[tuple[Tree, int]] = []
    for item in element.value if isinstance(element.value, list) else ():
        found += [(item, index) for index in range(len(item))]
        for one in item:
            found += _below(one)
    return found


def _value(vr: str, random: Random) -> bytes:
    drawn = random.choice(_OF_KIND.get(vr, _ANY) if random.random() < 0.8 else _ANY)
    if random.random() < 0.1:
        drawn += b"\\" + random.choice(_ANY)
    return drawn


def _encoded(element: Element, *, implicit: bool, undefined: bool) -> bytes:
    head = _tag(element.tag)
    value = element.value
    is_long = element.vr in _LONG_FORM
    length: bytes | None = None
    if isinstance(value, list):
        items = [encoded(one, implicit=implicit, undefined=undefined) for one in value]
        if undefined:
            end = _tag(_END_OF_ITEM) + bytes(4)
            value = b"".join(_tag(_ITEM) + _UNDEFINED + one + end for one in items)
            value += _tag(_END_OF_SEQUENCE) + bytes(4)
            length = _UNDEFINED if implicit or is_long else None
        else:
            value = b"".join(_tag(_ITEM) + len(one).to_bytes(4, "little") + one for one in items)
    elif len(value) % 2:
        value += b"\0" if element.vr in {"UI", "OB", "UN"} else b" "
    length = length or len(value).to_bytes(4, "little")
    if implicit:
        return head + length + value
    if is_long:
        return head + element.vr.encode() + b"\0\0" + length + value
    value = value[:0xFFFE]
    return head + element.vr.encode() + len(value).to_bytes(2, "little") + value


def _tag(tag: int) -> bytes:
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
