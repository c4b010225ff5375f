"""The predictions in each resample, compiled: calibration slope and smooth calibration, each a few
of Newton's steps from the cohort's own estimate.

A resample is how often each patient was drawn. Patients are in the order of their time (deaths
before censorings on the same day).

One entry, `block`, stands with all that it calls in this file, because numba's cache of compiled
code sees a change only in the file of the function that is called.

References
----------
.. [1] Efron B. JASA 1977;72:557-565 (ties; a patient drawn twice is a tie).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from feature_store.compiled import compiled

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Counts = NDArray[np.int32]

_ITERATIONS = 25
_DECREMENT = 1e-14
"""Newton's decrement below which the step just taken was the last: what is left is its square."""


@compiled
def slope(
    counts: Counts, day_starts: Integers, event: NDArray[np.bool_], x: Array, start_at: float
) -> float:
    """Return the Cox coefficient of one covariate in one resample, Efron ties [1]_; NaN where
    Newton does not settle.

    Parameters
    ----------
    counts : ndarray of int32, shape (n,)
        How often each patient was drawn.
    day_starts : ndarray of int, shape (k + 1,)
        First patient of each distinct day, and n.
    event : ndarray of bool, shape (n,)
        Who died.
    x : ndarray, shape (n,)
        The covariate, centred.
    start_at : float
        Where to start.
    """
    beta = start_at
    for _ in range(_ITERATIONS):
        s0 = s1 = s2 = gradient = information = 0.0
        for day in range(day_starts.size - 2, -1, -1):
            dying = 0
            d0 = d1 = d2 = sum_x = 0.0
            for i in range(day_starts[day], day_starts[day + 1]):
                count = counts[i]
                if count > 0:
                    value = x[i]
                    hazard = count * math.exp(beta * value)
                    s0 += hazard
                    s1 += hazard * value
                    s2 += hazard * value * value
                    if event[i]:
                        dying += count
                        sum_x += count * value
                        d0 += hazard
                        d1 += hazard * value
                        d2 += hazard * value * value
            gradient += sum_x
            for k in range(dying):
                share = k / dying
                at_risk = s0 - share * d0
                if not 0 < at_risk < math.inf:  # a score so far off that its hazard is no number
                    return math.nan
                r0 = 1.0 / at_risk
                mean = (s1 - share * d1) * r0
                gradient -= mean
                information += (s2 - share * d2) * r0 - mean * mean
        if not information > 0:
            return math.nan
        step = gradient / information
        beta += step
        if not abs(beta) < 50.0:
            return math.nan
        if step * gradient < _DECREMENT:
            return beta
    return math.nan


@compiled
def spline_fit(
    counts: Counts,
    day_starts: Integers,
    event: NDArray[np.bool_],
    x: Array,
    bend: Array,
    start_at: Array,
    result: Array,
) -> bool:
    """Write the Cox coefficients of `x` and `bend` of one resample into `result` (2,); say whether
    Newton settled.

    Parameters
    ----------
    counts, day_starts, event : ndarray
        As of `slope`.
    x, bend : ndarray, shape (n,)
        The two columns of the spline, centred.
    start_at, result : ndarray, shape (2,)
        Where to start, and where the coefficients go.
    """
    a, b = start_at[0], start_at[1]
    for _ in range(_ITERATIONS):
        s0 = s1 = s2 = s11 = s12 = s22 = 0.0
        g1 = g2 = i11 = i12 = i22 = 0.0
        for day in range(day_starts.size - 2, -1, -1):
            dying = 0
            d0 = d1 = d2 = d11 = d12 = d22 = 0.0
            for i in range(day_starts[day], day_starts[day + 1]):
                count = counts[i]
                if count > 0:
                    u, v = x[i], bend[i]
                    hazard = count * math.exp(a * u + b * v)
                    hu, hv = hazard * u, hazard * v
                    s0 += hazard
                    s1 += hu
                    s2 += hv
                    s11 += hu * u
                    s12 += hu * v
                    s22 += hv * v
                    if event[i]:
                        dying += count
                        g1 += count * u
                        g2 += count * v
                        d0 += hazard
                        d1 += hu
                        d2 += hv
                        d11 += hu * u
                        d12 += hu * v
                        d22 += hv * v
            for k in range(dying):
                share = k / dying
                at_risk = s0 - share * d0
                if not 0 < at_risk < math.inf:
                    return False
                r0 = 1.0 / at_risk
                m1, m2 = (s1 - share * d1) * r0, (s2 - share * d2) * r0
                g1 -= m1
                g2 -= m2
                i11 += (s11 - share * d11) * r0 - m1 * m1
                i12 += (s12 - share * d12) * r0 - m1 * m2
                i22 += (s22 - share * d22) * r0 - m2 * m2
        determinant = i11 * i22 - i12 * i12
        if not determinant > 1e-14 * i11 * i22:
            return False
        step1 = (i22 * g1 - i12 * g2) / determinant
        step2 = (i11 * g2 - i12 * g1) / determinant
        a += step1
        b += step2
        if not (abs(a) < 200.0 and abs(b) < 200.0):
            return False
        if step1 * g1 + step2 * g2 < _DECREMENT:
            result[0], result[1] = a, b
            return True
    return False


