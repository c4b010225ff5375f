"""Sums over the patients at risk, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import TrainingError
from models.survival.risk_sets import RiskSets, Ties
from models.survival.survival_data import Survival

SURVIVAL = Survival(np.array([5.0, 3.0, 3.0, 8.0, 3.0]), np.array([True, True, False, False, True]))
VALUES = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])


@pytest.mark.parametrize(
    ("ties", "expected"),
    [
        # Day 3: all five at risk, patients 1 and 4 die; the second of them sees half of both less.
        # Day 5: 0 and 3.
        (Ties.EFRON, [11111.0, 11111.0 - 10010.0 / 2, 1001.0]),
        (Ties.BRESLOW, [11111.0, 11111.0, 1001.0]),
    ],
)
def test_sums(ties: Ties, expected: list[float]) -> None:
    sets = RiskSets.of(SURVIVAL, ties)
    np.testing.assert_allclose(sets.sums(VALUES[sets.order]), expected)
    two_columns = np.column_stack([VALUES, 2 * VALUES])[sets.order]
    np.testing.assert_allclose(
        sets.sums(two_columns), np.column_stack([expected, 2 * np.array(expected)])
    )


def test_a_cohort_without_deaths_has_none() -> None:
    with pytest.raises(TrainingError, match="None of the 2 patients died"):
        RiskSets.of(Survival(np.array([1.0, 2.0]), np.array([False, False])), Ties.EFRON)
