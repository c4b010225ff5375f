"""A feature vector has all its values, or does not exist."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.errors import ExtractionError
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES


def test_values_are_named_and_cannot_be_changed() -> None:
    values = np.arange(1316.0)
    vector = FeatureVector(Region.RING_6MM, values, "digest")
    values[0] = 99
    assert list(vector.as_dict().items())[:1] == [(FEATURE_NAMES[0], 0.0)]
    with pytest.raises(ValueError, match="read-only"):
        vector.values[0] = 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_named(bad: float) -> None:
    values = np.zeros(1316)
    values[20] = bad
    with pytest.raises(ExtractionError, match=FEATURE_NAMES[20]):
        FeatureVector(Region.GTV, values, "digest")


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ExtractionError, match=r"expected \(1316,\)"):
        FeatureVector(Region.GTV, np.zeros(1315), "digest")
