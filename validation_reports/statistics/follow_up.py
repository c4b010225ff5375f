"""How completely patients were followed, and over which months they were scanned.

References
----------
.. [1] Clark TG, Altman DG, De Stavola BL. Lancet 2002;359:1309-1310 (completeness of follow-up).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable


@dataclass(frozen=True)
class Completeness:
    """Follow-up until a horizon: share of the possible person-time that was observed, and how many
    patients were alive when their follow-up ended before.
    """

    days: int
    share: float
    n_lost: int


@dataclass(frozen=True)
class Accrual:
    """How many months the planning CTs span, and of how many patients a month is known; which
    months is not told, as the first or last may be one patient's alone.
    """

    months: int
    n_known: int


def completeness(survival: Survival, horizons: Iterable[int]) -> tuple[Completeness, ...]:
    """Return Clark's C [1]_ until each horizon: observed over possible person-time, where a patient
    could be followed until death, or else until the horizon.

    The original asks for the day on which the study closed, which no clinical table here holds; a
    horizon stands in for it, so that whoever entered later counts as lost.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    horizons : iterable of int
        Days.
    """
    found = []
    for days in horizons:
        observed = np.minimum(survival.days, days)
        lost = ~survival.event & (survival.days < days)
        possible = np.where(lost, float(days), observed)
        found.append(Completeness(days, float(observed.sum() / possible.sum()), int(lost.sum())))
    return tuple(found)


UNKNOWN_MONTHS = NotEstimable("No month of a planning CT is known.")


def accrual(months: pd.Series[str] | None) -> Accrual | NotEstimable:
    """Return over which months patients were scanned, if one is known.

    Parameters
    ----------
    months : Series or None
        Month of each patient's planning CT, ``YYYY-MM``, or missing.
    """
    known = [] if months is None else sorted(str(month) for month in months.dropna())
    if not known:
        return UNKNOWN_MONTHS
    (first_year, first_month), (year, month) = (
        (int(text[:4]), int(text[5:7])) for text in (known[0], known[-1])
    )
    spanned = 12 * (year - first_year) + month - first_month + 1
    return Accrual(spanned, len(known))
