"""The bootstrap of a cohort: intervals of concordance, AUCs, calibration slope and smooth
calibration from its resamples.

References
----------
.. [1] Efron B, Tibshirani RJ. An Introduction to the Bootstrap. Chapman & Hall 1993, chapter 13
    (percentile interval).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from feature_store.wording import counted
from models.survival.survival_data import Survival
from validation_reports.not_estimable import MINIMUM_EVENTS, NotEstimable
from validation_reports.statistics.resamples import N_RESAMPLES, resample

Array = NDArray[np.float64]
LEAST_USABLE = 0.9
"""Share of the resamples that must give a value before an interval is shown."""
INTERVAL_METHOD = "bootstrap of patients, percentile interval"


@dataclass(frozen=True)
class BootstrapInterval:
    """Percentile interval of a statistic, and how many resamples gave a value."""

    lower: float
    upper: float
    n_resamples: int
    method: str = INTERVAL_METHOD


@dataclass(frozen=True)
class CalibrationBand:
    """Pointwise percentile band of the smooth calibration curve: predicted risk, lower and upper
    observed risk.
    """

    predicted: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    method: str = INTERVAL_METHOD


@dataclass(frozen=True)
class HorizonBootstrap:
    """Bootstrap intervals at one horizon in days."""

    days: int
    auc: BootstrapInterval | NotEstimable
    ici: BootstrapInterval | NotEstimable
    band: CalibrationBand | NotEstimable


@dataclass(frozen=True)
class Bootstrap:
    """Bootstrap intervals of a cohort's statistics."""

    n_resamples: int
    seed: int
    concordance: BootstrapInterval | NotEstimable
    slope: BootstrapInterval | NotEstimable
    horizons: tuple[HorizonBootstrap, ...]
    method: str = INTERVAL_METHOD


def bootstrap(
    survival: Survival,
    linear_predictor: ArrayLike,
    predicted_survival: Mapping[int, ArrayLike],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    confidence: float = 0.95,
) -> Bootstrap | NotEstimable:
    """Return percentile intervals [1]_; a statistic that fewer than 90% of the resamples determine
    has none.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor : array_like, shape (n,)
        The score.
    predicted_survival : mapping of int to array_like, shape (n,)
        Survival probability by horizon in days.
    seed, n_resamples : int
        Seed and number of resamples.
    confidence : float
        Of all intervals.
    """
    if survival.n_events < 2 * MINIMUM_EVENTS:
        return NotEstimable(
            f"There are no bootstrap intervals: resamples of {survival.n_events} "
            f"death{'s' * (survival.n_events != 1)} vary too little to be trusted, at least "
            f"{2 * MINIMUM_EVENTS} are needed."
        )
    found = resample(
        survival, linear_predictor, predicted_survival, n_resamples=n_resamples, seed=seed
    )
    horizons = tuple(
        HorizonBootstrap(
            days,
            _interval(found.auc[:, h], confidence),
            _interval(found.ici[:, h], confidence),
            _band(found.predicted[h], found.curves[:, h], confidence),
        )
        for h, days in enumerate(found.horizons)
    )
    return Bootstrap(
        n_resamples,
        seed,
        _interval(found.concordance, confidence),
        _interval(found.slope, confidence),
        horizons,
    )


def _interval(values: Array, confidence: float) -> BootstrapInterval | NotEstimable:
    usable = values[np.isfinite(values)]
    if usable.size < LEAST_USABLE * values.size:
        return NotEstimable(
            f"No bootstrap interval: only {usable.size} of {counted(values.size, 'resample')} "
            "determine the statistic."
        )
    lower, upper = np.quantile(usable, ((1 - confidence) / 2, (1 + confidence) / 2))
    if not upper > lower:
        return NotEstimable(
            "No bootstrap interval: every resample gives the same value, which says nothing of how "
            "sure it is."
        )
    return BootstrapInterval(float(lower), float(upper), int(usable.size))


def _band(predicted: Array, curves: Array, confidence: float) -> CalibrationBand | NotEstimable:
    usable = curves[np.isfinite(curves).all(axis=1)]
    if usable.shape[0] < LEAST_USABLE * curves.shape[0]:
        return NotEstimable(
            f"No band: only {usable.shape[0]} of {counted(curves.shape[0], 'resample')} determine "
            "the calibration curve."
        )
    lower, upper = np.quantile(usable, ((1 - confidence) / 2, (1 + confidence) / 2), axis=0)
    return CalibrationBand(
        tuple(float(value) for value in predicted),
        tuple(float(value) for value in lower),
        tuple(float(value) for value in upper),
    )
