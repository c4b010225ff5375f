"""What diagnostics say of features, what a person may state, and what neither may leave out."""

from __future__ import annotations

import pytest

from feature_store.feature_tables.diagnostics import origin_settings, settings_said
from feature_store.feature_tables.imported_features import FeatureTableError
from tests.support.feature_tables import DIAGNOSTICS, IMAGES, NAMES, SETTINGS


def said(settings: str = SETTINGS, version: str = "v3.0.1") -> dict[str, str]:
    cells = (version, settings, IMAGES, "(2.0, 2.0, 2.0)")
    return settings_said(
        {name.lower(): cell for name, cell in zip(DIAGNOSTICS, cells, strict=True)}
    )


def test_images_that_are_not_resampled_are_measured_as_they_are() -> None:
    found = said(SETTINGS.replace("[1, 1, 1]", "None"))
    settings = origin_settings(found, {}, NAMES)
    assert settings.values["spacing_mm"] == "2 2 2"
    assert settings.values["interpolator"] == "not used"


def test_settings_that_change_values_are_kept_and_texts_are_not() -> None:
    other = SETTINGS[:-1].replace("'force2D': False", "'force2D': True")
    found = said(other + ", 'weird': '/data/DOE', 'binCount': 32}")
    assert found["other"] == '{"binCount": 32, "force2D": true, "weird": "set"}'
    assert found["bin_width"] == "not used"


def test_what_is_not_said_must_be_stated_and_may_be_unknown() -> None:
    with pytest.raises(FeatureTableError, match=r"version, bin_width, .* wavelet are missing"):
        origin_settings({}, {}, NAMES)
    stated = dict.fromkeys(("version", "normalize", "spacing_mm", "interpolator"), "unknown")
    found = origin_settings({}, {**stated, "bin_width": "25.0", "normalize": "no"}, NAMES[:2])
    assert found.values["bin_width"] == "25"
    assert found.values["normalize_scale"] == "not used"
    assert found.values["wavelet"] == "not used"
    assert found.unknown == ("version", "spacing_mm", "interpolator")


def test_a_statement_that_contradicts_or_cannot_be_read_is_refused() -> None:
    with pytest.raises(FeatureTableError, match=r"stated that bin_width is 10, but .* say 25"):
        origin_settings(said(), {"bin_width": "10"}, NAMES)
    with pytest.raises(FeatureTableError, match="What is stated of bin_width cannot be read"):
        origin_settings(said(), {"bin_width": "wide"}, NAMES)
    with pytest.raises(FeatureTableError, match="diagnostics columns say of version") as error:
        origin_settings(said(version="/data/DOE"), {}, NAMES)
    assert "DOE" not in str(error.value)


@pytest.mark.parametrize(
    "cell", ["[1]", "__import__('os').getcwd()", "(" * 9000, "{" + "1:1," * 9000]
)
def test_a_cell_that_pyradiomics_does_not_write_is_refused(cell: str) -> None:
    with pytest.raises(FeatureTableError, match="does not hold what PyRadiomics writes there"):
        said(cell)
