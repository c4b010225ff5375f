"""What to expect of the mean over centres and of a new centre, when the few centres hardly tell how
much centres differ.

With three to eight centres the variance between centres is often estimated as 0, and intervals that
take it for known are far too short. So the mean has the interval of Hartung and Knapp in its
modified form, which is never shorter than with a normal standard error [1]_ [2]_, and the interval
for a new centre is a parametric bootstrap over the confidence distribution of the variance between
centres [3]_. That distribution is taken from the generalised Q, which has a chi-square distribution
whatever the variances are [4]_, instead of from Cochran's: its intervals are shorter and hold their
level as well. Simulated coverage: ``make coverage-validation``.

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
from numpy.typing import NDArray
from scipy import stats

from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.random_effects import (
    PooledEffect,
    Scale,
    from_scale,
    on_scale,
    pool_random_effects,
)

Array = NDArray[np.float64]
NEW_CENTER_METHOD = (
    "random effects by REML; modified Hartung-Knapp interval, t with k - 1 degrees of freedom; "
    "interval for a new centre by parametric bootstrap (Nagashima) over the Q profile of the "
    "variance between centres"
)
DRAWS = 10_000
_SEED = 20190528
_STEPS = 512


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
    reach = float(stats.t.ppf(0.5 + confidence / 2, y.size - 1)) * error
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

    Each draw takes the variance between centres at which the generalised Q equals a drawn
    chi-square with k - 1 degrees of freedom [4]_, 0 where even there Q is smaller; then the mean,
    which is normal and independent of Q at that variance; then a centre around it. The draws are
    the quantiles of each distribution in an order of their own, always the same.

    Parameters
    ----------
    y, v : ndarray, shape (k,)
        Estimates and their variances, k of at least 3.
    confidence : float
        Of the interval.
    """
    chi, center, around = _draws(y.size)
    most = max(float(np.var(y, ddof=1)), float(v.max())) * 1e6
    grid = np.concatenate([[0.0], np.geomspace(float(v.min()) * 1e-4, most, _STEPS)])
    weight = 1 / (v + grid[:, None])
    mean = (weight * y).sum(axis=1) / weight.sum(axis=1)
    q = (weight * (y - mean[:, None]) ** 2).sum(axis=1)
    tau2 = np.interp(-chi, -q, grid)  # Q falls as the variance grows
    drawn = np.interp(tau2, grid, mean) + center * np.sqrt(tau2)
    drawn += around / np.sqrt(np.interp(tau2, grid, weight.sum(axis=1)))
    low, high = np.quantile(drawn, ((1 - confidence) / 2, (1 + confidence) / 2))
    return float(low), float(high)


@lru_cache
def _draws(k: int) -> tuple[Array, Array, Array]:
    """Return chi-squares with k - 1 degrees of freedom and two standard normals, each shape
    (DRAWS,).
    """
    random, levels = np.random.default_rng(_SEED), (np.arange(DRAWS) + 0.5) / DRAWS
    chi = stats.chi2.ppf(random.permutation(levels), k - 1)
    one, other = (stats.norm.ppf(random.permutation(levels)) for _ in range(2))
    return chi, one, other
