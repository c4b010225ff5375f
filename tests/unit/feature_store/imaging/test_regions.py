"""Rings are dilations by a physical distance, minus the GTV."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from feature_store.errors import RegionError
from feature_store.imaging.boxed_mask import BoxedMask, bounding_box
from feature_store.imaging.regions import Region, make_regions


def blob(shape: tuple[int, int, int] = (40, 42, 44)) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(11).normal(size=shape), 3)
    centre = np.indices(shape) - np.reshape([n / 2 for n in shape], (3, 1, 1, 1))
    return np.asarray((field > 0) & (np.sum(centre**2, axis=0) < 9**2))


@pytest.mark.parametrize("spacing_mm", [1.0, 0.8, 2.0])
def test_a_ring_holds_what_is_within_its_width(spacing_mm: float) -> None:
    gtv = blob()
    regions = make_regions(BoxedMask.of(gtv), spacing_mm, (3, 6, 9))
    distance = ndimage.distance_transform_edt(~gtv, sampling=spacing_mm)
    assert list(regions.masks) == [Region.GTV, Region.RING_3MM, Region.RING_6MM, Region.RING_9MM]
    for region, width in ((Region.RING_3MM, 3), (Region.RING_6MM, 6), (Region.RING_9MM, 9)):
        expected = (distance > 0) & (distance <= width + 1e-6)
        np.testing.assert_array_equal(regions.masks[region].whole(), expected)
        assert regions.masks[region].box == bounding_box(expected)
    assert regions.share_beyond_image == 0


def test_voxels_beyond_the_image_are_counted() -> None:
    gtv = np.zeros((30, 30, 30), dtype=bool)
    gtv[10:16, 10:16, 2:8] = True
    cut = make_regions(BoxedMask.of(gtv), 1.0)
    whole = make_regions(BoxedMask.of(np.pad(gtv, 10)), 1.0)
    lost = whole.masks[Region.RING_6MM].count - cut.masks[Region.RING_6MM].count
    assert lost > 0
    assert cut.beyond_image[Region.RING_6MM] == lost
    assert cut.share_beyond_image == lost / whole.masks[Region.RING_6MM].count
    inner = (slice(10, -10),) * 3
    np.testing.assert_array_equal(
        whole.masks[Region.RING_6MM].whole()[inner], cut.masks[Region.RING_6MM].whole(), strict=True
    )


def test_rings_end_at_the_skin_where_they_are_told_to() -> None:
    gtv, body = np.zeros((40, 40, 40), dtype=bool), np.zeros((40, 40, 40), dtype=bool)
    gtv[15:22, 15:22, 4:12] = True
    body[:, :, 2:30] = True
    free = make_regions(BoxedMask.of(gtv), 1.0, (3, 6))
    clipped = make_regions(BoxedMask.of(gtv), 1.0, (3, 6), BoxedMask.of(body))
    np.testing.assert_array_equal(clipped.masks[Region.GTV].whole(), gtv)
    for region in (Region.RING_3MM, Region.RING_6MM):
        np.testing.assert_array_equal(
            clipped.masks[region].whole(), free.masks[region].whole() & body
        )
        assert clipped.masks[region].count < free.masks[region].count


@pytest.mark.parametrize("voxels", [0, 1, 26])
def test_a_gtv_that_is_too_small_is_refused(voxels: int) -> None:
    gtv = np.zeros((10, 10, 10), dtype=bool)
    gtv.reshape(-1)[500 : 500 + voxels] = True
    boxed = BoxedMask(gtv, (slice(0, 10),) * 3, (10, 10, 10))
    with pytest.raises(RegionError, match=rf"The GTV has {voxels} voxels?, expected at least 27"):
        make_regions(boxed, 1.0)


def test_a_gtv_that_fills_the_image_has_no_ring() -> None:
    with pytest.raises(
        RegionError, match="The ring of 6 mm around the GTV has 0 of its 5040 voxel"
    ) as caught:
        make_regions(BoxedMask.of(np.ones((8, 8, 8), dtype=bool)), 1.0)
    assert caught.value.code == "ring-too-small"


def test_a_ring_without_the_tissue_it_is_kept_to_is_refused() -> None:
    gtv, lung = np.zeros((30, 30, 30), dtype=bool), np.zeros((30, 30, 30), dtype=bool)
    gtv[12:18, 12:18, 12:18] = True
    lung[0:2] = True
    nothing = slice(0, 0)
    none = BoxedMask(np.zeros((0, 0, 0), dtype=bool), (nothing,) * 3, lung.shape)
    for within in (BoxedMask.of(lung), none):
        with pytest.raises(RegionError, match=r"has 0 of its .* that ring_tissue keeps"):
            make_regions(BoxedMask.of(gtv), 1.0, (3,), within)


def test_only_the_rings_of_the_method_exist() -> None:
    with pytest.raises(
        RegionError, match="no ring of 5 mm: expected one of ring_3mm, ring_6mm, ring_9mm"
    ):
        make_regions(BoxedMask.of(blob()), 1.0, (5,))
