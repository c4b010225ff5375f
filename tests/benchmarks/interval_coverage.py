"""How often each interval of a report holds the truth, over simulated cohorts whose truth is known.

``python -m tests.benchmarks.interval_coverage`` takes 500 cohorts of 250 patients; each share
should be 92 to 98%. The truth of C, AUC and Brier score is that of 40 000 patients made in the same
way. Then come C and AUC by size and the intervals over centres, 2000 cohorts each
(`coverage_by_size`, `coverage_over_centers`).
"""

from __future__ import annotations

import json
import sys

import numpy as np

from models.survival.survival_data import Survival
from tests.benchmarks import coverage_by_size, coverage_over_centers
from tests.benchmarks.processes import Over, processes
from validation_reports.statistics.brier_score import brier_score
from validation_reports.statistics.calibration import calibrate
from validation_reports.statistics.discrimination import harrell_c, uno_c
from validation_reports.statistics.resamples import resample
from validation_reports.statistics.risk_groups import compare_risk_groups
from validation_reports.statistics.time_dependent_auc import time_dependent_auc

COHORTS, PATIENTS, MANY = 500, 250, 40_000
DAYS, UNTIL = 730, 1095
LOWEST, HIGHEST = 0.92, 0.98


def _made(n: int, seed: int) -> tuple[Survival, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Return patients with exponential survival whose log hazard is their score."""
    random = np.random.default_rng(seed)
    score = random.normal(scale=0.8, size=n)
    death = random.exponential(800 * np.exp(-score))
    last_contact = random.uniform(500, 3500, size=n)
    return Survival(np.minimum(death, last_contact) + 0.01, death <= last_contact), score


def _found(
    survival: Survival, score: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> dict[str, object]:
    predicted = np.exp(-np.exp(score) * DAYS / 800)
    calibration = calibrate(survival, score, {DAYS: predicted})
    return {
        "Harrell's C": harrell_c(survival, score),
        "Uno's C": uno_c(survival, score, UNTIL),
        "AUC": time_dependent_auc(survival, score, DAYS),
        "Brier score": brier_score(survival, 1 - predicted, DAYS),
        "calibration slope": calibration.slope,
        "O/E": getattr(calibration.horizons[0][1], "ratio", None),
    }


def coverage(cohorts: int, over: Over = map) -> dict[str, float]:
    """Return the share of simulated cohorts whose interval holds the truth, by statistic.

    Parameters
    ----------
    cohorts : int
        How many to simulate.
    over : callable
        What runs them, one after the other by default.
    """
    many, score = _made(MANY, 10**6)
    alike = {"calibration slope": 1.0, "O/E": 1.0, "hazard ratio": 2.0}
    predicted = np.exp(-np.exp(score) * DAYS / 800)
    # one resample in which everybody is drawn once gives C and AUC of many patients without a
    # matrix of pairs
    whole = resample(many, score, {DAYS: predicted}, rows=np.arange(MANY)[None, :])
    truth = {
        **alike,
        "Harrell's C": float(whole.concordance[0]),
        "AUC": float(whole.auc[0, 0]),
        "Brier score": float(np.mean((1 - predicted) * predicted)),
        "Uno's C": _uno_truth(),
        "bootstrap of C": float(whole.concordance[0]),
    }
    held = dict.fromkeys(truth, 0)
    for limits in over(_limits, range(cohorts)):
        for name, (lower, upper) in limits.items():
            held[name] += bool(lower <= truth[name] <= upper)
    return {name: count / cohorts for name, count in held.items()}


def _limits(seed: int) -> dict[str, tuple[float, float]]:
    """Return the intervals of one cohort."""
    survival, score = _made(PATIENTS, seed)
    found = _found(survival, score)
    found["hazard ratio"] = _two_groups(seed)
    again = resample(survival, score, {}, n_resamples=200, seed=seed).concordance
    limits = {name: (vars(value)["lower"], vars(value)["upper"]) for name, value in found.items()}
    return {**limits, "bootstrap of C": tuple(np.quantile(again, (0.025, 0.975)))}


def _two_groups(seed: int) -> object:
    """Return the hazard ratio of two groups whose true one is 2."""
    random = np.random.default_rng([seed, 1])
    high = random.random(PATIENTS) < 0.5
    death = random.exponential(np.where(high, 400.0, 800.0))
    last_contact = random.uniform(500, 3500, size=PATIENTS)
    survival = Survival(np.minimum(death, last_contact) + 0.01, death <= last_contact)
    return compare_risk_groups(survival, high).hazard_ratio


def _uno_truth() -> float:
    """Return the concordance up to `UNTIL` of many patients none of whom is censored before it."""
    random = np.random.default_rng(10**6 + 1)
    score = random.normal(scale=0.8, size=MANY)
    death = random.exponential(800 * np.exp(-score))
    survival = Survival(np.minimum(death, UNTIL + 1.0) + 0.01, death <= UNTIL)
    return float(resample(survival, score, {}, rows=np.arange(MANY)[None, :]).concordance[0])


def main() -> int:
    """Simulate, print one JSON line last; return 1 where a share is not as promised."""
    with processes() as over:
        found = coverage(COHORTS, over)
        by_size = coverage_by_size.coverage_by_size(over=over)
        over_centers = coverage_over_centers.coverage_over_centers(over=over)
    print(
        json.dumps(
            {
                "cohorts": COHORTS,
                "coverage": {name: round(share, 3) for name, share in found.items()},
                "cohorts_by_size": coverage_by_size.COHORTS,
                "by_size_held_and_refused": by_size,
                "over_centers": over_centers,
            }
        )
    )
    held = all(LOWEST <= share <= HIGHEST for share in found.values())
    held &= coverage_by_size.holds(by_size) and coverage_over_centers.holds(over_centers)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
