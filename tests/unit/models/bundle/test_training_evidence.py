"""What training says of itself: concordance, regions compared, optimism taken off, and a card that
shows it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import freeze, load
from models.bundle.model_card import model_card
from models.bundle.records import from_record, to_record
from models.bundle.training_evidence import TrainingEvidence
from models.combined.combined_model import CombinedModel
from models.combined.optimism import validate_internally
from models.combined.region_comparison import compare_regions
from models.errors import TrainingError
from models.network.checkpoint import Epoch
from models.survival.concordance import TrainingConcordance, training_concordance
from models.survival.survival_data import Survival
from tests.support.training_cohorts import Cohort, make_cohort


def test_concordance_by_hand() -> None:
    survival = Survival(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, True]))
    # The first is comparable with all others, the second with the two last: one tie of scores, one
    # the wrong way.
    assert training_concordance(survival, [4.0, 2.0, 2.0, 3.0]).estimate == pytest.approx(
        (3 + 0.5 + 0) / 5
    )
    with pytest.raises(TrainingError, match="No two patients can be compared"):
        training_concordance(Survival(np.array([2.0, 2.0]), np.array([True, True])), [1.0, 2.0])
    assert TrainingConcordance(0.99, 0.1).interval[1] == 1.0


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
    assert [result.n_offered for result in results] == [30, 30, 3, 60, 33]
    assert [result.concordance is None for result in results] == [False, False, True, False, False]
    assert all(
        0.65 < result.concordance < 0.85 for result in results if result.concordance is not None
    )


@pytest.mark.slow
def test_optimism_is_taken_off(cohort: Cohort, model: CombinedModel) -> None:
    found = validate_internally(model, cohort.features, cohort.survival, resamples=8, seed=3)
    assert (found.resamples, found.failed) == (8, 0)
    others = make_cohort(n=1500, seed=77)
    truth = training_concordance(others.survival, model.linear_predictor(others.features)).estimate
    assert found.concordance > found.corrected_concordance > found.out_of_bag
    assert abs(found.corrected_concordance - truth) < abs(found.concordance - truth)
    assert found.out_of_bag == pytest.approx(truth, abs=0.03)
    assert found.calibration_slope < 1
    assert set(found.stability) == set(model.features)
    assert 0 <= min(found.stability.values()) < 0.5 < max(found.stability.values()) <= 1


def test_the_order_of_patients_does_not_matter(cohort: Cohort, model: CombinedModel) -> None:
    order = np.random.default_rng(0).permutation(cohort.survival.n)
    features, survival = cohort.features.iloc[order], cohort.survival.subset(order)
    again = validate_internally(model, features, survival, resamples=1, seed=3)
    assert again == validate_internally(
        model, cohort.features, cohort.survival, resamples=1, seed=3
    )


def test_samples_without_a_model_are_not_passed_over(cohort: Cohort, model: CombinedModel) -> None:
    shape, index, columns = cohort.features.shape, cohort.features.index, cohort.features.columns
    with pytest.raises(TrainingError, match="Only 0 of 3 bootstrap samples"):
        validate_internally(
            model, pd.DataFrame(np.ones(shape), index, columns), cohort.survival, resamples=3
        )


@pytest.mark.slow
def test_the_card_shows_all_of_it(
    tmp_path: Path, cohort: Cohort, model: CombinedModel, facts: BundleFacts
) -> None:
    internal = validate_internally(model, cohort.features, cohort.survival, resamples=2, seed=3)
    internal = replace(
        internal, redundant=(("gtv:001", "gtv:005", 0.987),), events_per_candidate=0.07
    )
    comparison = compare_regions(cohort.features, cohort.survival, seed=1)
    evidence = TrainingEvidence((Epoch(1, 2.5, 3.5, True),), comparison, internal)
    assert from_record(TrainingEvidence, json.loads(json.dumps(to_record(evidence)))) == evidence
    bundle = load(tmp_path / "bundle", freeze(tmp_path / "bundle", model, None, facts, evidence))
    assert bundle.evidence == evidence
    card = "\n".join(model_card(bundle))
    for expected in (
        "Intended use",
        "data as of 2026-01-02",
        f"{internal.corrected_concordance:.3f} corrected for optimism",
        f"{internal.out_of_bag:.3f} in patients left out",
        "region          gtv + ring_6mm: C 0.",
        "of resamples",
        "0.07 deaths per candidate feature",
        "gtv:001 and gtv:005 correlate at +0.99",
        "radiomics 3",
        "Limits",
    ):
        assert expected in card
