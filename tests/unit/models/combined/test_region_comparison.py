"""Regions are compared alone and with the tumour."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.combined.region_comparison import (
    RegionResult,
    best_ring,
    compare_regions,
    with_best_ring,
)
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


def test_the_best_ring_is_the_one_that_says_most_with_the_tumour(cohort: Cohort) -> None:
    random = np.random.default_rng(3)
    n = cohort.survival.n
    noise = {f"gtv:{one}": random.normal(size=n) for one in range(5)}
    weak = {"gtv:hint": cohort.log_hazard + 2.5 * random.normal(size=n)}
    narrow = {f"ring_3mm:{one}": cohort.log_hazard + random.normal(size=n) for one in range(4)}
    wide = {f"ring_6mm:{one}": random.normal(size=n) for one in range(4)}
    features = pd.DataFrame({**weak, **noise, **wide, **narrow}, index=cohort.features.index)
    blocks = ("gtv", "ring_6mm", "deep")
    assert with_best_ring(features, cohort.survival, blocks, seed=1) == ("gtv", "ring_3mm", "deep")
    assert best_ring([RegionResult(("gtv", "ring_9mm"), 3, 0, None, None)]) is None
    alone = features[[name for name in features if str(name).startswith("gtv:")]]
    assert with_best_ring(alone, cohort.survival, blocks, seed=1) == blocks
