"""A CT voxel is of a region when the measured voxel nearest to its centre is, however it lies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial import cKDTree

from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.harmonize import HarmonizedCt, harmonize_ct, harmonize_mask
from feature_store.imaging.orientation import in_lps_order
from feature_store.imaging.regions import Region, make_regions
from feature_store.imaging.regions_on_ct import drawn_on_ct, largest_slice, region_on_ct
from tests.support.ct_volumes import AXIAL, SAGITTAL, noise, oblique

HEAD_FIRST_PRONE = np.diag([-1.0, -1.0, 1.0])
FEET_FIRST = np.diag([-1.0, 1.0, -1.0])
Mask = npt.NDArray[np.bool_]


def _measured(
    axes: npt.ArrayLike, spacing_mm: tuple[float, float, float]
) -> tuple[CtVolume, Mask, HarmonizedCt, dict[Region, BoxedMask]]:
    volume = noise((14, 40, 36), spacing_mm, axes)
    z, y, x = np.ogrid[:14, :40, :36]
    drawn = ((z - 6) / 3.4) ** 2 + ((y - 21) / 6.3) ** 2 + ((x - 17) / 7.7) ** 2 <= 1
    turned, mask = in_lps_order(volume, drawn)
    ct = harmonize_ct(turned, 1.0)
    regions = make_regions(harmonize_mask(mask, turned, ct), 1.0, (6.0,))
    return volume, drawn, ct, dict(regions.masks)


def _centres(
    shape: tuple[int, ...],
    origin: tuple[float, ...],
    axes: npt.NDArray[np.float64],
    spacing: npt.ArrayLike,
) -> npt.NDArray[np.float64]:
    z, y, x = np.indices(shape)
    index = np.stack([x, y, z], axis=-1).reshape(-1, 3) * np.asarray(spacing)
    return np.asarray(np.asarray(origin) + index @ axes.T, dtype=np.float64)


@pytest.mark.parametrize(
    ("axes", "spacing_mm"),
    [
        (AXIAL, (0.97, 0.97, 3.0)),
        (FEET_FIRST, (1.17, 1.17, 2.5)),
        (HEAD_FIRST_PRONE, (0.7, 0.9, 3.3)),
        (SAGITTAL, (0.97, 1.1, 3.0)),
        (oblique(15.0), (1.3, 0.83, 3.1)),
    ],
)
def test_a_ct_voxel_is_ring_when_the_measured_voxel_nearest_to_its_centre_is(
    axes: npt.ArrayLike, spacing_mm: tuple[float, float, float]
) -> None:
    volume, _, ct, masks = _measured(axes, spacing_mm)
    found = region_on_ct(masks[Region.RING_6MM], volume, 1.0)
    measured = _centres(ct.shape, ct.origin_mm, np.reshape(ct.direction, (3, 3)), (1.0,) * 3)
    of_ct = _centres(volume.hu.shape, volume.origin_mm, volume.axes, volume.spacing_mm)
    distance, nearest = cKDTree(measured).query(of_ct)
    expected = masks[Region.RING_6MM].whole().ravel()[nearest] & (distance < np.sqrt(3) / 2 + 1e-6)
    assert found.mask.count > 500
    np.testing.assert_array_equal(found.mask.whole().ravel(), expected)


def test_volumes_and_dice_compare_with_what_was_measured() -> None:
    volume, _, ct, masks = _measured(FEET_FIRST, (0.97, 0.97, 3.0))
    ring = masks[Region.RING_6MM]
    found = region_on_ct(ring, volume, 1.0)
    assert found.measured_mm3 == ring.count
    assert found.volume_mm3 == pytest.approx(found.mask.count * 0.97 * 0.97 * 3.0)
    assert found.volume_mm3 == pytest.approx(found.measured_mm3, rel=0.05)
    turned, on_ct = in_lps_order(volume, found.mask.whole())
    back = harmonize_mask(on_ct, turned, ct).whole()
    dice = 2 * np.sum(back & ring.whole()) / (back.sum() + ring.count)
    assert found.dice == pytest.approx(dice, abs=1e-12)
    assert 0.85 < found.dice < 1


def test_the_gtv_is_what_was_drawn_on_the_ct_and_is_measured_as_that() -> None:
    volume, drawn, _, masks = _measured(SAGITTAL, (0.97, 1.1, 3.0))
    found = drawn_on_ct(BoxedMask.of(drawn), masks[Region.GTV], volume, 1.0)
    np.testing.assert_array_equal(found.mask.whole(), drawn)
    assert found.dice == 1.0


def test_the_slice_with_most_of_a_mask_is_found() -> None:
    mask = np.zeros((5, 6, 7), np.bool_)
    mask[2, 1:4, 2:5] = mask[3, 2, 2] = True
    number, pixels = largest_slice(BoxedMask.of(mask))
    assert number == 2
    np.testing.assert_array_equal(pixels, mask[2])
