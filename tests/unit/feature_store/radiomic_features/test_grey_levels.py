"""Grey levels are PyRadiomics' bins, and are counted whatever their number."""

from __future__ import annotations

import numpy as np
import pytest
from radiomics import imageoperations

from feature_store.errors import ExtractionError
from feature_store.radiomic_features.grey_levels import grey_levels, tallied


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("width", [25.0, 0.1, 7.3])
def test_levels_are_the_bins_of_pyradiomics(width: float, kind: type[np.floating]) -> None:
    values = np.random.default_rng(2).normal(-3, 8 * width, 500).astype(kind)
    values[:40] = (np.arange(40) - 20) * width  # on the edges
    edges = imageoperations.getBinEdges(values, binWidth=width)
    np.testing.assert_array_equal(grey_levels(values, width), np.digitize(values, edges))


def test_more_levels_than_can_be_counted_are_refused() -> None:
    with pytest.raises(ExtractionError, match="at most 1024 bins of 25"):
        grey_levels(np.array([0.0, 25 * 1025.0]), 25.0)


@pytest.mark.parametrize("voxels", [1, 2, 3, 4, 5, 1001])
def test_each_voxel_is_counted_once(voxels: int) -> None:
    levels = np.random.default_rng(voxels).integers(1, 9, voxels).astype(np.int16)
    np.testing.assert_array_equal(tallied(levels), np.bincount(levels))
