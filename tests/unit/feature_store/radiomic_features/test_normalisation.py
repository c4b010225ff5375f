"""Values are normalised as PyRadiomics has ITK do it, to the last bit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import SimpleITK
from radiomics.imageoperations import normalizeImage

from feature_store.radiomic_features.normalisation import UNCHANGED, Normalisation
from feature_store.radiomic_features.settings import ExtractionSettings

HU = np.random.default_rng(8).normal(-300, 450, (9, 10, 11)).astype(np.float32)


def test_values_have_the_bits_of_pyradiomics() -> None:
    image: Any = SimpleITK.GetImageFromArray(HU)
    make_filter: Any = SimpleITK.StatisticsImageFilter
    statistics = make_filter()
    statistics.Execute(image)
    ct: Any = SimpleNamespace(mean_hu=statistics.GetMean(), sd_hu=statistics.GetSigma())
    found = Normalisation.of(ct, ExtractionSettings(normalize_scale=40)).of_values(HU)
    theirs = SimpleITK.GetArrayFromImage(normalizeImage(image, normalizeScale=40))
    np.testing.assert_array_equal(found, theirs)
    assert found.flags.c_contiguous


def test_without_normalisation_nothing_changes() -> None:
    ct: Any = SimpleNamespace(mean_hu=-300.0, sd_hu=450.0)
    assert Normalisation.of(ct, ExtractionSettings(normalize=False)) == UNCHANGED
    np.testing.assert_array_equal(UNCHANGED.of_values(HU[:, ::2]), HU[:, ::2])
