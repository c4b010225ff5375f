"""The extractor gives PyRadiomics' values of the whole image, or says why there are none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK
from scipy import ndimage

from feature_store.errors import ExtractionError
from feature_store.harmonize import resample_ct, resample_mask
from feature_store.radiomic_features.extractor import extract
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.pyradiomics_engine import extract_with_pyradiomics
from feature_store.radiomic_features.settings import FEATURE_NAMES, ExtractionSettings
from feature_store.regions import Region, make_regions
from feature_store.study_features import LoadedStudy, load_study
from tests.integration.synthetic_studies import write_study

Masks = dict[Region, npt.NDArray[np.bool_]]
SETTINGS = ExtractionSettings()


def real(folder: Path, pattern: str) -> tuple[Any, Masks]:
    ct, structure_set = sorted((folder / "ct").glob("*.dcm")), next((folder / "rtstruct").glob("*.dcm"))
    return harmonized(load_study(ct, structure_set, pattern))


def harmonized(study: LoadedStudy) -> tuple[Any, Masks]:
    image = resample_ct(study.volume)
    mask = resample_mask(study.gtv_mask, study.volume, image)
    return image, dict(make_regions(mask, image.GetSpacing()).masks)


def textured(shape: tuple[int, int, int], radius: float = 5, spacing_mm: float = 1.0) -> tuple[Any, Masks]:
    """Return a small CT of smooth noise with a ball and its shell in the middle."""
    rng = np.random.default_rng(17)
    values = ndimage.gaussian_filter(rng.normal(size=shape), 1) * 900 + rng.normal(size=shape) * 30 - 200
    image: Any = SimpleITK.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing((spacing_mm,) * 3)
    distance = np.sqrt(sum((axis - n // 2) ** 2 for axis, n in zip(np.indices(shape), shape, strict=True)))
    ball = distance <= radius
    return image, {Region.GTV: ball, Region.RING_3MM: (distance <= radius + 3) & ~ball}


def assert_equal(ours: Mapping[Region, FeatureVector], expected: Mapping[Region, FeatureVector]) -> None:
    """Demand a relative 1e-6, or an absolute 1e-5 where the value is below 1."""
    assert list(ours) == list(expected)
    for region, vector in expected.items():
        found, wanted = ours[region].values, vector.values
        off = np.abs(found - wanted)
        bad = np.flatnonzero((off > 1e-6 * np.abs(wanted)) & ~((np.abs(wanted) < 1) & (off <= 1e-5)))
        assert not bad.size, [(FEATURE_NAMES[n], found[n], wanted[n]) for n in bad[:5]]
        assert ours[region].settings_digest == vector.settings_digest


@pytest.mark.parametrize(
    ("shape", "radius"),
    [((40, 41, 43), 5), ((17, 19, 21), 6), ((18, 16, 90), 5)],
    ids=["inside", "at odd faces", "long"],
)
def test_values_are_those_of_pyradiomics_on_the_whole_image(shape: tuple[int, int, int], radius: float) -> None:
    image, masks = textured(shape, radius)
    assert_equal(extract(image, masks, SETTINGS), extract_with_pyradiomics(image, masks, SETTINGS))


@pytest.mark.parametrize(
    "settings",
    [ExtractionSettings(spacing_mm=2), ExtractionSettings(normalize=False), ExtractionSettings(normalize_scale=40)],
    ids=["2 mm", "not normalised", "scale 40"],
)
def test_other_settings_too(settings: ExtractionSettings) -> None:
    image, masks = textured((24, 25, 26), 5, settings.spacing_mm)
    assert_equal(extract(image, masks, settings), extract_with_pyradiomics(image, masks, settings))


def test_regions_do_not_influence_each_other() -> None:
    image, masks = textured((40, 41, 43))
    together = extract(image, masks, SETTINGS)
    alone = extract(image, {Region.GTV: masks[Region.GTV]}, SETTINGS)
    assert_equal(alone, {Region.GTV: together[Region.GTV]})


def test_the_same_input_gives_the_same_bits() -> None:
    image, masks = textured((40, 41, 43))
    first, second = (extract(image, masks, SETTINGS)[Region.GTV].values for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_pyradiomics_is_silent_in_a_fresh_process() -> None:
    program = (
        "import logging; from tests.unit.feature_store.radiomic_features import test_extractor as t;"
        "image, masks = t.textured((30, 30, 30)); t.extract(image, masks, t.SETTINGS);"
        "assert logging.getLogger().level == logging.WARNING and not logging.getLogger().handlers"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _flat(image: Any, masks: Masks) -> tuple[Any, Masks]:
    return image * 0, masks


def _nan(image: Any, masks: Masks) -> tuple[Any, Masks]:
    values = SimpleITK.GetArrayFromImage(image)
    values[0, 0, 0] = np.nan
    return SimpleITK.GetImageFromArray(values), masks


def _thin(image: Any, masks: Masks) -> tuple[Any, Masks]:
    middle = slice(12, 17)
    return image[:, :, middle], {region: mask[middle] for region, mask in masks.items()}


def _one_slice(image: Any, masks: Masks) -> tuple[Any, Masks]:
    mask = np.zeros_like(masks[Region.GTV])
    mask[15, 5:20, 5:20] = True
    return image, {Region.GTV: mask}


def _one_voxel(image: Any, masks: Masks) -> tuple[Any, Masks]:
    mask = np.zeros_like(masks[Region.GTV])
    mask[15, 15, 15] = True
    return image, {Region.GTV: mask}


def _isolated(image: Any, masks: Masks) -> tuple[Any, Masks]:
    mask = np.zeros_like(masks[Region.GTV])
    mask[::6, ::6, ::6] = True
    return image, {Region.GTV: mask}


def _other_grid(image: Any, masks: Masks) -> tuple[Any, Masks]:
    return image, {region: mask[1:] for region, mask in masks.items()}


def _other_spacing(image: Any, masks: Masks) -> tuple[Any, Masks]:
    image.SetSpacing((1.0, 1.0, 3.0))
    return image, masks


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_flat, "flat-image"),
        (_nan, "flat-image"),
        (_thin, "image-too-thin"),
        (_one_slice, "flat-region"),
        (_one_voxel, "degenerate-region"),
        (_isolated, "undefined-features"),
        (_other_grid, "degenerate-region"),
        (_other_spacing, "spacing"),
    ],
)
def test_what_has_no_features_is_refused(spoil: Any, code: str) -> None:
    image, masks = spoil(*textured((30, 30, 30)))
    with pytest.raises(ExtractionError) as caught:
        extract(image, masks, SETTINGS)
    assert caught.value.code == code


def test_the_oracle_speaks_in_the_same_errors() -> None:
    image, masks = _one_voxel(*textured((30, 30, 30)))
    with pytest.raises(ExtractionError, match="PyRadiomics refuses region gtv"):
        extract_with_pyradiomics(image, masks, SETTINGS)


@pytest.mark.slow
def test_a_synthetic_planning_study(tmp_path: Path) -> None:
    *ct, structure_set = write_study(tmp_path, "P1")
    image, masks = harmonized(load_study(ct, structure_set, "gtv-1"))
    assert_equal(extract(image, masks, SETTINGS), extract_with_pyradiomics(image, masks, SETTINGS))


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("patient", ["sts/STS_019", "pat1"])
def test_real_patients_have_the_values_of_pyradiomics(real_data: Path, patient: str) -> None:
    image, masks = real(real_data / patient, "gtv.*")
    assert_equal(extract(image, masks, SETTINGS), extract_with_pyradiomics(image, masks, SETTINGS))
