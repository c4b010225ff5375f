"""Rings are dilations by a physical distance, minus the GTV."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from feature_store.errors import RegionError
from feature_store.regions import Region, bounding_box, make_regions


def blob(shape: tuple[int, int, int] = (40, 42, 44)) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(11).normal(size=shape), 3)
    centre = np.indices(shape) - np.reshape([n / 2 for n in shape], (3, 1, 1, 1))
    return np.asarray((field > 0) & (np.sum(centre**2, axis=0) < 9**2))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 1.25, 2.0)])
def test_a_ring_holds_what_is_within_its_width(spacing: tuple[float, float, float]) -> None:
    gtv = blob()
    regions = make_regions(gtv, spacing, (3, 6, 9))
    distance = ndimage.distance_transform_edt(~gtv, sampling=spacing[::-1])
    assert list(regions.masks) == [Region.GTV, Region.RING_3MM, Region.RING_6MM, Region.RING_9MM]
    for region, width in ((Region.RING_3MM, 3), (Region.RING_6MM, 6), (Region.RING_9MM, 9)):
        np.testing.assert_array_equal(regions.masks[region], (distance > 0) & (distance <= width + 1e-6))
    assert not regions.cut_by_field_of_view


def test_voxels_beyond_the_image_are_counted() -> None:
    gtv = np.zeros((30, 30, 30), dtype=bool)
    gtv[10:16, 10:16, 2:8] = True
    cut = make_regions(gtv, (1, 1, 1))
    whole = make_regions(np.pad(gtv, 10), (1, 1, 1))
    lost = int(whole.masks[Region.RING_6MM].sum()) - int(cut.masks[Region.RING_6MM].sum())
    assert lost > 0
    assert cut.beyond_image[Region.RING_6MM] == lost
    assert cut.cut_by_field_of_view
    np.testing.assert_array_equal(whole.masks[Region.RING_6MM][10:-10, 10:-10, 10:-10], cut.masks[Region.RING_6MM])


@pytest.mark.parametrize("voxels", [0, 1, 26])
def test_a_gtv_that_is_too_small_is_refused(voxels: int) -> None:
    gtv = np.zeros((10, 10, 10), dtype=bool)
    gtv.reshape(-1)[500 : 500 + voxels] = True
    with pytest.raises(RegionError, match=rf"Region gtv has {voxels} voxel\(s\): expected at least 27"):
        make_regions(gtv, (1, 1, 1))


def test_a_gtv_that_fills_the_image_has_no_ring() -> None:
    with pytest.raises(RegionError, match="Region ring_6mm has 0 voxel"):
        make_regions(np.ones((8, 8, 8), dtype=bool), (1, 1, 1))


def test_only_the_rings_of_the_method_exist() -> None:
    with pytest.raises(RegionError, match="no ring of 5 mm: expected one of ring_3mm, ring_6mm, ring_9mm"):
        make_regions(blob(), (1, 1, 1), (5,))


def test_the_bounding_box_is_tight() -> None:
    gtv = np.zeros((7, 8, 9), dtype=bool)
    gtv[2, 3, 4] = gtv[4, 3, 8] = True
    assert bounding_box(gtv) == (slice(2, 5), slice(3, 4), slice(4, 9))
