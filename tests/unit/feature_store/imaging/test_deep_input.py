"""The network sees the GTV's bounding box as a z-scored cube."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.errors import ExtractionError, RegionError
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.deep_input import deep_input
from feature_store.imaging.harmonize import harmonize_ct
from tests.support.ct_volumes import ct_of


def test_the_cube_is_the_box_by_linear_interpolation() -> None:
    z, y, x = np.indices((40, 50, 60)).astype(np.float32)
    ct = harmonize_ct(ct_of(3 * z - 2 * y + x))
    gtv = np.zeros((40, 50, 60), dtype=bool)
    gtv[5:37, 9:25, 10:42] = True
    cube = deep_input(ct, BoxedMask.of(gtv))
    assert (cube.shape, cube.dtype) == ((64, 64, 64), np.dtype(np.float32))
    assert float(cube.mean()) == pytest.approx(0, abs=1e-5)
    assert float(cube.std()) == pytest.approx(1, abs=1e-5)
    ramp = [
        (start + (np.arange(64) + 0.5) * n / 64 - 0.5) for start, n in ((5, 32), (9, 16), (10, 32))
    ]
    inner = slice(4, -4)  # away from the faces, where the outermost centres are held
    gz, gy, gx = np.meshgrid(*(axis[inner] for axis in ramp), indexing="ij")
    expected = 3 * gz - 2 * gy + gx
    found = cube[inner, inner, inner]
    slope, offset = np.polyfit(found.ravel(), expected.ravel(), 1)
    np.testing.assert_allclose(found * slope + offset, expected, atol=1e-3)


def test_what_is_outside_the_box_does_not_matter() -> None:
    values = np.random.default_rng(2).normal(size=(20, 20, 20)).astype(np.float32)
    gtv = np.zeros(values.shape, dtype=bool)
    gtv[5:15, 5:15, 5:15] = True
    other = values.copy()
    other[17:] = 1e3
    first, second = (
        deep_input(harmonize_ct(ct_of(hu)), BoxedMask.of(gtv)) for hu in (values, other)
    )
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_flat_or_empty_regions_are_refused() -> None:
    ct = harmonize_ct(ct_of(np.zeros((9, 9, 9))))
    gtv = np.zeros((9, 9, 9), dtype=bool)
    with pytest.raises(RegionError, match="0 voxels"):
        deep_input(ct, BoxedMask(gtv[:2], (slice(0, 2), slice(0, 9), slice(0, 9)), ct.shape))
    gtv[2:7, 2:7, 2:7] = True
    with pytest.raises(ExtractionError, match="standard deviation of 0 HU"):
        deep_input(ct, BoxedMask.of(gtv))
    with pytest.raises(RegionError, match="CT's grid"):
        deep_input(ct, BoxedMask.of(gtv[:7]))
