"""Padding is no part of the image, whatever its value, and nothing lies below air."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from feature_store.imaging.hounsfield import OUTSIDE_IMAGE, Padding, padding_of, put_hounsfield
from tests.support.ct_volumes import ct_of

STORED = np.array([[-2000, -1500, -1024, 0, 40, 3000]], dtype=np.int16)


@pytest.mark.parametrize(
    ("padding", "outside"),
    [
        (None, []),
        (Padding(-2000), [0]),
        (Padding(-2000, -1500), [0, 1]),
        (Padding(-1500, -2000), [0, 1]),
        (Padding(3000), [5]),
        (Padding(7), []),
    ],
)
def test_the_values_that_the_scanner_names_are_outside(
    padding: Padding | None, outside: list[int]
) -> None:
    hu = np.empty(STORED.shape, dtype=np.float32)
    put_hounsfield(hu, STORED, 1.0, 0.0, padding)
    assert hu.dtype == np.float32
    assert np.flatnonzero(hu[0] == OUTSIDE_IMAGE).tolist() == outside
    kept = np.setdiff1d(np.arange(STORED.size), outside)
    np.testing.assert_array_equal(hu[0, kept], STORED[0, kept])


def test_padding_is_told_by_stored_values_and_not_by_hu() -> None:
    stored = np.array([[0, 24, 1024]], dtype=np.uint16)
    hu = np.empty(stored.shape, dtype=np.float32)
    put_hounsfield(hu, stored, 1.0, -1024.0, Padding(0))
    np.testing.assert_array_equal(hu, [[-np.inf, -1000, 0]])


@pytest.mark.parametrize("floor", [-1000.0, -1024.0])
def test_padding_and_all_below_the_floor_are_the_floor(floor: float) -> None:
    hu = np.tile(np.array([-np.inf, -3024, -1024, -999, 0, 3071]), (4, 4, 1))
    found = ct_of(hu).with_floor(floor)
    np.testing.assert_array_equal(found.hu[0, 0], np.maximum(hu[0, 0], floor))
    assert found.hu.dtype == np.float32


def _image(representation: int, bits: int = 16, **elements: bytes | int) -> Dataset:
    image = Dataset()
    image.BitsAllocated, image.PixelRepresentation = bits, representation
    for keyword, value in elements.items():
        kind = "UN" if isinstance(value, bytes) else "SS" if value < 0 else "US"
        image.add_new(keyword, kind, value)
    return image


def test_padding_of_bytes_that_are_no_number_says_nothing() -> None:
    image = _image(1)
    tag = Tag("PixelPaddingValue")
    image[tag] = RawDataElement(tag, "SS", 3, b"-20", 0, False, True)
    assert padding_of(image) is None


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (_image(1), None),
        (_image(1, PixelPaddingValue=-2000), Padding(-2000)),
        (_image(1, PixelPaddingValue=63536), Padding(-2000)),
        (_image(0, PixelPaddingValue=-2000), Padding(63536)),
        (_image(0, PixelPaddingValue=0, PixelPaddingRangeLimit=10), Padding(0, 10)),
        (_image(1, PixelPaddingValue=b"\x30\xf8"), Padding(-2000)),
        (_image(1, PixelPaddingValue=b"\x30"), None),
        (_image(0, bits=8, PixelPaddingValue=255), Padding(255)),
        (_image(1, PixelPaddingRangeLimit=-1000), None),
    ],
)
def test_padding_is_read_as_the_pixels_are(image: Dataset, expected: Padding | None) -> None:
    assert padding_of(image) == expected
