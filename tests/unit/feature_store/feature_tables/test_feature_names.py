"""Features are found by their names, whatever is around them, or it is said what is not clear."""

from __future__ import annotations

import pytest

from feature_store.feature_tables.feature_names import feature_columns
from feature_store.feature_tables.imported_features import FeatureTableError
from feature_store.radiomic_features.settings import FEATURE_NAMES


def test_every_feature_is_found_by_its_name_in_any_case_and_behind_one_prefix() -> None:
    assert tuple(feature_columns(FEATURE_NAMES).places.values()) == FEATURE_NAMES
    shouted = feature_columns([f"CT_{name}".upper() for name in FEATURE_NAMES])
    assert tuple(shouted.places.values()) == FEATURE_NAMES
    assert shouted.remarks == ("Names of features are read without 'ct_'.",)


def test_features_that_are_not_ours_are_counted_and_other_columns_left_alone() -> None:
    header = ["Image", "diagnostics_Mask-original_VoxelNum", "age", "square_glcm_Contrast"]
    found = feature_columns([*header, "original_glcm_Contrast"])
    assert dict(found.places) == {4: "original_glcm_Contrast"}
    assert found.remarks == ("1 feature that this software does not compute is left out.",)


def test_names_without_class_are_those_of_the_only_class_that_has_all_of_them() -> None:
    found = feature_columns(["HLH RunEntropy", "HLH RunVariance", "StandardDeviation"])
    assert list(found.places.values()) == [
        "wavelet-HLH_glrlm_RunEntropy",
        "wavelet-HLH_glrlm_RunVariance",
    ]
    with pytest.raises(FeatureTableError, match="They fit gldm and glrlm and glszm"):
        feature_columns(["GrayLevelVariance", "GrayLevelNonUniformity"])
    with pytest.raises(FeatureTableError, match="no class alone"):
        feature_columns(["RunEntropy", "Sphericity"])


def test_what_stands_twice_or_in_two_regions_is_refused() -> None:
    with pytest.raises(FeatureTableError, match="stands in the columns 1 and 2 of 2"):
        feature_columns(["original_glcm_Id", "ORIGINAL_glcm_Id"])
    with pytest.raises(FeatureTableError, match="'gtv_' and 'ring_', as if several regions"):
        feature_columns(["gtv_original_glcm_Id", "ring_original_glcm_Id"])
    with pytest.raises(FeatureTableError, match="no column that is a radiomic feature"):
        feature_columns(["Mean"])
