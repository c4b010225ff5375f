"""A feature lies where its definition allows, and a value beyond is named with its region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from feature_store.expectations.suites import check_regions
from feature_store.imaging.reading import read_study
from feature_store.imaging.region_rules import RegionFacts
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.possible_values import impossible_features, possible_values
from feature_store.radiomic_features.settings import FEATURE_NAMES, ExtractionSettings
from feature_store.study_features import compute_features, load_study, region_facts
from tests.support.synthetic_studies import write_study


def test_every_class_has_ends_and_a_mean_has_none() -> None:
    assert possible_values("original_glcm_Correlation") == (-1.0, 1.0)
    assert possible_values("wavelet-LLH_firstorder_Entropy") == (0.0, np.inf)
    assert possible_values("log-sigma-1-0-mm-3D_glszm_ZonePercentage") == (0.0, 1.0)
    assert possible_values("original_firstorder_Mean") == (-np.inf, np.inf)
    known = [name for name in FEATURE_NAMES if possible_values(name)[0] > -np.inf]
    assert {name.rsplit("_", 2)[1] for name in known} == {
        *("shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
    }


@pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")
def test_a_measured_study_has_none_and_an_impossible_value_quarantines(tmp_path: Path) -> None:
    *ct, rtstruct = write_study(tmp_path, "P")
    measured = compute_features(
        load_study(read_study(ct, rtstruct), "GTV-1"), ExtractionSettings(), (3.0, 6.0, 9.0)
    )
    assert region_facts(measured).impossible_features == ()

    values = measured.vectors[Region.GTV].values.copy()
    values[FEATURE_NAMES.index("original_glcm_Correlation")] = 1.0 + 1e-9  # rounding
    assert impossible_features(FeatureVector(Region.GTV, values, "d")) == ()
    values[FEATURE_NAMES.index("original_glcm_Correlation")] = 1.5
    values[FEATURE_NAMES.index("original_firstorder_Variance")] = -2.0
    found = impossible_features(FeatureVector(Region.GTV, values, "d"))
    assert found == ("gtv:original_firstorder_Variance", "gtv:original_glcm_Correlation")
    (finding,) = check_regions(RegionFacts(gtv_voxels=1000, impossible_features=found))
    assert (finding.code, finding.severity.value) == ("impossible-features", "critical")
    assert "such as that of gtv:original_firstorder_Variance" in finding.sentence
