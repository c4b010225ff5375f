"""How often the mean over centres and the interval for a new centre hold the truth.

Within-centre standard errors are drawn between 0.12 and 0.45, as logits of C have them in centres
of 25 to 250 patients; in two settings one centre is of a few patients, with an error of 1.5. The
interval for a new centre is asked for the share of new centres inside, exactly, and its width is
set beside that with the true variance between centres known.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from tests.benchmarks.processes import Over
from validation_reports.statistics.new_center import pool_over_centers
from validation_reports.statistics.random_effects import PooledEffect, Scale

CENTERS, BETWEEN, ERRORS = (3, 4, 5, 6, 7, 8), (0.0, 0.1, 0.3), (0.12, 0.45)
TINY = 1.5
SETS = (*((k, False) for k in CENTERS), (4, True), (6, True))
"""How many centres, and whether one of them has a few patients alone."""
COHORTS = 2000
TRUTH = 0.8
LEAST = 0.93


def coverage_over_centers(cohorts: int = COHORTS, over: Over = map) -> dict[str, dict[str, float]]:
    """Return coverage of both intervals and mean widths, by number of centres and true tau.

    Parameters
    ----------
    cohorts : int
        Sets of centres to simulate in each.
    over : callable
        What runs the settings, one after the other by default.
    """
    jobs = [(k, tau, tiny, cohorts) for k, tiny in SETS for tau in BETWEEN]
    found = over(_set, *zip(*jobs, strict=True))
    return {
        f"k {k}{', one of them tiny' if tiny else ''}, tau {tau:g}": row
        for (k, tau, tiny, _), row in zip(jobs, found, strict=True)
    }


def _set(k: int, tau: float, tiny: bool, cohorts: int) -> dict[str, float]:
    rows = [_one(k, tau, seed, tiny=tiny) for seed in range(cohorts)]
    mean, new, width, known = np.mean(rows, axis=0)
    return {
        "mean": round(float(mean), 4),
        "new centre": round(float(new), 4),
        "width": round(float(width), 2),
        "width with tau known": round(float(known), 2),
    }


def holds(found: dict[str, dict[str, float]]) -> bool:
    """Whether both intervals hold the truth in at least 93%."""
    return all(row[name] >= LEAST for row in found.values() for name in ("mean", "new centre"))


def _one(k: int, tau: float, seed: int, *, tiny: bool = False) -> tuple[float, float, float, float]:
    random = np.random.default_rng([seed, k, int(100 * tau)])
    errors = random.uniform(*ERRORS, k)
    if tiny:
        errors[-1] = TINY
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
