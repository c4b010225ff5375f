"""The AUC counts pairs where nobody is censored, and independent censoring does not move it."""

from __future__ import annotations

import numpy as np
import pytest

from models.survival.survival_data import Survival
from validation_reports.statistics.time_dependent_auc import (
    TimeDependentAuc,
    delong_variance,
    placements,
    time_dependent_auc,
)


def test_the_auc_counts_pairs_when_nobody_is_censored() -> None:
    random = np.random.default_rng(3)
    days, score = (
        random.permutation(np.arange(1.0, 61.0)),
        random.integers(0, 6, size=60).astype(float),
    )
    found = time_dependent_auc(Survival(days, np.ones(60, bool)), score, 30)
    assert isinstance(found, TimeDependentAuc)
    dead, alive = score[days <= 30], score[days > 30]
    wins = (dead[:, None] > alive).mean() + 0.5 * (dead[:, None] == alive).mean()
    assert found.estimate == pytest.approx(wins)
    assert (found.cases, found.controls) == (30, 30)


def test_the_auc_is_not_moved_by_independent_censoring() -> None:
    random = np.random.default_rng(4)
    score = random.normal(size=4000)
    death, censoring = random.exponential(np.exp(-score)), random.exponential(1.5, size=4000)
    complete = time_dependent_auc(Survival(death * 1000 + 1, np.ones(4000, bool)), score, 700)
    censored = time_dependent_auc(
        Survival(np.minimum(death, censoring) * 1000 + 1, death <= censoring), score, 700
    )
    assert isinstance(complete, TimeDependentAuc)
    assert isinstance(censored, TimeDependentAuc)
    assert censored.estimate == pytest.approx(complete.estimate, abs=3 * censored.standard_error)
    assert censored.standard_error > complete.standard_error


def test_placements_are_shares_of_pairs_and_give_delongs_variance() -> None:
    random = np.random.default_rng(6)
    cases, controls = (
        random.integers(2, 9, 40).astype(float),
        random.integers(0, 7, 70).astype(float),
    )
    wins = (cases[:, None] > controls) + 0.5 * (cases[:, None] == controls)
    found = placements(cases, controls)
    np.testing.assert_allclose(found.of_cases, wins.mean(axis=1), atol=1e-15)
    np.testing.assert_allclose(found.of_controls, wins.mean(axis=0), atol=1e-15)
    assert found.estimate == pytest.approx(wins.mean(), abs=1e-15)
    assert delong_variance(found.of_cases, found.of_controls) == pytest.approx(
        wins.mean(axis=1).var(ddof=1) / 40 + wins.mean(axis=0).var(ddof=1) / 70, abs=1e-15
    )
