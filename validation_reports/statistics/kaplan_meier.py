"""Kaplan-Meier curves with Greenwood's variance, numbers at risk and medians, as R's
``survival::survfit`` gives them.

The curves that are shown are those of lifelines (`shown_curve`), whose interval by the exponential
Greenwood formula is R's "log-log". A single number is read off `kaplan_meier`, the same estimate in
a twentieth of the time, because a report reads hundreds: decision curves ask at every threshold.
Medians are R's, which lifelines does not give: it has no middle of a flat step.

References
----------
.. [1] Kaplan EL, Meier P. JASA 1958;53:457-481.
.. [2] Kalbfleisch JD, Prentice RL. The Statistical Analysis of Failure Time Data. 2nd ed. Wiley
    2002, section 1.4
   (interval on the log-log scale).
.. [3] Fay MP, Brittain EH, Proschan MA. Biostatistics 2013;14:723-736 (beta product).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.wording import counted
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, normal_quantile
from validation_reports.statistics.edge_intervals import survival_of_all, survival_of_none

Array = NDArray[np.float64]
Counts = NDArray[np.integer]
_TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))
SHOWN_TIMES = 400
"""Times of a curve beyond which the eye sees no difference, as a plot is some 400 points wide."""
_QUARTER = 3 * 365.25 / 12
"""Days of three months, of which the ticks of every plot are multiples."""


@dataclass(frozen=True)
class SurvivalCurve:
    """A Kaplan-Meier curve, one entry per distinct time of follow-up.

    Parameters
    ----------
    days : tuple of float
        Distinct times, ascending.
    survival, standard_error : tuple of float
        Probability of being alive just after each time, and its Greenwood standard error.
    lower, upper : tuple of float
        Pointwise interval on the log-log scale; where the curve is 1 or 0, and that scale has no
        interval, the beta product's [3]_.
    at_risk, deaths : tuple of int
        Patients at risk just before each time, and deaths at it.
    confidence : float
        Of the interval.
    n_times : int
        Distinct times of the whole curve where only some are kept (`thinned`), else 0.
    """

    days: tuple[float, ...]
    survival: tuple[float, ...]
    standard_error: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    at_risk: tuple[int, ...]
    deaths: tuple[int, ...]
    confidence: float
    n_times: int = 0

    def number_at_risk(self, days: Sequence[float]) -> tuple[int, ...]:
        """Return how many patients were still followed just before each of `days`."""
        positions = np.searchsorted(self.days, days, side="left")
        return tuple(self.at_risk[i] if i < len(self.at_risk) else 0 for i in positions)

    @property
    def last_day(self) -> float:
        """Longest follow-up in days."""
        return self.days[-1]


@dataclass(frozen=True)
class SurvivalAt:
    """Survival at one horizon: days, probability, Greenwood standard error, interval, patients
    still at risk.
    """

    days: float
    survival: float
    standard_error: float
    lower: float
    upper: float
    at_risk: int


@dataclass(frozen=True)
class MedianTime:
    """A median in days; a limit that the curve does not reach is `None`."""

    days: float
    lower: float | None
    upper: float | None


def shown_curve(survival: Survival, confidence: float = 0.95) -> SurvivalCurve:
    """Estimate the survival curve that plots and tables show, by lifelines.

    Parameters
    ----------
    survival : Survival
        Follow-up of at least one patient.
    confidence : float
        Of the pointwise intervals.

    Returns
    -------
    SurvivalCurve
        That of `kaplan_meier`, to rounding.
    """
    from lifelines import KaplanMeierFitter  # noqa: PLC0415 - slow to import

    with np.errstate(all="ignore"):  # lifelines would leave numpy's warnings switched off
        fit = KaplanMeierFitter(alpha=1.0 - confidence).fit(survival.days, survival.event)
    steps = fit.event_table.index > 0  # what comes before is the start of follow-up
    table, limits = fit.event_table[steps], fit.confidence_interval_survival_function_[steps]
    return _curve(
        table.index.to_numpy(),
        table["at_risk"].to_numpy(),
        table["observed"].to_numpy(),
        fit.survival_function_.loc[steps].to_numpy()[:, 0],
        limits.to_numpy().T,
        confidence,
    )


def kaplan_meier(survival: Survival, confidence: float = 0.95) -> SurvivalCurve:
    """Estimate the survival curve, for a number that is read off it.

    Parameters
    ----------
    survival : Survival
        Follow-up of at least one patient.
    confidence : float
        Of the pointwise intervals.

    Returns
    -------
    SurvivalCurve
        S(t) = prod (1 - d_i / n_i); variance S(t)^2 sum d_i / (n_i (n_i - d_i)) [1]_.
    """
    z = normal_quantile(confidence)
    days, inverse = np.unique(survival.days, return_inverse=True)
    deaths = np.bincount(inverse[survival.event], minlength=days.size)
    leaving = np.bincount(inverse, minlength=days.size)
    at_risk = survival.n - np.concatenate([[0], np.cumsum(leaving)[:-1]])
    estimate = np.cumprod((at_risk - deaths) / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_survival = np.log(estimate)
        spread = z * np.sqrt(_relative_variance(at_risk, deaths)) / -log_survival
        inside = (estimate > 0) & (estimate < 1)
        lower = np.where(inside, np.exp(log_survival * np.exp(spread)), estimate)
        upper = np.where(inside, np.exp(log_survival * np.exp(-spread)), estimate)
    return _curve(days, at_risk, deaths, estimate, (lower, upper), confidence)


def thinned(curve: SurvivalCurve, most: int = SHOWN_TIMES) -> SurvivalCurve:
    """Return a curve as the eye sees it: a long one at some of its times, a short one as it is.

    Kept are times at equal steps of survival and of time, the last one, and the first after every
    third month, so that the numbers at risk under a plot stay exact. Each kept entry is that of the
    whole curve.

    Parameters
    ----------
    curve : SurvivalCurve
        With every time.
    most : int
        A curve of no more times is kept whole.
    """
    if len(curve.days) <= most:
        return curve
    days, fallen = np.asarray(curve.days), 1.0 - np.asarray(curve.survival)
    months = np.arange(0.0, days[-1], _QUARTER)
    level = np.linspace(0.0, fallen[-1], most // 2)
    even = np.linspace(days[0], days[-1], most // 4)
    last = days.size - 1
    kept = np.unique(
        np.minimum(
            np.concatenate(
                [
                    [0, last],
                    np.searchsorted(days, months, side="left"),
                    np.searchsorted(fallen, level, side="left"),
                    np.searchsorted(days, even, side="left"),
                ]
            ),
            last,
        )
    ).tolist()

    def some(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(values[place] for place in kept)

    return SurvivalCurve(
        days=some(curve.days),
        survival=some(curve.survival),
        standard_error=some(curve.standard_error),
        lower=some(curve.lower),
        upper=some(curve.upper),
        at_risk=tuple(curve.at_risk[place] for place in kept),
        deaths=tuple(curve.deaths[place] for place in kept),
        confidence=curve.confidence,
        n_times=days.size,
    )


def survival_at(curve: SurvivalCurve, days: float) -> SurvivalAt | NotEstimable:
    """Read a curve at a horizon; beyond the longest follow-up there is no estimate unless everybody
    has died.
    """
    if days > curve.last_day and curve.survival[-1] > 0:
        return NotEstimable(
            f"Survival at {days:g} days is not estimated: the longest follow-up is "
            f"{counted(curve.last_day, 'day')}."
        )
    position = int(np.searchsorted(curve.days, days, side="right")) - 1
    (at_risk,) = curve.number_at_risk([days])
    survival = curve.survival[position] if position >= 0 else 1.0
    if survival == 1:
        lower = survival_of_all(at_risk, curve.confidence)
        return SurvivalAt(days, 1.0, 0.0, lower, 1.0, at_risk)
    return SurvivalAt(
        days,
        survival,
        curve.standard_error[position],
        curve.lower[position],
        curve.upper[position],
        at_risk,
    )


def median_time(curve: SurvivalCurve) -> MedianTime | NotEstimable:
    """Return the median with its interval as R prints a ``survfit``: where the curve is flat at 0.5
    it is the middle of that step, or its beginning where the curve never falls below.
    """
    times = np.asarray(curve.days)
    median = _first_below_half(times, np.asarray(curve.survival))
    if median is None:
        return NotEstimable(
            f"The median is not reached: survival is still {curve.survival[-1]:.2f} at the longest "
            f"follow-up, {counted(curve.last_day, 'day')}."
        )
    # R has no interval where the curve has come to 0, and 1 itself where it has not yet fallen
    survival = np.asarray(curve.survival)
    known = survival > 0
    lower = np.where(survival < 1, np.asarray(curve.lower), 1.0)
    return MedianTime(
        median,
        _first_below_half(times[known], lower[known]),
        _first_below_half(times[known], np.asarray(curve.upper)[known]),
    )


def median_follow_up(survival: Survival) -> MedianTime | NotEstimable:
    """Return the median follow-up by reverse Kaplan-Meier: censoring is the event, death ends the
    watch [1]_.

    References
    ----------
    .. [1] Schemper M, Smith TL. Control Clin Trials 1996;17:343-346.
    """
    if survival.n_events == survival.n:
        return NotEstimable("Every patient died, so there is no potential follow-up to estimate.")
    return median_time(kaplan_meier(Survival(survival.days, ~survival.event)))


def _first_below_half(times: Array, values: Array) -> float | None:
    """Rule of R's survival:::survmean for one half, `values` falling from 1."""
    reached = values < 0.5 + _TOLERANCE
    if not reached.any():
        return None
    times, values = times[reached], values[reached]
    below = values < values[0]
    if abs(values[0] - 0.5) < _TOLERANCE and below.any():
        return float((times[0] + times[int(np.argmax(below))]) / 2)
    return float(times[0])


def _curve(
    days: Array,
    at_risk: Counts,
    deaths: Counts,
    estimate: Array,
    limits: Sequence[Array],
    confidence: float,
) -> SurvivalCurve:
    with np.errstate(divide="ignore", invalid="ignore"):
        error = estimate * np.sqrt(_relative_variance(at_risk, deaths))
    tail, none = (1 - confidence) / 2, estimate <= 0
    lower = np.where(estimate < 1, limits[0], tail ** (1 / at_risk))
    upper = limits[1] + none * (survival_of_none(at_risk, deaths, confidence) if none.any() else 0)
    return SurvivalCurve(
        days=_floats(days),
        survival=_floats(estimate),
        standard_error=_floats(np.where(estimate > 0, error, 0.0)),
        lower=_floats(lower),
        upper=_floats(upper),
        at_risk=tuple(at_risk.astype(np.int64).tolist()),
        deaths=tuple(deaths.astype(np.int64).tolist()),
        confidence=confidence,
    )


def _relative_variance(at_risk: Counts, deaths: Counts) -> Array:
    """Return Greenwood's sum, the variance over the squared estimate; infinite once all died."""
    return np.cumsum(deaths / (at_risk * (at_risk - deaths)))


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=np.float64).tolist())
