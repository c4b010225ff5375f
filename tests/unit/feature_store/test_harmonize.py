"""Harmonised CT and mask equal what ITK interpolates on the same grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from feature_store.ct_volume import CtVolume, read_ct_volume
from feature_store.errors import CtGeometryError
from feature_store.harmonize import resample_ct, resample_mask
from tests.unit.feature_store.test_rasterize import ACQUISITION, AXIAL, oblique


def noise(shape: tuple[int, int, int], spacing: tuple[float, float, float], axes: np.ndarray = AXIAL) -> CtVolume:
    hu = np.random.default_rng(5).normal(0, 300, shape).astype(np.float32)
    return CtVolume(
        hu, spacing, (-7.0, 11.0, -40.0), tuple(axes.ravel()), "1.2.3", "1.2", ("1.1",) * shape[0], ACQUISITION
    )


def by_itk(image: object, reference: object, interpolator: int) -> np.ndarray:
    make_filter: Any = SimpleITK.ResampleImageFilter
    resample = make_filter()
    resample.SetReferenceImage(reference)
    resample.SetInterpolator(interpolator)
    return np.asarray(SimpleITK.GetArrayFromImage(resample.Execute(image)))


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
    image = resample_ct(volume)
    assert image.GetSize() == tuple(round(n * s) for n, s in zip((23, 20, 12), spacing, strict=True))
    expected = by_itk(volume.to_image(), image, SimpleITK.sitkBSpline)
    inside = by_itk(volume.image_of(np.ones(volume.hu.shape, np.uint8)), image, SimpleITK.sitkNearestNeighbor) > 0
    ours = SimpleITK.GetArrayFromImage(image)
    np.testing.assert_allclose(ours[inside], expected[inside], atol=2e-4)
    mask = volume.hu > 100
    label = volume.image_of(mask.astype(np.uint8))
    nearest = by_itk(label, image, SimpleITK.sitkNearestNeighbor)
    np.testing.assert_array_equal(resample_mask(mask, volume, image)[inside], nearest[inside] > 0)


def test_the_corners_of_both_grids_coincide() -> None:
    volume = noise((12, 20, 24), (0.5, 1.5, 2.0), oblique(15))
    image, old = resample_ct(volume), volume.to_image()
    corner = (-0.5, -0.5, -0.5)
    np.testing.assert_allclose(
        image.TransformContinuousIndexToPhysicalPoint(corner), old.TransformContinuousIndexToPhysicalPoint(corner)
    )
    assert image.GetSize() == (12, 30, 24)


def test_the_same_spacing_changes_nothing() -> None:
    volume = noise((8, 9, 10), (1.0, 1.0, 1.0))
    np.testing.assert_allclose(SimpleITK.GetArrayFromImage(resample_ct(volume)), volume.hu, atol=2e-3)


def test_beyond_the_ct_its_edge_goes_on_and_no_mask() -> None:
    volume = noise((9, 9, 9), (1.06, 1.06, 1.06))  # 9.54 mm: the tenth voxel's centre is just inside, its face is not
    wide = noise((5, 9, 9), (1.06, 1.06, 2.99))
    for ct in (volume, wide):
        image = resample_ct(ct)
        values = SimpleITK.GetArrayFromImage(image)
        assert np.isfinite(values).all()
        assert not np.any(np.all(values == 0, axis=(1, 2)))
    reference = resample_ct(volume)
    shifted: Any = reference[:]
    shifted.SetOrigin((20.0, 11.0, -40.0))
    assert not resample_mask(np.ones(volume.hu.shape, dtype=bool), volume, shifted).any()


def test_a_constant_ct_stays_constant_to_its_faces() -> None:
    volume = noise((7, 9, 11), (0.93, 1.21, 2.7))
    constant = CtVolume(
        np.full(volume.hu.shape, -613.0, np.float32),
        volume.spacing_mm,
        volume.origin_mm,
        volume.direction,
        "1.2.3",
        "1.2",
        volume.sop_instance_uids,
        ACQUISITION,
    )
    np.testing.assert_allclose(SimpleITK.GetArrayFromImage(resample_ct(constant)), -613, atol=1e-3)


def test_what_is_too_small_or_on_another_grid_is_refused() -> None:
    with pytest.raises(CtGeometryError, match="3 voxels along an axis"):
        resample_ct(noise((3, 9, 9), (1.0, 1.0, 3.0)))
    volume = noise((8, 9, 10), (1.0, 1.0, 1.0))
    with pytest.raises(CtGeometryError, match="equal shapes"):
        resample_mask(np.ones((8, 9, 9), dtype=bool), volume, volume.to_image())


@pytest.mark.real_data
def test_pat1_on_one_millimetre(real_data: Path) -> None:
    volume = read_ct_volume(sorted((real_data / "pat1" / "ct").glob("*.dcm")))
    image = resample_ct(volume)
    assert image.GetSize() == (199, 196, 180)
    expected = by_itk(volume.to_image(), image, SimpleITK.sitkBSpline)
    np.testing.assert_allclose(SimpleITK.GetArrayFromImage(image), expected, atol=2e-4)
