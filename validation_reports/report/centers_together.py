"""The main figures within centres, over all of them and without each in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from validation_reports.cohort.scored_cohort import ScoredCohort, pool
from validation_reports.statistics.censoring import alive_on
from validation_reports.statistics.random_effects import MINIMUM_CENTERS
from validation_reports.statistics.within_centers import WithinCenters, within_centers

WITHIN = "within centres"


def figures_within(
    cohorts: Sequence[ScoredCohort], horizons: Sequence[int], confidence: float
) -> tuple[WithinCenters, tuple[WithinCenters, ...]]:
    """Estimate the main figures within centres.

    Parameters
    ----------
    cohorts : sequence of ScoredCohort
        One per centre, at least two.
    horizons : sequence of int
        Days.
    confidence : float
        Of all intervals.

    Returns
    -------
    WithinCenters
        Over all centres.
    tuple of WithinCenters
        Without each centre in turn; empty below three, where what is left is one centre's own.
    """
    whole = _of(cohorts, horizons, confidence, WITHIN)
    if len(cohorts) < MINIMUM_CENTERS:
        return whole, ()
    return whole, tuple(
        _of(
            [cohort for cohort in cohorts if cohort is not left_out],
            horizons,
            confidence,
            f"without {left_out.center}",
        )
        for left_out in cohorts
    )


def _of(
    cohorts: Sequence[ScoredCohort], horizons: Sequence[int], confidence: float, label: str
) -> WithinCenters:
    together = pool(cohorts, label)
    return within_centers(
        alive_on(together.survival, horizons),
        together.linear_predictor,
        together.high_risk,
        {days: together.predicted_survival[days] for days in horizons},
        np.repeat([cohort.center for cohort in cohorts], [cohort.n for cohort in cohorts]),
        together.baseline,
        confidence,
        label,
    )
