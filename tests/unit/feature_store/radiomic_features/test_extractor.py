"""The extractor gives PyRadiomics' values of the whole image, or says why there are none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from feature_store.errors import ExtractionError
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.harmonize import HarmonizedCt, harmonize_ct, harmonize_mask
from feature_store.imaging.reading import read_study
from feature_store.imaging.region_rules import LEAST_VOXELS
from feature_store.imaging.regions import Region, make_regions
from feature_store.radiomic_features.extractor import extract
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.pyradiomics_engine import extract_with_pyradiomics
from feature_store.radiomic_features.settings import FEATURE_NAMES, ExtractionSettings
from feature_store.study_features import LoadedStudy, load_study
from tests.support.ct_volumes import ct_of
from tests.support.synthetic_studies import write_study

Masks = dict[Region, BoxedMask]
SETTINGS = ExtractionSettings()


def real(folder: Path, pattern: str) -> tuple[HarmonizedCt, Masks]:
    ct, structure_set = (
        sorted((folder / "ct").glob("*.dcm")),
        next((folder / "rtstruct").glob("*.dcm")),
    )
    return harmonized(load_study(read_study(ct, structure_set), pattern))


def harmonized(study: LoadedStudy) -> tuple[HarmonizedCt, Masks]:
    ct = harmonize_ct(study.volume)
    gtv = harmonize_mask(study.gtv_mask, study.volume, ct)
    return ct, dict(make_regions(gtv, ct.spacing_mm).masks)


def textured(
    shape: tuple[int, int, int], radius: float = 5, spacing_mm: float = 1.0
) -> tuple[HarmonizedCt, dict[Region, npt.NDArray[np.bool_]]]:
    """Return a small CT of smooth noise with a ball and its shell in the middle."""
    rng = np.random.default_rng(17)
    values = (
        ndimage.gaussian_filter(rng.normal(size=shape), 1) * 900 + rng.normal(size=shape) * 30 - 200
    )
    distance = np.sqrt(
        sum((axis - n // 2) ** 2 for axis, n in zip(np.indices(shape), shape, strict=True))
    )
    ball = distance <= radius
    masks = {Region.GTV: ball, Region.RING_3MM: (distance <= radius + 3) & ~ball}
    return harmonize_ct(ct_of(values, (spacing_mm,) * 3), spacing_mm), masks


def boxed(masks: Mapping[Region, npt.NDArray[np.bool_]]) -> Masks:
    return {region: BoxedMask.of(mask) for region, mask in masks.items()}


def _single_precision(wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return by how much features may be off because the filtered images are of float32, 0 for
    those that are none of an image's values.
    """
    allowed, of = np.zeros(len(wanted)), dict(zip(FEATURE_NAMES, wanted, strict=True))
    for number, name in enumerate(FEATURE_NAMES):
        image, _, feature = name.partition("_firstorder_")
        if feature in ("10Percentile", "Median", "90Percentile"):
            ends = (of[f"{image}_firstorder_{end}"] for end in ("Minimum", "Maximum"))
            allowed[number] = np.finfo(np.float32).eps * max(map(abs, ends))
    return allowed


def assert_equal(
    ours: Mapping[Region, FeatureVector], expected: Mapping[Region, FeatureVector]
) -> None:
    """Demand a relative 1e-6, or an absolute 1e-5 where the value is below 1; of a percentile,
    which is one of the image's values, what single precision allows beside its largest.
    """
    assert list(ours) == list(expected)
    for region, vector in expected.items():
        found, wanted = ours[region].values, vector.values
        off = np.abs(found - wanted)
        bad = np.flatnonzero(
            (off > 1e-6 * np.abs(wanted))
            & ~((np.abs(wanted) < 1) & (off <= 1e-5))
            & (off > _single_precision(wanted))
        )
        assert not bad.size, [(FEATURE_NAMES[n], found[n], wanted[n]) for n in bad[:5]]
        assert ours[region].settings_digest == vector.settings_digest


@pytest.mark.parametrize(
    ("shape", "radius"),
    [
        pytest.param((40, 41, 43), 5, id="inside", marks=pytest.mark.slow),
        pytest.param((17, 19, 21), 6, id="at odd faces"),
        pytest.param((18, 16, 90), 5, id="long"),
    ],
)
def test_values_are_those_of_pyradiomics_on_the_whole_image(
    shape: tuple[int, int, int], radius: float
) -> None:
    ct, masks = textured(shape, radius)
    assert_equal(
        extract(ct, boxed(masks), SETTINGS), extract_with_pyradiomics(ct, boxed(masks), SETTINGS)
    )


