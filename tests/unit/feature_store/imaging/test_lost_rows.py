"""Rows that were lost are known by where tissue ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from feature_store.imaging.ct_volume import ct_volume
from feature_store.imaging.lost_rows import slices_with_lost_rows
from feature_store.imaging.reading import read_ct
from tests.support.ct_volumes import ct_of

SHAPE = (6, 40, 40)


def chest() -> npt.NDArray[np.float64]:
    """A round patient between masked air, 3 mm slices at 0 to 15 mm."""
    _, y, x = np.indices(SHAPE)
    inside = (y - 19.5) ** 2 + (x - 19.5) ** 2 < 15**2
    noise = np.random.default_rng(5).normal(40, 15, SHAPE)
    return np.where(inside, noise, -1000.0)


def _lost(hu: npt.NDArray[np.float64]) -> list[int]:
    volume = ct_of(hu)
    first = float(np.dot(volume.origin_mm, volume.axes[:, 2]))
    return [round((mm - first) / volume.spacing_mm[2]) for mm in slices_with_lost_rows(volume)]


def test_a_whole_chest_has_lost_nothing() -> None:
    assert _lost(chest()) == []
    flat = chest()
    flat[:, 25:] = -1000.0  # flat on a couch that was masked
    assert _lost(flat) == []


@pytest.mark.parametrize("value", [-1024.0, 0.0, -np.inf])
@pytest.mark.parametrize("slices", [[2], [2, 3], [0], [5], [2, 3, 4]])
def test_lost_rows_are_found_at_either_side(value: float, slices: list[int]) -> None:
    below, above, cut = chest(), chest(), chest()
    below[slices, 22:] = value
    above[slices, :16] = value
    cut[slices, 22, 20:] = value
    cut[slices, 23:] = value
    found = [slices[0], *([slices[-1]] if len(slices) > 1 else [])]
    assert _lost(below) == _lost(above) == _lost(cut) == found


def test_a_slice_without_anything_and_the_end_of_the_body_are_no_lost_rows() -> None:
    hu = chest()
    hu[2] = -1000.0
    hu[5, :, :] = -1000.0
    assert _lost(hu) == []


@pytest.mark.real_data
def test_no_real_ct_lost_rows(real_data: Path) -> None:
    folders = [real_data / "pat1" / "ct", *sorted((real_data / "sts").glob("STS_*/ct"))]
    for folder in folders:
        volume = ct_volume(read_ct(sorted(folder.glob("*.dcm"))))
        assert slices_with_lost_rows(volume) == (), folder.name
