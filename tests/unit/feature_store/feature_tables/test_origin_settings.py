"""Whether features were made as others were: certainly not, or nobody says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feature_store.feature_tables.diagnostics import origin_settings, settings_said
from feature_store.feature_tables.origin_settings import (
    OriginSettings,
    differences,
    made_here,
    open_questions,
)
from feature_store.radiomic_features.settings import ExtractionSettings
from tests.support.feature_tables import DIAGNOSTICS, IMAGES, NAMES, SETTINGS

CELLS = dict(
    zip(map(str.lower, DIAGNOSTICS), ("v3.0.1", SETTINGS, IMAGES, "(1, 1, 3)"), strict=True)
)
THERE = origin_settings(settings_said(CELLS), {}, NAMES)


def test_what_pyradiomics_writes_with_the_papers_settings_is_as_it_is_made_here() -> None:
    here = made_here(ExtractionSettings())
    assert differences(THERE, here) == ()
    assert open_questions(THERE, here) == ()
    assert differences(THERE, made_here(ExtractionSettings(bin_width=10))) == (
        "bin_width is 25, expected 10",
    )
    over_body = differences(THERE, made_here(ExtractionSettings(normalize_over="body")))
    assert over_body == ('other is {}, expected {"normalize_over": "body"}',)


def test_what_nobody_says_is_an_open_question_and_no_difference() -> None:
    unknown = OriginSettings({**THERE.values, "bin_width": "unknown"})
    assert differences(unknown, THERE) == ()
    assert open_questions(unknown, THERE) == open_questions(THERE, unknown) == ("bin_width",)
    assert unknown.in_words == "PyRadiomics 3.0.1"


def test_settings_are_read_as_they_were_written_and_no_others() -> None:
    assert OriginSettings.from_json(THERE.to_json()) == THERE
    assert replace(THERE).digest == THERE.digest
    with pytest.raises(ValueError, match="not the settings of features that were made elsewhere"):
        OriginSettings.from_json(ExtractionSettings().to_json())
    with pytest.raises(ValueError, match="Settings of features have"):
        OriginSettings({"version": "3.0.1"})
