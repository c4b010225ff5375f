"""The resamples of a cohort: concordance, AUCs, calibration slope and smooth calibration of 1000 at
once.

A resample is how often each patient was drawn. Sorting is done once for the cohort; each resample
then costs one walk through a Fenwick tree, one through the scores and a few Newton steps from the
cohort's own estimate. Where the predicted risks at the horizons are those of one
proportional-hazards model, log(-log S) differs between horizons by a constant, and one spline fit
serves them all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.survival import pair_counts
from models.survival.survival_data import Survival
from validation_reports.statistics import bootstrap_calibration, bootstrap_discrimination
from validation_reports.statistics.one_covariate_cox import single_cox
from validation_reports.statistics.smooth_calibration import (
    CURVE_POINTS,
    smooth_calibration_coefficients,
)

Array = NDArray[np.float64]
N_RESAMPLES = 1000
RESAMPLES_AT_ONCE = 25
_BYTES_A_PLACE, _MOST_BYTES = 32, 500_000_000
"""What a patient of a resample takes while it is drawn and counted, and what all threads may take.
"""
_SAME_SHAPE = 1e-9
"""Horizons whose log(-log S) differ by the same number for all patients to within this share one
spline fit.
"""


@dataclass(frozen=True, eq=False)
class Resamples:
    """The statistics of B resamples; NaN where a resample does not determine one.

    Parameters
    ----------
    horizons : tuple of int
        Days, ascending.
    concordance, slope : ndarray, shape (B,)
        Harrell's C and the calibration slope.
    auc, ici : ndarray, shape (B, h)
        AUC and ICI at each horizon.
    predicted : ndarray, shape (h, g)
        Predicted risks at which the curves are.
    curves : ndarray, shape (B, h, g)
        Smoothed observed risk at each of them.
    """

    horizons: tuple[int, ...]
    concordance: Array
    slope: Array
    auc: Array
    ici: Array
    predicted: Array
    curves: Array


def resample(
    survival: Survival,
    linear_predictor: ArrayLike,
    predicted_survival: Mapping[int, ArrayLike],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    rows: NDArray[np.integer] | None = None,
) -> Resamples:
    """Compute the statistics of every resample.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients, at least one of whom died.
    linear_predictor : array_like, shape (n,)
        The score.
    predicted_survival : mapping of int to array_like, shape (n,)
        Survival probability by horizon in days.
    n_resamples, seed : int
        How many, and from which seed: each block of resamples has a generator of its own, seeded by
        this and the block's number.
    rows : ndarray of int, shape (B, n), optional
        Positions of the patients drawn, instead of drawing them.

    Returns
    -------
    Resamples
        In the order of the resamples, whatever the number of threads.
    """
    cohort = _Cohort.of(
        survival, np.asarray(linear_predictor, dtype=np.float64), predicted_survival
    )
    if rows is not None:
        blocks: list[Callable[[], NDArray[np.integer]]] = [
            lambda start=start: rows[start : start + RESAMPLES_AT_ONCE]  # type: ignore[misc]
            for start in range(0, len(rows), RESAMPLES_AT_ONCE)
        ]
        n_resamples = len(rows)
    else:
        blocks = [
            lambda block=block, start=start: _block(  # type: ignore[misc]
                survival.n, min(RESAMPLES_AT_ONCE, n_resamples - start), seed, block
            )
            for block, start in enumerate(range(0, n_resamples, RESAMPLES_AT_ONCE))
        ]
    at_once = max(1, _MOST_BYTES // (_BYTES_A_PLACE * RESAMPLES_AT_ONCE * survival.n))
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, at_once)) as threads:
        parts = list(threads.map(lambda take: cohort.statistics(take()), blocks))
    c, slope, auc, ici, curves = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Resamples(cohort.horizons, c, slope, auc, ici, cohort.splines.predicted, curves)


def _block(n: int, size: int, seed: int, block: int) -> NDArray[np.intp]:
    return np.random.default_rng([seed, block]).integers(0, n, size=(size, n), dtype=np.intp)


@dataclass(frozen=True, eq=False)
class _Cohort:
    """A cohort sorted once, with everything that its resamples share."""

    place: NDArray[np.int64]
    days: Array
    event: NDArray[np.bool_]
    day_starts: NDArray[np.int64]
    score: Array
    rank: NDArray[np.int64]
    score_order: NDArray[np.int64]
    horizons: tuple[int, ...]
    slope_start: float
    risk: Array
    splines: _Splines

    @classmethod
    def of(
        cls, survival: Survival, score: Array, predicted_survival: Mapping[int, ArrayLike]
    ) -> _Cohort:
        order = np.lexsort((~survival.event, survival.days))
        days = survival.days[order]
        starts = np.r_[np.flatnonzero(np.r_[True, days[1:] != days[:-1]]), days.size]
        _, rank = np.unique(score[order], return_inverse=True)
        horizons = tuple(sorted(predicted_survival))
        alive = np.array(
            [np.asarray(predicted_survival[h], dtype=np.float64)[order] for h in horizons]
        )
        alive = alive.reshape(len(horizons), days.size)
        fit = single_cox(score, survival) if np.ptp(score) > 0 and survival.n_events else None
        return cls(
            np.argsort(order).astype(np.int64),
            days,
            survival.event[order],
            starts.astype(np.int64),
            score[order] - score.mean(),
            rank.astype(np.int64) + 1,
            np.argsort(rank, kind="stable").astype(np.int64),
            horizons,
            fit.estimate if fit else 0.0 if np.ptp(score) > 0 else np.nan,
            1.0 - alive,
            _splines(survival.subset(order), alive),
        )

    def statistics(self, rows: NDArray[np.integer]) -> tuple[Array, Array, Array, Array, Array]:
        size, h = len(rows), len(self.horizons)
        concordance, slope, auc = np.empty(size), np.empty(size), np.empty((size, h))
        ici, curves = np.full((size, h), np.nan), np.full((size, h, CURVE_POINTS), np.nan)
        counts, splines = self._counts(rows), self.splines
        horizons = np.array(self.horizons, dtype=np.float64)
        pair_counts.concordances(counts, self.day_starts, self.event, self.rank, concordance)
        bootstrap_discrimination.block(
            counts,
            self.day_starts,
            self.days,
            self.event,
            self.rank,
            self.score_order,
            horizons,
            auc,
        )
        bootstrap_calibration.block(
            counts,
            self.day_starts,
            self.days,
            self.event,
            self.score,
            self.slope_start,
            horizons,
            self.risk,
            splines.x,
            splines.order,
            splines.start_at,
            splines.first,
            splines.stop,
            splines.grid,
            slope,
            ici,
            curves,
        )
        return concordance, slope, auc, ici, curves

    def _counts(self, rows: NDArray[np.integer]) -> NDArray[np.int32]:
        """Count how often each patient, in the order of time, is in each resample, shape (B, n)."""
        n = self.days.size
        cells = self.place[rows] + n * np.arange(len(rows))[:, None]
        counts = np.bincount(cells.ravel(), minlength=n * len(rows)).reshape(len(rows), n)
        return counts.astype(np.int32)


@dataclass(frozen=True, eq=False)
class _Splines:
    """One spline fit for each run of horizons whose log(-log S) differ by a constant.

    Parameters
    ----------
    x, order, start_at : ndarray, shape (s, n), (s, n), (s, 2)
        log(-log S) at the first of the horizons, the patients by it, and the coefficients in the
        cohort itself.
    first, stop : ndarray of int, shape (s,)
        The horizons of each fit.
    grid, predicted : ndarray, shape (h, g)
        Points of the curves on the scale of `x`, and as predicted risks.
    """

    x: Array
    order: NDArray[np.int64]
    start_at: Array
    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    grid: Array
    predicted: Array


def _splines(survival: Survival, alive: Array) -> _Splines:
    """Prepare the fits; a horizon with a survival of exactly 0 or 1, or with one for all, has
    none.
    """
    with np.errstate(divide="ignore"):
        columns = np.log(-np.log(alive))
    runs: list[list[int]] = []
    for h, column in enumerate(columns):
        if not np.isfinite(column).all() or np.ptp(column) == 0 or not survival.n_events:
            continue
        if runs and runs[-1][-1] == h - 1 and np.ptp(column - columns[runs[-1][0]]) < _SAME_SHAPE:
            runs[-1].append(h)
        else:
            runs.append([h])
    grid = np.full((len(alive), CURVE_POINTS), np.nan)
    predicted = grid.copy()
    for run in runs:
        for h in run:
            at = np.linspace(columns[h].min(), columns[h].max(), CURVE_POINTS)
            predicted[h] = -np.expm1(-np.exp(at))
            grid[h] = at - float(np.median(columns[h] - columns[run[0]]))
    x = columns[[run[0] for run in runs]].reshape(len(runs), survival.n)
    starts = [smooth_calibration_coefficients(survival, column) for column in x]
    return _Splines(
        x,
        np.argsort(x, axis=1, kind="stable").astype(np.int64),
        np.array(starts, dtype=np.float64).reshape(len(runs), 2),
        np.array([run[0] for run in runs], dtype=np.int64),
        np.array([run[-1] + 1 for run in runs], dtype=np.int64),
        grid,
        predicted,
    )
