"""Perturbed contours: the same for the same study, as far from the drawn one as the settings say,
and of its volume on the mean; on synthetic and on real contours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.imaging.boxed_mask import BoxedMask, Mask
from feature_store.imaging.contour_difference import ContourDifference, contour_difference
from feature_store.imaging.harmonize import harmonize_boxed_mask, harmonize_ct
from feature_store.imaging.perturbation import Perturbation, perturbed_masks, signed_distance_mm
from feature_store.imaging.reading import read_study
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import load_study, prepared
from tests.support.real_data import real_study

USUAL = Perturbation()
CT_GRID, MEASURED_GRID = (0.977, 0.977, 3.0), (1.0, 1.0, 1.0)
MEAN_ABSOLUTE = USUAL.sd_mm * np.sqrt(2 / np.pi)
"""Mean distance of the moved surface from the drawn one, along its normal."""
STUDIES = (
    "pat1",
    "sts/STS_001",
    "sts/STS_002",
    "sts/STS_003",
    "sts/STS_008",
    "sts/STS_019",
    "sts/STS_025",
)


def ball(radius_mm: float, spacing_mm: tuple[float, float, float]) -> Mask:
    """Return a ball in a box with 8 mm around it, shape (z, y, x)."""
    lines = []
    for step in spacing_mm[::-1]:
        n = int(np.ceil((radius_mm + 8) / step))
        lines.append(np.arange(-n, n + 1) * step)
    z, y, x = np.meshgrid(*lines, indexing="ij")
    return np.asarray(z**2 + y**2 + x**2 <= radius_mm**2)


def differences(
    masks: Sequence[BoxedMask], drawn: BoxedMask, spacing_mm: tuple[float, float, float]
) -> list[ContourDifference]:
    return [contour_difference(mask, drawn, spacing_mm) for mask in masks]


def test_the_same_seed_gives_the_same_contours_and_another_seed_others() -> None:
    mask = ball(9, CT_GRID)
    first, again, other = (
        perturbed_masks(mask, CT_GRID, 4, seed, USUAL) for seed in ("a", "a", "b")
    )
    assert len(first) == 4
    assert all(
        one.box == two.box and np.array_equal(one.voxels, two.voxels)
        for one, two in zip(first, again, strict=True)
    )
    assert not any(
        np.array_equal(one.voxels, two.voxels) for one, two in zip(first, other, strict=True)
    )


@pytest.mark.slow
@given(
    radius=st.floats(5, 9),
    slices_mm=st.floats(1, 4),
    sd=st.floats(0.3, 1.5),
    correlation=st.floats(6, 20),
    seed=st.text(max_size=5),
)
@settings(max_examples=8, deadline=None)
def test_no_surface_moves_further_than_the_cut(
    radius: float, slices_mm: float, sd: float, correlation: float, seed: str
) -> None:
    spacing = (1.0, 1.0, slices_mm)
    mask, perturbation = ball(radius, spacing), Perturbation(sd, correlation, 2.0)
    distance = signed_distance_mm(mask, spacing[::-1], 4.0)
    for one in perturbed_masks(mask, spacing, 4, seed, perturbation):
        changed = one.whole() != mask
        assert not changed.any() or np.abs(distance[changed]).max() <= 2.0


@pytest.mark.parametrize("spacing", [CT_GRID, MEASURED_GRID])
@pytest.mark.parametrize("radius", [7.0, 12.0, 25.0])
def test_the_mean_volume_is_that_of_the_drawn_contour(
    radius: float, spacing: tuple[float, float, float]
) -> None:
    mask = ball(radius, spacing)
    ratios = [one.count / mask.sum() for one in perturbed_masks(mask, spacing, 20, "study", USUAL)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)
    assert np.std(ratios) > 0.01


@pytest.mark.slow
def test_the_displacement_has_the_standard_deviation_and_correlation_of_the_settings() -> None:
    """A plane shows the displacement itself: of its voxels, how many the surface passes."""
    step, depth = 0.25, 40
    mask = np.zeros((depth, 60, 60), dtype=np.bool_)
    mask[: depth // 2] = True
    asked = Perturbation(sd_mm=1.0, correlation_mm=8.0, cut_mm=4.0)
    height = np.array(
        [
            one.whole().sum(axis=0) * step - depth / 2 * step
            for one in perturbed_masks(mask, (2.0, 2.0, step), 80, "plane", asked)
        ]
    )
    assert height.mean() == pytest.approx(0, abs=0.02)
    assert height.std() == pytest.approx(1.0, abs=0.06)
    apart = int(asked.correlation_mm / 2.0)
    for along in (
        height[:, apart:] * height[:, :-apart],
        height[..., apart:] * height[..., :-apart],
    ):
        assert along.mean() / height.var() == pytest.approx(np.exp(-1), abs=0.08)
    cut = [
        one.whole().sum(axis=0) * step - depth / 2 * step
        for one in perturbed_masks(mask, (2.0, 2.0, step), 8, "plane", replace(asked, cut_mm=1.0))
    ]
    assert np.abs(cut).max() == 1.0


def test_a_distance_is_from_the_voxels_surface() -> None:
    mask = np.zeros((3, 5, 5), dtype=np.bool_)
    mask[1, 2, 2:] = True
    found = signed_distance_mm(mask, (3.0, 1.0, 2.0), 4.0)
    assert found[1, 2].tolist() == [3.0, 1.0, -0.5, -0.5, -0.5]
    assert found[0, 2, 3] == 1.5
    assert found[1, 0, 2] == 1.5
    assert found[0, 1, 1] == pytest.approx(np.sqrt(1.5**2 + 0.5**2 + 1.0**2))
    assert signed_distance_mm(mask, (3.0, 1.0, 2.0), 1.0)[1, 2, 0] == np.inf


def test_a_tumour_smaller_than_the_displacement_may_vanish_without_an_error() -> None:
    mask = ball(1.5, MEASURED_GRID)
    found = [one.count for one in perturbed_masks(mask, MEASURED_GRID, 20, "small", USUAL)]
    assert min(found) == 0
    assert max(found) > int(mask.sum())


def test_at_a_face_of_the_ct_the_contour_ends_with_it() -> None:
    mask = ball(9, MEASURED_GRID)[17:]
    assert mask[0].any()
    for one in perturbed_masks(mask, MEASURED_GRID, 4, "face", USUAL):
        assert one.whole().shape == mask.shape
        assert one.whole()[0].any()


@pytest.mark.parametrize("name", ["sd_mm", "correlation_mm", "cut_mm"])
def test_a_perturbation_has_finite_values_above_nothing(name: str) -> None:
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"{name} is"):
            replace(USUAL, **{name: wrong})


@pytest.mark.real_data
@pytest.mark.parametrize("name", STUDIES)
def test_real_contours_are_perturbed_as_the_settings_say(name: str, real_data: Path) -> None:
    files = real_study(real_data / name)
    study = load_study(read_study(files.ct, files.rtstruct), "gtv.*")
    volume, drawn = prepared(study, ExtractionSettings())
    masks = perturbed_masks(drawn.whole(), volume.spacing_mm, 6, name, USUAL)
    ct = harmonize_ct(volume)
    measured = harmonize_boxed_mask(drawn, volume, ct)
    for found in (
        differences(masks, drawn, volume.spacing_mm),
        differences(
            [harmonize_boxed_mask(one, volume, ct) for one in masks], measured, MEASURED_GRID
        ),
    ):
        assert np.mean([one.volume_ratio for one in found]) == pytest.approx(1, abs=0.02)
        assert np.mean([one.surface_mm for one in found]) == pytest.approx(MEAN_ABSOLUTE, rel=0.2)
        assert max(one.surface_95_mm for one in found) <= USUAL.cut_mm + volume.spacing_mm[2] / 2
        assert 0.8 < min(one.dice for one in found) <= max(one.dice for one in found) < 0.98
