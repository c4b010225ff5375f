"""Near 0 and 1, and from few patients, an interval still has a width, and R's stays elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.survival.concordance import compare_pairs
from models.survival.survival_data import Survival
from tests.unit.validation_reports.conftest import scored_patients
from validation_reports.statistics.discrimination import (
    CONCORDANCE_METHOD,
    Concordance,
    harrell_c,
    uno_c,
)
from validation_reports.statistics.edge_intervals import (
    auc_variance,
    normal_holds,
    pairs_by_chance,
    score_limits,
    survival_of_all,
    survival_of_none,
)
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc, time_dependent_auc


@pytest.mark.parametrize("n", [6, 12, 60])
@pytest.mark.parametrize("sign", [1, -1])
def test_perfect_order_is_not_perfectly_sure(n: int, sign: int) -> None:
    survival = Survival(np.arange(1.0, n + 1), np.ones(n, bool))
    found = harrell_c(survival, -sign * np.arange(n))
    assert isinstance(found, Concordance)
    assert found.estimate == (1.0 if sign > 0 else 0.0)
    assert 0.01 < found.upper - found.lower < 0.6
    assert "score test" in found.method
    uno = uno_c(survival, -sign * np.arange(n))
    assert vars(uno)["upper"] - vars(uno)["lower"] > 0.01


def test_an_auc_of_1_has_a_width() -> None:
    survival = Survival(np.arange(1.0, 25), np.ones(24, bool))
    found = time_dependent_auc(survival, -np.arange(24), 12)
    assert isinstance(found, TimeDependentAuc)
    assert (found.estimate, found.standard_error, found.upper) == (1.0, 0.0, 1.0)
    assert 0.6 < found.lower < 0.95
    # Newcombe's method 5: the value whose own standard error reaches the estimate
    error = np.sqrt(auc_variance(12, 12)(found.lower))
    assert 1 - found.lower == pytest.approx(stats.t.ppf(0.975, 22) * error)


def test_in_the_interior_the_interval_is_that_of_r() -> None:
    survival, score = scored_patients(250)
    found = harrell_c(survival, score)
    assert isinstance(found, Concordance)
    assert found.method == CONCORDANCE_METHOD
    reach = 1.959963984540054 * found.standard_error
    assert (found.lower, found.upper) == (found.estimate - reach, found.estimate + reach)
    assert not normal_holds(0.99, 0.01)
    assert not normal_holds(1.0, 0.0)


@pytest.mark.parametrize("weighted", [True, False])
def test_the_variance_by_chance_is_that_over_all_orders_of_the_score(weighted: bool) -> None:
    random = np.random.default_rng(3)
    survival = Survival(random.integers(1, 15, 25).astype(float), random.random(25) < 0.7)
    weight = random.random(25) + 0.5 if weighted else None
    pairs, variance = pairs_by_chance(survival, weight)
    drawn = [compare_pairs(survival, random.random(25), weight) for _ in range(4000)]
    assert pairs == pytest.approx(drawn[0].total)
    assert variance == pytest.approx(np.var([one.credit.sum() / 2 for one in drawn]), rel=0.08)


def test_limits_lie_around_the_estimate_however_small_its_error() -> None:
    for estimate in (0.0, 0.02, 0.5, 0.98, 1.0):
        lower, upper = score_limits(estimate, 0.0, auc_variance(10, 10), 18, 0.95)
        assert 0 <= lower <= estimate <= upper <= 1
        assert upper - lower > 0.1


def test_a_curve_at_its_ends_has_the_limits_of_clopper_and_pearson() -> None:
    exact = stats.binomtest(0, 30).proportion_ci(method="exact")
    assert survival_of_all(30, 0.95) == pytest.approx(1 - exact.high)
    at_risk = np.arange(30, 0, -1)
    assert survival_of_none(at_risk, np.ones(30, int), 0.95) == pytest.approx(exact.high)
    assert survival_of_all(0, 0.95) == 0.0