@compiled
def cumulative_hazards(
    counts: Counts,
    day_starts: Integers,
    days: Array,
    event: NDArray[np.bool_],
    hazard: Array,
    horizons: Array,
    result: Array,
) -> None:
    """Write Efron's cumulative baseline hazard at each horizon (ascending) of one resample into
    `result`.

    Parameters
    ----------
    counts, day_starts, event : ndarray
        As of `slope`.
    days : ndarray, shape (n,)
        Times, ascending.
    hazard : ndarray, shape (n,)
        Relative hazard of each patient.
    horizons, result : ndarray, shape (h,)
        Days, ascending, and where the hazards go.
    """
    result[:] = 0.0
    s0 = 0.0
    for day in range(day_starts.size - 2, -1, -1):
        dying = 0
        d0 = 0.0
        for i in range(day_starts[day], day_starts[day + 1]):
            if counts[i] > 0:
                part = counts[i] * hazard[i]
                s0 += part
                if event[i]:
                    dying += counts[i]
                    d0 += part
        increment = 0.0
        for k in range(dying):
            at_risk = s0 - k / dying * d0
            increment += 1.0 / at_risk if at_risk > 0 else math.inf
        for h in range(horizons.size):
            if days[day_starts[day]] <= horizons[h]:
                result[h] += increment


@compiled
def count_quantiles(
    counts: Counts, order: Integers, values: Array, probabilities: Array, result: Array
) -> None:
    """Write the quantiles (R's type 7) of `values`, each counted as often as it was drawn, into
    `result`.

    Parameters
    ----------
    counts : ndarray of int32, shape (n,)
        How often each patient was drawn.
    order : ndarray of int, shape (n,)
        Patients by value.
    values : ndarray, shape (n,)
        The values.
    probabilities, result : ndarray, shape (q,)
        Ascending probabilities, and where the quantiles go.
    """
    total = 0
    for i in range(counts.size):
        total += counts[i]
    at = 0
    passed = counts[order[0]]
    for q in range(probabilities.size):
        place = probabilities[q] * (total - 1)
        lower = math.floor(place)
        while passed <= lower:
            at += 1
            passed += counts[order[at]]
        low = values[order[at]]
        following, seen = at, passed
        while seen <= lower + 1 and following + 1 < order.size:
            following += 1
            seen += counts[order[following]]
        high = values[order[following]]
        result[q] = low + (place - lower) * (high - low)


@compiled
def bend_at(x: float, first: float, middle: float, last: float) -> float:
    """Return the second column of the restricted cubic spline with three knots (Harrell) at `x`."""
    a, b, c = max(x - first, 0.0), max(x - middle, 0.0), max(x - last, 0.0)
    value = a * a * a - (b * b * b * (last - first) - c * c * c * (middle - first)) / (
        last - middle
    )
    return value / ((last - first) * (last - first))


