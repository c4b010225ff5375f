"""Do the score, and what the model reads, change with the month of the scan: a trend each, and
means by period.

References
----------
.. [1] Davis SE, Greevy RA, Fonnesbeck C, et al. J Am Med Inform Assoc 2019;26:1448-1457 (drift
    of clinical models).
.. [2] Holm S. Scand J Stat 1979;6:65-70 (adjustment for the number of features).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from feature_store.wording import counted
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.margins import holm

Array = NDArray[np.float64]
DRIFT_METHOD = (
    "least-squares trend over the month of the scan, in standard deviations of these patients a "
    "year, t interval and test; p values of the features after Holm"
)
MINIMUM_PATIENTS = 20
MINIMUM_MONTHS = 6
"""Months between the first and the last scan that a trend needs."""
LEAST_IN_PERIOD = 10
"""Patients that a period has at least, so that a page with few patients tells of no single one's
date.
"""
_LEVEL = 0.05


@dataclass(frozen=True)
class Trend:
    """Change of one variable in standard deviations a year, its interval, p value, and p value
    after Holm.
    """

    name: str
    per_year: float
    lower: float
    upper: float
    p_value: float
    adjusted_p_value: float


@dataclass(frozen=True)
class Period:
    """Consecutive quarters: the first and last, patients, mean score and its interval."""

    first: str
    last: str
    n: int
    mean: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Drift:
    """What changed over time.

    Parameters
    ----------
    n, n_unknown : int
        Patients whose month is known, and is not.
    score : Trend
        Of the linear predictor.
    features : tuple of Trend
        Of what the model reads, the smallest p value first.
    periods : tuple of Period
        The score by period.
    confidence : float
        Of the intervals.
    method : str
        How it was computed.
    """

    n: int
    n_unknown: int
    score: Trend
    features: tuple[Trend, ...]
    periods: tuple[Period, ...]
    confidence: float
    method: str = DRIFT_METHOD

    @property
    def n_drifting(self) -> int:
        """Features with a trend that chance does not explain."""
        return sum(trend.adjusted_p_value < _LEVEL for trend in self.features)

    @property
    def score_drifts(self) -> bool:
        """Whether chance does not explain the trend of the score."""
        return self.score.p_value < _LEVEL


def drift_over_time(
    months: pd.Series[str] | None,
    linear_predictor: Array,
    features: pd.DataFrame | None,
    confidence: float = 0.95,
) -> Drift | NotEstimable:
    """Look for trends over the months of the scans [1]_.

    Parameters
    ----------
    months : Series of str or None, shape (n,)
        ``YYYY-MM``; missing values are allowed.
    linear_predictor : ndarray, shape (n,)
        The cohort's scores.
    features : DataFrame or None, shape (n, p)
        The features that the model reads.
    confidence : float
        Of the intervals.
    """
    if months is None or months.isna().all():
        return NotEstimable(
            "Drift over time is not looked for: the month of no patient's scan is known."
        )
    known = months.notna().to_numpy()
    month = np.array(
        [12 * int(text[:4]) + int(text[5:]) - 1 for text in months[known]], dtype=np.float64
    )
    n, span = month.size, int(np.ptp(month))
    if n < MINIMUM_PATIENTS or span < MINIMUM_MONTHS:
        return NotEstimable(
            f"Drift over time is not looked for in {counted(n, 'patient')} scanned within "
            f"{counted(span, 'month')}: at least {MINIMUM_PATIENTS} patients over {MINIMUM_MONTHS} "
            "months are needed."
        )
    score = linear_predictor[known]
    if np.ptp(score) == 0:
        return NotEstimable("Drift over time is not looked for: all patients have the same score.")
    trends = []
    if features is not None:
        for name in features.columns:
            values = features[name].to_numpy(dtype=np.float64)[known]
            if np.ptp(values) > 0:
                trends.append(_trend(str(name), month, values, confidence))
    return Drift(
        n=n,
        n_unknown=int((~known).sum()),
        score=_trend("score", month, score, confidence),
        features=_adjusted(trends),
        periods=_periods(month, score, confidence),
        confidence=confidence,
    )


def _trend(name: str, month: Array, values: Array, confidence: float) -> Trend:
    fit = scipy.stats.linregress(month / 12, values / values.std(ddof=1))
    slope, error = float(fit.slope), float(fit.stderr)
    reach = float(scipy.stats.t.ppf(0.5 + confidence / 2, month.size - 2)) * error
    p_value = float(fit.pvalue)
    return Trend(name, slope, slope - reach, slope + reach, p_value, p_value)


def _adjusted(trends: list[Trend]) -> tuple[Trend, ...]:
    """Return the trends with p values after Holm [2]_, the smallest first."""
    ordered = sorted(trends, key=lambda trend: (trend.p_value, trend.name))
    adjusted = holm([trend.p_value for trend in ordered])
    return tuple(
        replace(trend, adjusted_p_value=p_value)
        for trend, p_value in zip(ordered, adjusted, strict=True)
    )


def _periods(month: Array, score: Array, confidence: float) -> tuple[Period, ...]:
    quarter = month.astype(np.int64) // 3
    groups: list[list[int]] = [[]]
    for value in np.unique(quarter).tolist():
        if np.isin(quarter, groups[-1]).sum() >= LEAST_IN_PERIOD:
            groups.append([])
        groups[-1].append(value)
    if len(groups) > 1 and np.isin(quarter, groups[-1]).sum() < LEAST_IN_PERIOD:
        last = groups.pop()
        groups[-1] += last
    found = []
    for group in groups:
        values = score[np.isin(quarter, group)]
        reach = float(
            scipy.stats.t.ppf(0.5 + confidence / 2, values.size - 1)
            * values.std(ddof=1)
            / np.sqrt(values.size)
        )
        mean = float(values.mean())
        found.append(
            Period(
                _quarter(group[0]),
                _quarter(group[-1]),
                values.size,
                mean,
                mean - reach,
                mean + reach,
            )
        )
    return tuple(found)


def _quarter(number: int) -> str:
    return f"{number // 4} Q{number % 4 + 1}"
