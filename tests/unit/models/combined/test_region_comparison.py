"""Regions are compared alone and with the tumour."""

from __future__ import annotations

from models.combined.region_comparison import compare_regions
from tests.support.training_cohorts import Cohort


def test_regions_are_compared_alone_and_with_the_tumour(cohort: Cohort) -> None:
    features = cohort.features.assign(**{f"ring_3mm:{column}": 1.0 + column for column in range(3)})
    features["deep:000"] = cohort.log_hazard
    results = compare_regions(features, cohort.survival, seed=1)
    rings = ("ring_6mm", "ring_3mm")
    assert [result.regions for result in results] == [
        ("gtv",),
        *((ring,) for ring in rings),
        *(("gtv", ring) for ring in rings),
    ]
    assert [result.n_offered for result in results[:3]] == [30, 30, 3]
    gtv, ring, narrow = (result.n_selected for result in results[:3])
    assert narrow == 0
    assert [result.n_offered for result in results[3:]] == [gtv + ring, gtv]
    assert [result.concordance is None for result in results] == [False, False, True, False, False]
    assert all(
        0.65 < result.concordance < 0.85 for result in results if result.concordance is not None
    )