@compiled
def smooth_curves(
    counts: Counts,
    day_starts: Integers,
    days: Array,
    event: NDArray[np.bool_],
    x_order: Integers,
    x: Array,
    start_at: Array,
    horizons: Array,
    risk: Array,
    grid: Array,
    ici: Array,
    curves: Array,
) -> None:
    """Write the smooth calibration of one resample at horizons that share one spline fit; NaN where
    it has none.

    Parameters
    ----------
    counts, day_starts, days, event : ndarray
        As of `cumulative_hazards`.
    x_order : ndarray of int, shape (n,)
        Patients by `x`.
    x : ndarray, shape (n,)
        log(-log(predicted survival)) at one of the horizons; at the others it differs by a
        constant.
    start_at : ndarray, shape (2,)
        Where Newton's method starts.
    horizons : ndarray, shape (h,)
        Days, ascending.
    risk : ndarray, shape (h, n)
        Predicted risk.
    grid : ndarray, shape (h, g)
        Points on the scale of `x` at which the curves are wanted.
    ici : ndarray, shape (h,)
        Where the ICI goes.
    curves : ndarray, shape (h, g)
        Where the smoothed risks go.
    """
    n = x.size
    ici[:] = math.nan
    curves[:] = math.nan
    knots = np.empty(3)
    count_quantiles(counts, x_order, x, np.array([0.1, 0.5, 0.9]), knots)
    if not (knots[0] < knots[1] < knots[2]):
        return
    bend = np.empty(n)
    mean_x = mean_bend = 0.0
    total = 0
    for i in range(n):
        bend[i] = bend_at(x[i], knots[0], knots[1], knots[2])
        mean_x += counts[i] * x[i]
        mean_bend += counts[i] * bend[i]
        total += counts[i]
    mean_x /= total
    mean_bend /= total
    straight = np.empty(n)
    for i in range(n):
        straight[i] = x[i] - mean_x
        bend[i] -= mean_bend
    beta = np.empty(2)
    if not spline_fit(counts, day_starts, event, straight, bend, start_at, beta):
        return
    hazard = straight
    for i in range(n):
        hazard[i] = math.exp(beta[0] * straight[i] + beta[1] * bend[i])
    cumulative = np.empty(horizons.size)
    cumulative_hazards(counts, day_starts, days, event, hazard, horizons, cumulative)
    for h in range(horizons.size):
        error = 0.0
        for i in range(n):
            if counts[i] > 0:
                error += counts[i] * abs(1.0 - math.exp(-cumulative[h] * hazard[i]) - risk[h, i])
        ici[h] = error / total
        for g in range(grid.shape[1]):
            point = grid[h, g]
            lp = beta[0] * (point - mean_x) + beta[1] * (
                bend_at(point, knots[0], knots[1], knots[2]) - mean_bend
            )
            curves[h, g] = 1.0 - math.exp(-cumulative[h] * math.exp(lp))


@compiled
def block(
    counts: Counts,
    day_starts: Integers,
    days: Array,
    event: NDArray[np.bool_],
    score: Array,
    slope_start: float,
    horizons: Array,
    risk: Array,
    x: Array,
    x_order: Integers,
    x_start: Array,
    first: Integers,
    stop: Integers,
    grid: Array,
    slopes: Array,
    icis: Array,
    curves: Array,
) -> None:
    """Write slopes and smooth calibration of a block of resamples; NaN where there is none.

    Parameters
    ----------
    counts : ndarray of int32, shape (B, n)
        How often each patient was drawn in each resample.
    day_starts, days, event, horizons, risk, grid : ndarray
        As of `smooth_curves`.
    score : ndarray, shape (n,)
        The centred score.
    slope_start : float
        Where the slope's iteration starts; NaN where all scores are the same.
    x, x_order, x_start : ndarray, shape (s, n), (s, n), (s, 2)
        For each spline fit what `smooth_curves` needs.
    first, stop : ndarray of int, shape (s,)
        The horizons that each spline fit serves; a horizon of none is left as it is.
    slopes, icis, curves : ndarray, shape (B,), (B, h), (B, h, g)
        Where they go.
    """
    for b in range(counts.shape[0]):
        slopes[b] = math.nan
        if not math.isnan(slope_start):
            slopes[b] = slope(counts[b], day_starts, event, score, slope_start)
        for s in range(first.size):
            a, z = first[s], stop[s]
            smooth_curves(
                counts[b],
                day_starts,
                days,
                event,
                x_order[s],
                x[s],
                x_start[s],
                horizons[a:z],
                risk[a:z],
                grid[a:z],
                icis[b, a:z],
                curves[b, a:z],
            )
