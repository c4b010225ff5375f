"""Padding is no part of the image, whatever its value, and nothing lies below air."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.imaging.hounsfield import OUTSIDE_IMAGE, Padding, hounsfield, with_floor
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
    hu = hounsfield(STORED, 1.0, 0.0, padding)
    assert hu.dtype == np.float32
    assert np.flatnonzero(hu[0] == OUTSIDE_IMAGE).tolist() == outside
    kept = np.setdiff1d(np.arange(STORED.size), outside)
    np.testing.assert_array_equal(hu[0, kept], STORED[0, kept])


def test_padding_is_told_by_stored_values_and_not_by_hu() -> None:
    stored = np.array([[0, 24, 1024]], dtype=np.uint16)
    hu = hounsfield(stored, 1.0, -1024.0, Padding(0))
    np.testing.assert_array_equal(hu, [[-np.inf, -1000, 0]])


@pytest.mark.parametrize("floor", [-1000.0, -1024.0])
def test_padding_and_all_below_the_floor_are_the_floor(floor: float) -> None:
    hu = np.tile(np.array([-np.inf, -3024, -1024, -999, 0, 3071]), (4, 4, 1))
    found = with_floor(ct_of(hu), floor)
    np.testing.assert_array_equal(found.hu[0, 0], np.maximum(hu[0, 0], floor))
    assert found.hu.dtype == np.float32
