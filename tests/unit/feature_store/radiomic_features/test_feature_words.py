"""Every feature that a model may read has a name and a meaning that people understand."""

from __future__ import annotations

import pytest

from feature_store.radiomic_features.feature_words import in_words
from feature_store.radiomic_features.settings import FEATURE_NAMES


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("gtv:original_shape_VoxelVolume", "GTV: voxel volume, shape"),
        ("gtv:original_shape_Maximum2DDiameterSlice", "GTV: maximum 2D diameter slice, shape"),
        ("ring_6mm:original_firstorder_90Percentile", "6 mm ring: 90th percentile, density"),
        (
            "ring_6mm:wavelet-LHL_glcm_Idmn",
            "6 mm ring: inverse difference moment, normalized, neighbours (GLCM), wavelet LHL",
        ),
        (
            "gtv:log-sigma-5-0-mm-3D_ngtdm_Busyness",
            "GTV: busyness, neighbourhood (NGTDM), edges of 5 mm (LoG)",
        ),
        (
            "gtv:original_glszm_SizeZoneNonUniformityNormalized",
            "GTV: size zone non uniformity normalized, zones (GLSZM)",
        ),
        ("deep:007", "Deep feature 7"),
        ("gtv:000", "gtv:000"),
    ],
)
def test_a_column_in_words(column: str, name: str) -> None:
    assert in_words(column).name == name


def test_every_feature_has_a_name_of_its_own_and_a_meaning() -> None:
    words = [in_words(f"gtv:{name}") for name in FEATURE_NAMES]
    assert len({one.name for one in words}) == len(FEATURE_NAMES)
    assert not [one.name for one in words if "as PyRadiomics" in one.meaning]
    assert all(one.meaning for one in words)
