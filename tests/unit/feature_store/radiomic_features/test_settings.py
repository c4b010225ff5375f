"""Settings have a digest that a model can insist on, and name the 1316 features as PyRadiomics
does.
"""

from __future__ import annotations

import json

import pytest
from radiomics import getFeatureClasses

from feature_store.radiomic_features.settings import (
    FEATURE_NAMES,
    FEATURES_BY_CLASS,
    IMAGE_NAMES,
    ExtractionSettings,
)


def test_there_are_1316_distinct_names() -> None:
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 1316
    assert FEATURE_NAMES[0] == "original_shape_Elongation"
    assert {name.split("_")[0] for name in FEATURE_NAMES} == set(IMAGE_NAMES)
    assert {group: len(names) for group, names in FEATURES_BY_CLASS.items()} == {
        "shape": 14,
        "firstorder": 18,
        "glcm": 24,
        "gldm": 14,
        "glrlm": 16,
        "glszm": 16,
        "ngtdm": 5,
    }


@pytest.mark.parametrize("group", FEATURES_BY_CLASS)
def test_names_are_those_of_pyradiomics(group: str) -> None:
    names = getFeatureClasses()[group].getFeatureNames()
    assert (
        tuple(name for name, deprecated in names.items() if not deprecated)
        == FEATURES_BY_CLASS[group]
    )


def test_settings_survive_json_and_the_digest_follows_the_values() -> None:
    settings = ExtractionSettings()
    assert ExtractionSettings.from_json(settings.to_json()) == settings
    assert (
        ExtractionSettings(bin_width=25).digest == settings.digest
    )  # an integer is the same setting
    assert ExtractionSettings(normalize_scale=1).digest != settings.digest
    assert (
        settings.digest == "c6df6a9b44190a92f3d982bb5804ca5df0528bbd04556f8652b809c28646d3f3"
    )  # a change makes features that no frozen model may score


@pytest.mark.parametrize(
    "values",
    [
        {"bin_width": 0.0},
        {"normalize_scale": float("nan")},
        {"wavelet": "haar"},
        {"engine": "x"},
        {"log_sigmas_mm": ()},
    ],
)
def test_settings_that_make_other_features_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        ExtractionSettings(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"binwidth": 25.0}, {"bin_width": None}])
def test_misspelt_or_missing_keys_are_refused(change: dict[str, object]) -> None:
    values = json.loads(ExtractionSettings().to_json()) | change
    values = {key: value for key, value in values.items() if value is not None}
    with pytest.raises(ValueError, match="expected"):
        ExtractionSettings.from_json(json.dumps(values))


@pytest.mark.parametrize("change", [{"bin_width": None}, {"log_sigmas_mm": 1.0}])
def test_values_of_the_wrong_type_are_refused(change: dict[str, object]) -> None:
    values = json.loads(ExtractionSettings().to_json()) | change
    with pytest.raises(ValueError, match="wrong type"):
        ExtractionSettings.from_json(json.dumps(values))
