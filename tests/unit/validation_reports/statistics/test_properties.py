"""What must hold for any cohort: invariances, the truth on simulated patients, a bootstrap that is
the plain one.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.survival.survival_data import Survival
from tests.benchmarks.interval_coverage import coverage
from tests.support.scored_cohorts import made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.bootstrap import RESAMPLES_AT_ONCE, resample
from validation_reports.statistics.calibration import (
    CalibrationSlope,
    HorizonCalibration,
    ObservedExpected,
    calibrate_at,
    calibration_slope,
)
from validation_reports.statistics.discrimination import (
    Concordance,
    UnoConcordance,
    harrell_c,
    uno_c,
)
from validation_reports.statistics.random_effects import Scale, pool_random_effects
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc, time_dependent_auc

PATIENTS = st.lists(
    st.tuples(st.integers(1, 15), st.booleans(), st.integers(-4, 4)), min_size=12, max_size=40
)  # few distinct values, so that ties of time and score are common
MONOTONE = st.sampled_from([np.exp, np.arctan, lambda x: 3 * x - 7, lambda x: x**3])


def _cohort(patients: list[tuple[int, bool, int]]) -> tuple[Survival, np.ndarray]:
    days, event, score = (np.array(column) for column in zip(*patients, strict=True))
    return Survival(days.astype(float), event), score.astype(float)


@given(PATIENTS, MONOTONE, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_order_is_all_that_discrimination_sees(patients, transform, random) -> None:  # type: ignore[no-untyped-def]
    survival, score = _cohort(patients)
    places = list(range(survival.n))
    random.shuffle(places)
    for measure in (harrell_c, uno_c, lambda s, x: time_dependent_auc(s, x, 8)):
        found = measure(survival, score)
        if isinstance(found, NotEstimable):
            continue
        assert isinstance(found, Concordance | UnoConcordance | TimeDependentAuc)
        for again in (
            measure(survival, transform(score)),
            measure(survival.subset(places), score[places]),
        ):
            assert not isinstance(again, NotEstimable)
            assert again.estimate == pytest.approx(found.estimate, abs=1e-12)
            assert again.standard_error == pytest.approx(found.standard_error, abs=1e-12)
        backwards = measure(survival, -score)
        assert not isinstance(backwards, NotEstimable)
        assert backwards.estimate == pytest.approx(1 - found.estimate, abs=1e-12)


@given(PATIENTS, st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_the_fast_bootstrap_is_the_plain_one(
    patients: list[tuple[int, bool, int]], seed: int
) -> None:
    survival, score = _cohort(patients)
    predicted = {8: np.exp(-0.1 * np.exp(score / 3))}
    drawn = np.random.default_rng(seed).integers(0, survival.n, size=(4, survival.n))
    fast = resample(survival, score, predicted, rows=drawn)
    for b, rows in enumerate(drawn):
        plain = harrell_c(survival.subset(rows), score[rows])
        if isinstance(plain, Concordance):
            assert fast.concordance[b] == pytest.approx(plain.estimate, abs=1e-12)
        auc = time_dependent_auc(survival.subset(rows), score[rows], 8)
        if isinstance(auc, TimeDependentAuc):
            assert fast.auc[b, 0] == pytest.approx(auc.estimate, abs=1e-12)
        slope = calibration_slope(survival.subset(rows), score[rows])
        if isinstance(slope, CalibrationSlope):
            assert fast.slope[b] == pytest.approx(slope.estimate, abs=1e-6)


def test_resamples_do_not_depend_on_blocks_or_threads() -> None:
    cohort = made_cohort("A", 50, 4)
    some, more = (
        resample(
            cohort.survival,
            cohort.linear_predictor,
            cohort.predicted_survival,
            n_resamples=n,
            seed=3,
        )
        for n in (RESAMPLES_AT_ONCE, 4 * RESAMPLES_AT_ONCE)
    )
    np.testing.assert_array_equal(more.concordance[:RESAMPLES_AT_ONCE], some.concordance)
    np.testing.assert_array_equal(more.curves[:RESAMPLES_AT_ONCE], some.curves)


def test_a_true_model_is_calibrated() -> None:
    cohort = made_cohort("A", 3000, 5)
    slope = calibration_slope(cohort.survival, cohort.linear_predictor)
    assert isinstance(slope, CalibrationSlope)
    assert slope.estimate == pytest.approx(1, abs=3 * slope.standard_error)
    for days, predicted in cohort.predicted_survival.items():
        found = calibrate_at(cohort.survival, predicted, days)
        assert isinstance(found, HorizonCalibration)
        assert isinstance(found.ratio, ObservedExpected)
        assert np.log(found.ratio.estimate) == pytest.approx(
            0, abs=3 * found.ratio.log_standard_error
        )


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """The short form of `make coverage-validation`: 120 cohorts, so wide limits."""
    for name, share in coverage(120).items():
        assert 0.88 <= share <= 0.995, name


def test_two_centres_are_too_few_to_pool() -> None:
    refused = pool_random_effects([0.7, 0.6], [0.05, 0.04], Scale.LOGIT, "Harrell's C")
    assert isinstance(refused, NotEstimable)
    assert "not pooled over 2 centres" in refused.sentence
