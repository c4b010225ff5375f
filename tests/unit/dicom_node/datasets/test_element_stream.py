"""What is read from front to back is what pydicom makes of the same bytes, however they nest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.sequence import Sequence

from dicom_node.datasets.dataset_window import DatasetBytes
from dicom_node.datasets.element_stream import (
    DEEPEST_NESTING,
    UNDEFINED_LENGTH,
    ElementStream,
    ExcessiveDatasetError,
    Head,
    Item,
    MalformedDatasetError,
)
from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.support.intake_bench import encode
from tests.support.raw_values import raw_element

SYNTAXES = [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN]
NESTING = (0x30060010, 0x30060012, 0x30060039, 0x30060040)
VALUES = {0x00081155: "UI", 0x30060026: "LO", 0x30060050: "DS", 0x30060084: "IS"}
ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
OPEN = b"\xff\xff\xff\xff"


@st.composite
def _datasets(draw: st.DrawFn, depth: int = 3) -> Dataset:
    dataset = Dataset()
    for tag in draw(st.sets(st.sampled_from(list(VALUES)), max_size=3)):
        text = draw(st.lists(st.sampled_from(["1", "2", "33"]), max_size=3))
        dataset.add_new(tag, VALUES[tag], text[:1] if tag != 0x30060050 else text)
    for tag in draw(st.sets(st.sampled_from(NESTING), max_size=2)) if depth else ():
        items = draw(st.lists(_datasets(depth - 1), max_size=3))
        for item in items:
            item.is_undefined_length_sequence_item = draw(st.booleans())
        dataset.add_new(tag, "SQ", Sequence(items))
        dataset[tag].is_undefined_length = draw(st.booleans())
    return dataset


def _of_pydicom(dataset: Dataset) -> list[object]:
    found: list[object] = []
    for tag in sorted(dataset.keys()):
        if tag in NESTING:
            found.append((int(tag), [_of_pydicom(item) for item in dataset[tag].value]))
        else:
            found.append((int(tag), dataset.get_item(tag).value or b""))  # as it is encoded
    return found


def _of_stream(stream: ElementStream, heads: Iterator[Head]) -> list[object]:
    found: list[object] = []
    for head in heads:
        if head.tag in NESTING:
            items: list[list[object]] = []
            for item in stream.items(head):
                items += [_of_stream(stream, stream.elements(item)) for _ in range(item.repeats)]
            found.append((head.tag, items))
        else:
            found.append((head.tag, stream.window.at(head.at, head.length)))
    return found


def _stream(dataset: bytes) -> tuple[ElementStream, Item]:
    return ElementStream(DatasetBytes(dataset)), Item(
        1, len(dataset), delimited=False, implicit=True
    )


@pytest.mark.slow
@given(_datasets(), st.sampled_from(SYNTAXES))
def test_it_reads_what_pydicom_reads(dataset: Dataset, syntax: str) -> None:
    encoded = encode(dataset, syntax)
    implicit = syntax == IMPLICIT_VR_LITTLE_ENDIAN
    theirs = read_dataset(BytesIO(encoded), implicit, is_little_endian=True)
    stream = ElementStream(DatasetBytes(encoded))
    whole = Item(1, len(encoded), delimited=False, implicit=implicit)
    assert _of_stream(stream, stream.elements(whole)) == _of_pydicom(theirs)


@pytest.mark.slow
@given(_datasets(), st.sampled_from(SYNTAXES))
def test_what_is_not_asked_for_is_passed_over(dataset: Dataset, syntax: str) -> None:
    dataset.PatientID = "P"  # before all of them
    dataset.add_new(0x7FE00010, "OW", b"\1\2")
    encoded = encode(dataset, syntax)
    stream = ElementStream(DatasetBytes(encoded))
    whole = Item(1, len(encoded), delimited=False, implicit=syntax == IMPLICIT_VR_LITTLE_ENDIAN)
    assert [head.tag for head in stream.elements(whole)] == [int(one.tag) for one in dataset]


def test_items_may_be_implicit_in_an_explicit_dataset() -> None:
    item = raw_element(0x30060084, "IS", b"7", IMPLICIT_VR_LITTLE_ENDIAN)
    for vr in (b"UN", b"SQ"):
        encoded = (
            b"\x06\x30\x39\x00"
            + vr
            + b"\0\0"
            + OPEN
            + ITEM
            + len(item).to_bytes(4, "little")
            + item
            + SEQUENCE_END
        )
        stream = ElementStream(DatasetBytes(encoded))
        whole = Item(1, len(encoded), delimited=False, implicit=False)
        assert _of_stream(stream, stream.elements(whole)) == [(0x30060039, [[(0x30060084, b"7 ")]])]


def test_empty_items_in_a_row_come_together() -> None:
    empty, delimited = ITEM + bytes(4), ITEM + OPEN + ITEM_END
    encoded = b"\x06\x30\x40\x00" + OPEN + (empty + delimited) * 30_000 + SEQUENCE_END
    stream, whole = _stream(encoded)
    (head,) = stream.elements(whole)
    assert head.length == UNDEFINED_LENGTH
    counts = []
    for item in stream.items(head):
        assert list(stream.elements(item)) == []
        counts.append(item.repeats)
    assert sum(counts) == 60_000
    assert len(counts) < 200


def _nested(depth: int) -> bytes:
    return (b"\x06\x30\x40\x00" + OPEN + ITEM + OPEN) * depth + (ITEM_END + SEQUENCE_END) * depth


def test_nesting_is_followed_so_far_and_no_further() -> None:
    stream, whole = _stream(_nested(DEEPEST_NESTING))
    assert len(list(stream.elements(whole))) == 1
    stream, whole = _stream(_nested(100_000))
    with pytest.raises(ExcessiveDatasetError, match="lie in each other 100 times"):
        list(stream.elements(whole))


def test_more_elements_than_are_looked_at_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_node.datasets.element_stream.MOST_HEADS", 100)
    stream, whole = _stream(b"\x06\x30\x84\x00\0\0\0\0" * 101)
    with pytest.raises(ExcessiveDatasetError, match="more than 100 elements and items"):
        list(stream.elements(whole))


@pytest.mark.slow
@given(_datasets(), st.sampled_from(SYNTAXES), st.data())
def test_a_cut_or_spoiled_dataset_ends_or_is_malformed(
    dataset: Dataset, syntax: str, data: st.DataObject
) -> None:
    encoded = bytearray(encode(dataset, syntax))
    if encoded:
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(encoded[: data.draw(st.integers(0, len(encoded)))])
    stream = ElementStream(DatasetBytes(cut))
    whole = Item(1, len(cut), delimited=False, implicit=syntax == IMPLICIT_VR_LITTLE_ENDIAN)
    with suppress(MalformedDatasetError):
        _of_stream(stream, stream.elements(whole))
