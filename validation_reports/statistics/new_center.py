"""What to expect of the mean over centres and of a new centre, when the few centres hardly tell how
much centres differ.

With three to eight centres the variance between centres is often estimated as 0, and intervals that
take it for known are far too short. So the mean has the interval of Hartung and Knapp in its
modified form, which is never shorter than with a normal standard error [1]_ [2]_, and the interval
for a new centre is taken over the confidence distribution of the variance between centres [3]_.
That distribution is here of the generalised Q, which is a chi-square whatever the variances are
[4]_, instead of Cochran's, which needs an integral of its own at every variance; the intervals are
about as wide. A centre of a few patients, which says nothing of how centres differ, has no part in
it and its small weight in the mean (`telling_centers`). Simulated coverage: ``make coverage-
validation``.

References
----------
.. [1] Roever C, Knapp G, Friede T. BMC Med Res Methodol 2015;15:99 (modified Hartung-Knapp).
.. [2] Jackson D, Law M, Ruecker G, Schwarzer G. Stat Med 2017;36:3923-3934.
.. [3] Nagashima K, Noma H, Furukawa TA. Stat Methods Med Res 2019;28:1689-1702.
.. [4] Viechtbauer W. Stat Med 2007;26:37-52 (Q profile).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, ndtr

from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.random_effects import (
    MINIMUM_CENTERS,
    PooledEffect,
    Scale,
    from_scale,
    on_scale,
    pool_random_effects,
)

Array = NDArray[np.float64]
NEW_CENTER_METHOD = (
    "random effects by REML; modified Hartung-Knapp interval, t with k - 1 degrees of freedom; "
    "interval for a new centre over the confidence distribution of the variance between centres "
    "(Nagashima), here of the Q profile"
)
_STEPS = 1024
_BEFORE, _BEYOND = 1e4, 1e6
"""Below the smallest error and above the largest, how far the grid of the variance reaches."""
_TAIL = 0.025
_LEAST_SPAN, _MOST_SPAN, _NEARLY = 1e-4, 1e8, 1e-6


def pool_over_centers(
    estimates: Sequence[float],
    standard_errors: Sequence[float],
    scale: Scale,
    what: str,
    confidence: float = 0.95,
) -> PooledEffect | NotEstimable:
    """Pool a statistic over centres, with intervals that carry how little is known of their
    differences.

    Parameters
    ----------
    estimates, standard_errors : sequence of float
        As of `pool_random_effects`, whose mean, variance between centres and tests these are.
    scale : Scale
        Scale of pooling.
    what : str
        Name of the statistic, for the sentence of a refusal.
    confidence : float
        Of both intervals.
    """
    found = pool_random_effects(estimates, standard_errors, scale, what, confidence)
    if isinstance(found, NotEstimable):
        return found
    y, v = on_scale(
        np.asarray(estimates, dtype=np.float64),
        np.asarray(standard_errors, dtype=np.float64),
        scale,
    )
    normal = float(1 / np.sqrt((1 / (v + found.tau_squared)).sum()))
    error = max(found.scaled_standard_error, normal)
    reach = float(scipy.stats.t.ppf(0.5 + confidence / 2, y.size - 1)) * error
    low, high = new_center_limits(y, v, confidence)
    # A new centre is no surer than the mean over centres
    mean = found.scaled_estimate
    ends = [
        from_scale(end, scale)
        for end in (mean - reach, mean + reach, min(low, mean - reach), max(high, mean + reach))
    ]
    return replace(
        found,
        lower=ends[0],
        upper=ends[1],
        prediction_lower=ends[2],
        prediction_upper=ends[3],
        scaled_standard_error=error,
        method=NEW_CENTER_METHOD,
    )


def new_center_limits(y: Array, v: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval for the true value at a new centre [3]_.

    The variance between centres has the distribution at whose quantiles the generalised Q of the
    `telling_centers` equals those of a chi-square with as many degrees of freedom [4]_, and is 0
    with the probability that even there Q is smaller. Given it, the mean over all centres is normal
    and independent of Q, and so is a centre around it; the limits are the quantiles of this
    mixture, integrated over a grid instead of drawn.

    Parameters
    ----------
    y, v : ndarray, shape (k,)
        Estimates and their variances, k of at least 3.
    confidence : float
        Of the interval.
    """
    told = telling_centers(v)
    most = max(float(np.var(y, ddof=1)), float(v.max())) * _BEYOND
    tau2 = np.concatenate([[0.0], np.geomspace(float(v.min()) / _BEFORE, most, _STEPS)])
    weight = 1 / (v[told] + tau2[:, None])
    mean = (weight * y[told]).sum(axis=1) / weight.sum(axis=1)
    q = (weight * (y[told] - mean[:, None]) ** 2).sum(axis=1)
    below = chdtrc(told.size - 1, q)  # Q falls as the variance grows
    part = np.diff(below) / 2
    share = np.concatenate([[below[0]], part]) + np.concatenate([part, [1 - below[-1]]])
    weight = 1 / (v + tau2[:, None])
    total = weight.sum(axis=1)
    mean, spread = (weight * y).sum(axis=1) / total, np.sqrt(tau2 + 1 / total)
    return tuple(  # type: ignore[return-value]
        _quantile(share, mean, spread, level)
        for level in ((1 - confidence) / 2, (1 + confidence) / 2)
    )


def telling_centers(v: Array) -> NDArray[np.intp]:
    """Return the places of the centres from which the variance between centres is learnt: the most
    precise ones, as many as are expected to give it the lowest upper limit if there is none.

    A centre of a few patients differs from the mean by its own error, whatever the variance between
    centres is; but it counts in Q as much as any other, and only a variance as large as its own
    would make its part small. So it would widen the interval for a new centre up to its own. The
    choice rests on the errors alone, never on the estimates, and so does not change the
    distribution of Q.

    Parameters
    ----------
    v : ndarray, shape (k,)
        Variances of the estimates within the centres, k of at least 3.
    """
    ascending = np.argsort(v, kind="stable")
    spans = np.geomspace(float(v.min()) * _LEAST_SPAN, float(v.max()) * _MOST_SPAN, _STEPS // 4)
    limits = []
    for k in range(MINIMUM_CENTERS, v.size + 1):
        own = v[ascending[:k]]
        weight = 1 / (own + spans[:, None])
        expected = (weight * own).sum(axis=1)
        expected -= (weight**2 * own).sum(axis=1) / weight.sum(axis=1)
        limits.append(np.exp(np.interp(-_small_chi(k - 1), -expected, np.log(spans))))
    # one that adds next to nothing stays, so that equal errors are all taken
    best = np.flatnonzero(np.array(limits) <= min(limits) * (1 + _NEARLY))[-1]
    chosen: NDArray[np.intp] = np.sort(ascending[: MINIMUM_CENTERS + int(best)])
    return chosen


@lru_cache
def _small_chi(degrees_of_freedom: int) -> float:
    return float(chdtri(degrees_of_freedom, 1 - _TAIL))


def _quantile(share: Array, mean: Array, spread: Array, level: float) -> float:
    """Return the quantile of a mixture of normal distributions."""

    def excess(value: float) -> float:
        return float(share @ ndtr((value - mean) / spread)) - level

    center, reach = float(share @ mean), float(np.median(spread))
    low, high = center - reach, center + reach
    while excess(low) > 0:
        low, reach = low - reach, 2 * reach
    while excess(high) < 0:
        high, reach = high + reach, 2 * reach
    return float(scipy.optimize.brentq(excess, low, high, xtol=1e-12, rtol=1e-12))
