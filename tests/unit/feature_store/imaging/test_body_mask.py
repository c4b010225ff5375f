"""The body is what the skin encloses: lungs belong to it, air and couch do not."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.errors import RegionError
from feature_store.imaging.body_mask import body_mask
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
