"""Harmonised CT and mask equal what ITK interpolates on the same grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from feature_store.errors import CtGeometryError
from feature_store.imaging.ct_volume import CtVolume, ct_volume
from feature_store.imaging.harmonize import HarmonizedCt, harmonize_ct, harmonize_mask
from feature_store.imaging.reading import read_ct
from tests.support.ct_volumes import ct_of, noise, oblique


def by_itk(image: object, reference: object, interpolator: int) -> np.ndarray:
    make_filter: Any = SimpleITK.ResampleImageFilter
    resample = make_filter()
    resample.SetReferenceImage(reference)
    resample.SetInterpolator(interpolator)
    return np.asarray(SimpleITK.GetArrayFromImage(resample.Execute(image)))


def whole(ct: HarmonizedCt) -> np.ndarray:
    return np.asarray(SimpleITK.GetArrayFromImage(ct.to_image()))


@pytest.mark.parametrize(
    ("spacing", "degrees"),
    [
        ((0.73, 0.71, 5.0), 0),
        ((1.3, 0.9, 2.5), 0),
        ((1.0, 1.0, 1.0), 0),
        ((0.73, 0.71, 4.87), 15),
        ((1.31, 0.91, 2.37), 15),
    ],
)
def test_values_are_those_of_itk(spacing: tuple[float, float, float], degrees: float) -> None:
    volume = noise((12, 20, 23), spacing, oblique(degrees))
    ct = harmonize_ct(volume)
    image = ct.to_image()
    assert image.GetSize() == tuple(
        round(n * s) for n, s in zip((23, 20, 12), spacing, strict=True)
    )
    expected = by_itk(volume.to_image(), image, SimpleITK.sitkBSpline)
    inside = (
        by_itk(
            volume.image_of(np.ones(volume.hu.shape, np.uint8)),
            image,
            SimpleITK.sitkNearestNeighbor,
        )
        > 0
    )
    np.testing.assert_allclose(whole(ct)[inside], expected[inside], atol=2e-4)
    mask = volume.hu > 100
    label = volume.image_of(mask.astype(np.uint8))
    nearest = by_itk(label, image, SimpleITK.sitkNearestNeighbor)
    np.testing.assert_array_equal(
        harmonize_mask(mask, volume, ct).whole()[inside], nearest[inside] > 0
    )


@pytest.mark.parametrize("spacing", [(0.73, 0.71, 5.0), (1.3, 1.9, 2.37)])
def test_parts_and_moments_are_those_of_the_whole(spacing: tuple[float, float, float]) -> None:
    ct = harmonize_ct(noise((12, 20, 83), spacing))
    values = whole(ct)
    assert ct.shape == values.shape
    assert ct.mean_hu == pytest.approx(values.mean(dtype=np.float64), abs=1e-6)
    assert ct.sd_hu == pytest.approx(values.std(dtype=np.float64, ddof=1), rel=1e-8)
    np.testing.assert_array_equal(
        ct.values(slice(3, 9), slice(0, 5), slice(4, 11)), values[3:9, :5, 4:11]
    )
    z, y, x = np.array([7, 0, 7]), np.array([1]), np.array([2, 3])
    np.testing.assert_array_equal(ct.values(z, y, x), values[np.ix_(z, y, x)])


@pytest.mark.parametrize("over_some", [False, True])
def test_what_is_kept_of_a_ct_has_the_bits_of_the_whole(over_some: bool) -> None:
    volume = noise((12, 50, 63), (0.73, 0.71, 5.0))
    over = volume.hu > 0 if over_some else None
    box = (slice(3, 9), slice(7, 30), slice(2, 39))
    ct, all_of_it = harmonize_ct(volume, 1.0, over, box), harmonize_ct(volume, 1.0, over)
    assert (ct.shape, ct.mean_hu, ct.sd_hu) == (
        all_of_it.shape,
        all_of_it.mean_hu,
        all_of_it.sd_hu,
    )
    np.testing.assert_array_equal(ct.values(*box), all_of_it.values(*box))
    assert ct.coefficients.size < all_of_it.coefficients.size / 1.5
    for beyond in (slice(6, 30), slice(7, 31)):
        with pytest.raises(IndexError, match="7 to 29 are kept"):
            ct.values(box[0], beyond, box[2])
    with pytest.raises(IndexError, match="are kept"):
        ct.to_image()


@pytest.mark.parametrize("over_some", [False, True])
@pytest.mark.parametrize("spacing", [(0.73, 0.71, 5.0), (1.3, 0.9, 3.0), (0.9, 1.3, 3.0)])
def test_a_ct_that_is_written_over_gives_the_same_bits(
    spacing: tuple[float, float, float], over_some: bool
) -> None:
    volume = noise((12, 50, 63), spacing)
    over = volume.hu > 0 if over_some else None
    box = (slice(3, 9), slice(7, 30), slice(2, 39))
    ct = harmonize_ct(volume, 1.0, over, box)
    spent = volume.with_values(volume.hu.copy())
    same = harmonize_ct(spent, 1.0, over, box, last_use=True)
    assert (same.mean_hu, same.sd_hu) == (ct.mean_hu, ct.sd_hu)
    np.testing.assert_array_equal(same.coefficients, ct.coefficients)
    # where the new grid has more rows or columns, there is no room in the old one
    assert np.array_equal(spent.hu, volume.hu) is (max(spacing[:2]) > 1)
    assert not spent.hu.flags.writeable


def test_a_ct_whose_voxels_are_of_another_array_is_not_written_over() -> None:
    volume = noise((12, 50, 63), (0.73, 0.71, 5.0))
    part = volume.with_values(volume.hu[1:])
    before = volume.hu.copy()
    harmonize_ct(part, 1.0, None, (slice(3, 9), slice(7, 30), slice(2, 39)), last_use=True)
    np.testing.assert_array_equal(volume.hu, before)


def test_the_corners_of_both_grids_coincide() -> None:
    volume = noise((12, 20, 24), (0.5, 1.5, 2.0), oblique(15))
    image, old = harmonize_ct(volume).to_image(), volume.to_image()
    corner = (-0.5, -0.5, -0.5)
    np.testing.assert_allclose(
        image.TransformContinuousIndexToPhysicalPoint(corner),
        old.TransformContinuousIndexToPhysicalPoint(corner),
    )
    assert image.GetSize() == (12, 30, 24)


def test_the_same_spacing_changes_nothing() -> None:
    volume = noise((8, 9, 10), (1.0, 1.0, 1.0))
    np.testing.assert_allclose(whole(harmonize_ct(volume)), volume.hu, atol=2e-3)


def test_beyond_the_ct_its_edge_goes_on_and_no_mask() -> None:
    volume = noise(
        (9, 9, 9), (1.06, 1.06, 1.06)
    )  # 9.54 mm: the tenth voxel's centre is just inside, its face is not
    wide = noise((5, 9, 9), (1.06, 1.06, 2.99))
    for ct in (volume, wide):
        values = whole(harmonize_ct(ct))
        assert np.isfinite(values).all()
        assert not np.any(np.all(values == 0, axis=(1, 2)))
    harmonized = harmonize_ct(volume)
    shifted = HarmonizedCt(**{**vars(harmonized), "origin_mm": (20.0, 11.0, -40.0)})
    assert harmonize_mask(np.ones(volume.hu.shape, dtype=bool), volume, shifted).count == 0


def test_a_constant_ct_stays_constant_to_its_faces() -> None:
    ct = harmonize_ct(ct_of(np.full((7, 9, 11), -613), (0.93, 1.21, 2.7)))
    np.testing.assert_allclose(whole(ct), -613, atol=1e-3)
    assert ct.mean_hu == pytest.approx(-613)
    assert ct.sd_hu == pytest.approx(0, abs=1e-9)


def test_what_is_too_small_or_on_another_grid_is_refused() -> None:
    with pytest.raises(CtGeometryError, match="3 voxels along an axis"):
        harmonize_ct(noise((3, 9, 9), (1.0, 1.0, 3.0)))
    volume = noise((8, 9, 10), (1.0, 1.0, 1.0))
    ct = harmonize_ct(volume)
    with pytest.raises(CtGeometryError, match="expected equal shapes"):
        harmonize_mask(np.ones((8, 9, 9), dtype=bool), volume, ct)


def test_an_empty_mask_stays_empty() -> None:
    volume = noise((8, 9, 10), (1.0, 1.0, 1.0))
    ct = harmonize_ct(volume)
    found = harmonize_mask(np.zeros(volume.hu.shape, dtype=bool), volume, ct)
    assert found.count == 0
    assert not found.whole().any()
    assert found.grid_shape == ct.shape


@pytest.mark.real_data
def test_pat1_on_one_millimetre(real_data: Path) -> None:
    volume: CtVolume = ct_volume(read_ct(sorted((real_data / "pat1" / "ct").glob("*.dcm"))))
    ct = harmonize_ct(volume)
    assert ct.shape == (180, 196, 199)
    expected = by_itk(volume.to_image(), ct.to_image(), SimpleITK.sitkBSpline)
    np.testing.assert_allclose(whole(ct), expected, atol=2e-4)
