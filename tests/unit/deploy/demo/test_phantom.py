"""The phantom looks as its traits say, and radiomic features see it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from radiomics import cShape
from scipy import ndimage

from deploy.demo.cohort import DEMO_CENTERS
from deploy.demo.phantom import GTV, MATRIX, RIM_MM, Phantom, TumourTraits, make_phantom
from feature_store.imaging.body_mask import body_mask
from tests.support.ct_volumes import ct_of

AVERAGE = TumourTraits(0, 0, 0, 0)
SCANNERS = {
    f"{spec.name}{number}": scanner
    for spec in DEMO_CENTERS
    for number, scanner in enumerate(spec.scanners, start=1)
}


def mask_of(phantom: Phantom, roi: str = GTV) -> npt.NDArray[np.bool_]:
    """Voxels whose centre is inside the contours: crossing number along +x, one contour per
    slice.
    """
    mask = np.zeros(phantom.hu.shape, dtype=bool)
    x = phantom.origin_mm[0] + phantom.spacing_mm[0] * np.arange(MATRIX)
    for points in phantom.contours[roi]:
        index = round((points[0, 2] - phantom.origin_mm[2]) / phantom.spacing_mm[2])
        (x0, y0), (x1, y1) = points[:, :2].T, np.roll(points[:, :2], -1, axis=0).T
        for row, y in enumerate(x):  # the matrix is square and centred: rows lie where columns do
            cut = (y0 > y) != (y1 > y)
            crossings = x0[cut] + (y - y0[cut]) * (x1[cut] - x0[cut]) / (y1[cut] - y0[cut])
            mask[index, row] ^= (np.count_nonzero(crossings[None] > x[:, None], axis=1) % 2).astype(
                bool
            )
    return mask


def ring_of(phantom: Phantom, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    distance = ndimage.distance_transform_edt(~mask, sampling=phantom.spacing_mm[::-1])
    return np.asarray((distance > 0) & (distance <= RIM_MM))


def sphericity(phantom: Phantom) -> float:
    """Sphericity (IBSI QCFX) of the tumour at 1 mm, from the surface mesh of PyRadiomics."""
    fine = ndimage.zoom(mask_of(phantom).astype(np.uint8), phantom.spacing_mm[::-1], order=0)
    surface, volume, _ = cShape.calculate_coefficients(fine.astype(np.int8), np.ones(3))
    return float((36 * np.pi * volume**2) ** (1 / 3) / surface)


@pytest.mark.parametrize("name", SCANNERS)
def test_tumour_has_the_volume_that_was_asked_for(name: str) -> None:
    for score in (-2.0, 0.0, 2.0):
        traits = TumourTraits(score, 1.5, 0, 0)
        phantom = make_phantom(traits, SCANNERS[name], np.random.default_rng(5))
        volume = mask_of(phantom).sum() * np.prod(phantom.spacing_mm)
        assert volume == pytest.approx(traits.volume_mm3, rel=0.07)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCANNERS)
def test_texture_rim_and_shape_follow_their_traits(name: str) -> None:
    def measure(traits: TumourTraits) -> tuple[float, float, float]:
        phantom = make_phantom(traits, SCANNERS[name], np.random.default_rng(11))
        inside = mask_of(phantom)
        core = ndimage.binary_erosion(inside)
        return (
            float(phantom.hu[core].std()),
            float(np.median(phantom.hu[ring_of(phantom, inside)])),
            sphericity(phantom),
        )

    texture, rim, round_ = measure(AVERAGE)
    assert measure(TumourTraits(0, 0, 2, 0))[0] > 1.8 * texture
    assert measure(TumourTraits(0, 0, 0, 2))[1] > rim + 150
    assert measure(TumourTraits(0, 0, 0, -2))[1] < rim - 150
    assert measure(TumourTraits(0, 2, 0, 0))[2] < round_ - 0.03
    assert measure(TumourTraits(0, -2, 0, 0))[2] > round_ + 0.01


def test_tissues_have_their_densities_and_noise_is_the_scanners() -> None:
    for scanner in SCANNERS.values():
        phantom = make_phantom(AVERAGE, scanner, np.random.default_rng(3))
        corner, cord = phantom.hu[:, :8, :8], phantom.hu[:, 127:130, 78:82]
        assert corner.mean() == pytest.approx(-1000, abs=15)
        assert cord.mean() == pytest.approx(35, abs=15)
        middle = phantom.hu[:, 60:66, 76:84]  # mediastinum, in front of the trachea
        within = np.sqrt(np.mean([plane.var() for plane in middle.astype(float)]))
        assert within == pytest.approx(scanner.noise_hu, rel=0.35)


def test_same_seed_gives_the_same_phantom_and_another_seed_another() -> None:
    one, again, other = (
        make_phantom(AVERAGE, SCANNERS["A1"], np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.hu, again.hu)
    for name, contours in one.contours.items():
        for points, same in zip(contours, again.contours[name], strict=True):
            np.testing.assert_array_equal(points, same)
    assert not np.array_equal(one.hu, other.hu)


def test_contours_lie_on_slices_within_the_image() -> None:
    phantom = make_phantom(TumourTraits(2.2, 2.2, 0, 0), SCANNERS["C1"], np.random.default_rng(8))
    slices = {phantom.slice_mm(index) for index in range(phantom.hu.shape[0])}
    for contours in phantom.contours.values():
        assert len(contours) >= 4
        for points in contours:
            assert {f"{height:.2f}" for height in points[:, 2]} <= slices
            assert len(set(points[:, 2])) == 1
            assert np.abs(points[:, :2]).max() < 87


@pytest.mark.parametrize("score", [2.3, float("nan"), -5.0])
def test_an_impossible_trait_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match=r"trait rim .* expected a number from -2\.2 to 2\.2"):
        TumourTraits(0, 0, 0, score)


@pytest.mark.parametrize("name", SCANNERS)
def test_the_body_encloses_lungs_and_tumour_in_every_slice(name: str) -> None:
    phantom = make_phantom(TumourTraits(2.2, 2.2, 0, 0), SCANNERS[name], np.random.default_rng(7))
    body = body_mask(ct_of(phantom.hu.astype(np.float64), phantom.spacing_mm, np.eye(3)))
    gtv = mask_of(phantom)
    assert body[gtv | ring_of(phantom, gtv)].all()
    assert body.mean(axis=(1, 2)).min() > 0.45
