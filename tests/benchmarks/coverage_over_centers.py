"""How often the mean over centres and the interval for a new centre hold the truth.

Within-centre standard errors are drawn between 0.12 and 0.45, as logits of C have them in centres
of 25 to 250 patients. The interval for a new centre is asked for the share of new centres inside,
exactly, and its width is set beside that with the true variance between centres known.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from validation_reports.statistics.new_center import pool_over_centers
from validation_reports.statistics.random_effects import PooledEffect, Scale

CENTERS, BETWEEN, ERRORS = (3, 4, 5, 6, 8), (0.0, 0.1, 0.3), (0.12, 0.45)
COHORTS = 2000
TRUTH = 0.8
LEAST = 0.93


def coverage_over_centers(cohorts: int = COHORTS) -> dict[str, dict[str, float]]:
    """Return coverage of both intervals and mean widths, by number of centres and true tau.

    Parameters
    ----------
    cohorts : int
        Sets of centres to simulate in each.
    """
    found = {}
    for k in CENTERS:
        for tau in BETWEEN:
            rows = [_one(k, tau, seed) for seed in range(cohorts)]
            mean, new, width, known = np.mean(rows, axis=0)
            found[f"k {k}, tau {tau:g}"] = {
                "mean": round(float(mean), 4),
                "new centre": round(float(new), 4),
                "width": round(float(width), 2),
                "width with tau known": round(float(known), 2),
            }
    return found


def holds(found: dict[str, dict[str, float]]) -> bool:
    """Whether both intervals hold the truth in at least 93%."""
    return all(row[name] >= LEAST for row in found.values() for name in ("mean", "new centre"))


def _one(k: int, tau: float, seed: int) -> tuple[float, float, float, float]:
    random = np.random.default_rng([seed, k, int(100 * tau)])
    errors = random.uniform(*ERRORS, k)
    centers = TRUTH + tau * random.normal(size=k)
    estimates = centers + errors * random.normal(size=k)
    pooled = pool_over_centers(list(estimates), list(errors), Scale.IDENTITY, "logit of C")
    if not isinstance(pooled, PooledEffect):
        raise TypeError(f"{k} centres were not pooled: {pooled.sentence}")
    low, high = pooled.prediction_lower, pooled.prediction_upper
    inside = (
        float(np.diff(stats.norm.cdf([low, high], TRUTH, tau))[0])
        if tau
        else float(low <= TRUTH <= high)
    )
    known = 2 * 1.96 * np.sqrt(tau**2 + 1 / (1 / (errors**2 + tau**2)).sum())
    return float(pooled.lower <= TRUTH <= pooled.upper), inside, high - low, float(known)