@pytest.mark.parametrize(
    "other",
    [
        ExtractionSettings(spacing_mm=2),
        ExtractionSettings(normalize=False),
        ExtractionSettings(normalize_scale=40),
        ExtractionSettings(normalize_over="body"),
        ExtractionSettings(normalize_over="body", normalize=False),
    ],
    ids=["2 mm", "not normalised", "scale 40", "over the body", "over nothing"],
)
def test_other_settings_too(other: ExtractionSettings) -> None:
    ct, masks = textured((24, 25, 26), 5, other.spacing_mm)
    if other.normalize_over == "body":  # whose moments are not the image's
        ct = replace(ct, mean_hu=ct.mean_hu + 150, sd_hu=0.6 * ct.sd_hu)
    assert_equal(
        extract(ct, boxed(masks), other), extract_with_pyradiomics(ct, boxed(masks), other)
    )


@st.composite
def phantoms(draw: st.DrawFn) -> tuple[CtVolume, npt.NDArray[np.bool_]]:
    """Draw a small CT of any spacing and a GTV of any form in it: at a face, of one slice, in
    pieces, with a hole.
    """
    spacing = draw(st.tuples(st.floats(0.8, 1.4), st.floats(0.8, 1.4), st.floats(1, 3)))
    shape = draw(st.tuples(st.integers(6, 9), st.integers(15, 19), st.integers(15, 19)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rough = ndimage.gaussian_filter(rng.normal(size=shape), draw(st.sampled_from([0.0, 0.7, 1.5])))
    spread = draw(st.sampled_from([30, 400, 3000]))
    outlier = draw(
        st.sampled_from([0, 0, 60])
    )  # metal: a few voxels far away make up to 300 grey levels
    hu = rough / rough.std() * spread
    hu[tuple(n // 2 for n in shape)] += outlier * spread
    z, y, x = np.indices(shape)
    centre = [draw(st.integers(0, n - 1)) for n in shape]
    distance = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
    form = draw(st.sampled_from(["ball", "slice", "hole", "pieces"]))
    mask = {
        "ball": distance <= 4,
        "slice": (distance <= 5) & (z == centre[0]),
        "hole": (distance <= 5) & (distance > 2),
        "pieces": (distance <= 3) | ((z < 2) & (y < 4) & (x < 5)),
    }[form]
    return ct_of(hu, spacing), mask


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(phantoms())
def test_any_tumour_of_any_ct_has_the_values_of_pyradiomics(
    phantom: tuple[CtVolume, npt.NDArray[np.bool_]],
) -> None:
    volume, mask = phantom
    ct = harmonize_ct(volume)
    gtv = harmonize_mask(mask, volume, ct)
    assume(gtv.count >= LEAST_VOXELS)
    masks = make_regions(gtv, ct.spacing_mm, (3,)).masks
    assert_equal(extract(ct, masks, SETTINGS), extract_with_pyradiomics(ct, masks, SETTINGS))


def test_a_region_of_one_slice_has_the_values_of_pyradiomics() -> None:
    ct, masks = textured((30, 30, 30))
    masks[Region.GTV][:15] = masks[Region.GTV][16:] = False
    gtv = boxed({Region.GTV: masks[Region.GTV]})
    assert gtv[Region.GTV].voxels.shape[0] == 1
    assert_equal(extract(ct, gtv, SETTINGS), extract_with_pyradiomics(ct, gtv, SETTINGS))


def test_regions_do_not_influence_each_other() -> None:
    ct, masks = textured((40, 41, 43))
    together = extract(ct, boxed(masks), SETTINGS)
    alone = extract(ct, boxed({Region.GTV: masks[Region.GTV]}), SETTINGS)
    assert_equal(alone, {Region.GTV: together[Region.GTV]})


def test_the_same_input_gives_the_same_bits() -> None:
    ct, masks = textured((40, 41, 43))
    first, second = (extract(ct, boxed(masks), SETTINGS)[Region.GTV].values for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_pyradiomics_is_silent_in_a_fresh_process() -> None:
    program = (
        "import logging; from tests.unit.feature_store.radiomic_features import test_extractor as "
        "t;ct, masks = t.textured((30, 30, 30)); t.extract(ct, t.boxed(masks), t.SETTINGS);assert "
        "logging.getLogger().level == logging.WARNING and not logging.getLogger().handlers"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


Whole = dict[Region, npt.NDArray[np.bool_]]


def _flat(hu: npt.NDArray[np.float32], masks: Whole) -> tuple[npt.NDArray[np.float32], Whole]:
    return np.full_like(hu, -812.3), masks


def _nan(hu: npt.NDArray[np.float32], masks: Whole) -> tuple[npt.NDArray[np.float32], Whole]:
    hu[0, 0, 0] = np.nan
    return hu, masks


def _infinite(hu: npt.NDArray[np.float32], masks: Whole) -> tuple[npt.NDArray[np.float32], Whole]:
    hu[15, 15, 15] = np.inf
    return hu, masks


def _enormous(hu: npt.NDArray[np.float32], masks: Whole) -> tuple[npt.NDArray[np.float32], Whole]:
    hu[hu < np.inf] = 0
    hu[15, 15, 15] = 1e9
    hu[14, 15, 15] = -1e9
    return np.pad(hu, 40), {region: np.pad(mask, 40) for region, mask in masks.items()}


def _thin(hu: npt.NDArray[np.float32], masks: Whole) -> tuple[npt.NDArray[np.float32], Whole]:
    middle = slice(12, 17)
    return hu[middle], {region: mask[middle] for region, mask in masks.items()}


def _line(hu: npt.NDArray[np.float32], _masks: Whole) -> tuple[npt.NDArray[np.float32], Whole]:
    mask = np.zeros(hu.shape, dtype=bool)
    mask[15, 15, 1:29] = True
    return hu, {Region.GTV: mask}


def _one_voxel(hu: npt.NDArray[np.float32], _masks: Whole) -> tuple[npt.NDArray[np.float32], Whole]:
    mask = np.zeros(hu.shape, dtype=bool)
    mask[15, 15, 15] = True
    return hu, {Region.GTV: mask}


def _isolated(hu: npt.NDArray[np.float32], _masks: Whole) -> tuple[npt.NDArray[np.float32], Whole]:
    mask = np.zeros(hu.shape, dtype=bool)
    mask[::6, ::6, ::6] = True
    return hu, {Region.GTV: mask}


def _other_grid(hu: npt.NDArray[np.float32], masks: Whole) -> tuple[npt.NDArray[np.float32], Whole]:
    return hu, {region: mask[1:] for region, mask in masks.items()}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_flat, "flat-image"),
        (_nan, "flat-image"),
        (_infinite, "flat-image"),
        (_enormous, "too-many-grey-levels"),
        (_thin, "image-too-thin"),
        (_line, "flat-region"),
        (_one_voxel, "degenerate-region"),
        (_isolated, "undefined-features"),
        (_other_grid, "degenerate-region"),
    ],
)
def test_what_has_no_features_is_refused(spoil: Any, code: str) -> None:
    ct, masks = textured((30, 30, 30))
    hu, masks = spoil(SimpleITK.GetArrayFromImage(ct.to_image()), masks)
    with pytest.raises(ExtractionError) as caught:
        extract(harmonize_ct(ct_of(hu)), boxed(masks), SETTINGS)
    assert caught.value.code == code


def test_a_ct_of_another_spacing_is_refused() -> None:
    ct, masks = textured((30, 30, 30), spacing_mm=2.0)
    with pytest.raises(ExtractionError, match="spacing of 2 mm: expected 1 mm"):
        extract(ct, boxed(masks), SETTINGS)


def test_the_oracle_speaks_in_the_same_errors() -> None:
    ct, masks = textured((30, 30, 30))
    _, masks = _one_voxel(np.zeros((30, 30, 30), np.float32), masks)
    with pytest.raises(ExtractionError, match="PyRadiomics refuses region gtv"):
        extract_with_pyradiomics(ct, boxed(masks), SETTINGS)


@pytest.mark.slow
def test_a_synthetic_planning_study(tmp_path: Path) -> None:
    *files, structure_set = write_study(tmp_path, "P1")
    ct, masks = harmonized(load_study(read_study(files, structure_set), "gtv-1"))
    assert_equal(extract(ct, masks, SETTINGS), extract_with_pyradiomics(ct, masks, SETTINGS))


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("patient", ["sts/STS_019", "pat1"])
def test_real_patients_have_the_values_of_pyradiomics(real_data: Path, patient: str) -> None:
    ct, masks = real(real_data / patient, "gtv.*")
    assert_equal(extract(ct, masks, SETTINGS), extract_with_pyradiomics(ct, masks, SETTINGS))
