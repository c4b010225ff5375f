"""The AUCs of each resample, compiled; nothing is sorted again.

A resample is how often each patient was drawn. Patients are in the order of their time (deaths
before censorings on the same day); `rank` is the place of a patient's score among the distinct
scores.

One entry, `block`, stands with all that it calls in this file, because numba's cache of compiled
code sees a change only in the file of the function that is called.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from feature_store.compiled import compiled

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Counts = NDArray[np.int32]


@compiled
def horizon_aucs(
    counts: Counts,
    day_starts: Integers,
    days: Array,
    event: NDArray[np.bool_],
    score_order: Integers,
    rank: Integers,
    horizons: Array,
    weight: Array,
    result: Array,
) -> None:
    """Write the AUC at each horizon of one resample into `result`; NaN without cases or controls.

    Parameters
    ----------
    counts : ndarray of int32, shape (n,)
        How often each patient was drawn.
    day_starts : ndarray of int, shape (k + 1,)
        First patient of each distinct day, and n.
    event : ndarray of bool, shape (n,)
        Who died.
    rank : ndarray of int, shape (n,)
        Rank of the score, from 1.
    days : ndarray, shape (n,)
        Times, ascending.
    score_order : ndarray of int, shape (n,)
        Patients by score.
    horizons : ndarray, shape (h,)
        Days.
    weight : ndarray, shape (n,)
        Room for 1 / G(T-).
    result : ndarray, shape (h,)
        Where the AUCs go.
    """
    n = days.size
    at_risk = 0
    for i in range(n):
        at_risk += counts[i]
    remaining = 1.0
    for day in range(day_starts.size - 1):
        start, stop = day_starts[day], day_starts[day + 1]
        died = 0
        censored = 0
        for i in range(start, stop):
            weight[i] = counts[i] / remaining
            if event[i]:
                died += counts[i]
            else:
                censored += counts[i]
        if censored > 0 and at_risk > died + censored:
            remaining *= 1.0 - censored / (at_risk - died)
        at_risk -= died + censored
    for h in range(horizons.size):
        horizon = horizons[h]
        controls_below = 0
        area = 0.0
        cases = 0.0
        position = 0
        while position < n:
            stop = position
            level = rank[score_order[position]]
            cases_here = 0.0
            controls_here = 0
            while stop < n and rank[score_order[stop]] == level:
                i = score_order[stop]
                if days[i] > horizon:
                    controls_here += counts[i]
                elif event[i]:
                    cases_here += weight[i]
                stop += 1
            area += cases_here * (controls_below + 0.5 * controls_here)
            cases += cases_here
            controls_below += controls_here
            position = stop
        result[h] = (
            area / (cases * controls_below) if cases > 0 and controls_below > 0 else math.nan
        )


@compiled
def block(
    counts: Counts,
    day_starts: Integers,
    days: Array,
    event: NDArray[np.bool_],
    rank: Integers,
    score_order: Integers,
    horizons: Array,
    aucs: Array,
) -> None:
    """Write the AUCs of a block of resamples.

    Parameters
    ----------
    counts : ndarray of int32, shape (B, n)
        How often each patient was drawn in each resample.
    day_starts, days, event, rank, score_order, horizons : ndarray
        As of `horizon_aucs`.
    aucs : ndarray, shape (B, h)
        Where they go.
    """
    weight = np.empty(days.size)
    for b in range(counts.shape[0]):
        horizon_aucs(
            counts[b], day_starts, days, event, score_order, rank, horizons, weight, aucs[b]
        )
