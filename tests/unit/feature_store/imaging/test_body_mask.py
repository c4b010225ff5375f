"""The body is what the skin encloses: lungs belong to it, air and couch do not."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.errors import RegionError
from feature_store.imaging.body_mask import body_mask, body_on, lung_mask
from tests.support.ct_volumes import ct_of


def chest() -> np.ndarray:
    hu = np.full((3, 30, 40), -1000.0)
    hu[:, 5:20, 5:35] = 40
    hu[:, 8:16, 10:20] = -850
    hu[:2, 25:27, 2:38] = 150
    return hu


def test_lungs_are_inside_and_the_couch_is_not() -> None:
    expected = np.zeros((3, 30, 40), dtype=bool)
    expected[:, 5:20, 5:35] = True
    np.testing.assert_array_equal(body_mask(ct_of(chest())), expected)


def test_a_slice_of_air_has_no_body() -> None:
    hu = chest()
    hu[1] = -1000
    assert body_mask(ct_of(hu)).any(axis=(1, 2)).tolist() == [True, False, True]


def test_a_ct_without_a_patient_is_refused() -> None:
    with pytest.raises(RegionError, match="no voxel above -300 HU"):
        body_mask(ct_of(np.full((3, 8, 8), -1000.0)))


def noisy_chest(seed: int = 3) -> np.ndarray:
    """A chest of 120 x 160 pixels with noise: body 100 x 140, two lungs, air around."""
    hu = np.full((4, 120, 160), -1000.0)
    hu[:, 10:110, 10:150] = 40
    hu[:, 30:90, 20:75] = -850
    hu[:, 30:90, 85:140] = -850
    return hu + np.random.default_rng(seed).normal(0, 25, hu.shape)


@pytest.mark.parametrize("columns", [(0, 160), (30, 130), (30, 160), (45, 120)])
@pytest.mark.parametrize("rows", [(0, 120), (40, 80), (20, 120)])
def test_the_edge_of_the_image_is_no_skin(rows: tuple[int, int], columns: tuple[int, int]) -> None:
    hu = noisy_chest()[:, slice(*rows), slice(*columns)]
    whole = np.zeros((4, 120, 160), dtype=bool)
    whole[:, 10:110, 10:150] = True
    expected = whole[:, slice(*rows), slice(*columns)]
    found = body_mask(ct_of(hu))
    assert np.mean(found != expected) < 0.002


@pytest.mark.parametrize("outside", [-2000.0, -3024.0, -np.inf])
def test_lung_that_reaches_the_reconstruction_circle_is_the_patient(outside: float) -> None:
    hu = noisy_chest()
    y, x = np.mgrid[:120, :160]
    circle = (y - 60) ** 2 + (x - 80) ** 2 < 55**2
    hu[:, ~circle] = outside
    expected = np.zeros((4, 120, 160), dtype=bool)
    expected[:, 10:110, 10:150] = True
    expected[:, ~circle] = False
    assert np.mean(body_mask(ct_of(hu)) != expected) < 0.002


def test_lung_is_what_is_aerated_in_the_body() -> None:
    hu = noisy_chest()
    expected = np.zeros((4, 120, 160), dtype=bool)
    expected[:, 30:90, 20:75] = expected[:, 30:90, 85:140] = True
    assert np.mean(lung_mask(ct_of(hu)) != expected) < 0.002


def test_some_slices_are_as_in_the_whole() -> None:
    volume = ct_of(noisy_chest())
    found, whole = body_on(volume, slice(1, 3)), body_mask(volume)
    np.testing.assert_array_equal(found, whole[1:3])
    assert not body_on(ct_of(np.full((3, 8, 8), -1000.0)), slice(None)).any()
