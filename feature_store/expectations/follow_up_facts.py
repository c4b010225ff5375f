"""What the survival times and events of a centre's clinical table look like: the facts that
`follow_up_rules` judges.

References
----------
.. [1] Hanley JA, McNeil BJ. Radiology 1982;143:29-36 (standard error of the share of pairs).
.. [2] Bradley JD, Paulus R, Komaki R, et al. Lancet Oncol 2015;16:187-199 (median survival of 20 to
    29 months after radiotherapy of stage III).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.clinical_records import ClinicalRecord

DAYS_PER_YEAR = 365.25
OLDEST_YEARS = 120
LONGEST_POSSIBLE_DAYS = 100 * DAYS_PER_YEAR
LONGEST_PLAUSIBLE_DAYS = 30 * DAYS_PER_YEAR
USUAL_MEDIAN_DAYS = 700
"""Median survival that a table is compared with while no model is pinned [2]_."""
_FEW_PATIENTS, _FEW_DEATHS, _MANY_PATIENTS = 5, 8, 20
_FEW_ROWS = 3
_Z_999 = 3.09
"""One-sided 99.9 % of the normal distribution."""
_SENTINELS = (9999.0, 99999.0, 999999.0, 9999999.0)
_EXCEL_DATES = (30000, 60000)
"""Serial numbers of days from 1982 to 2064."""
_CALENDAR_YEARS = (1980, 2040)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FollowUpFacts:
    """Facts of the survival times and events of one clinical table; what too few patients can tell
    is `None`.

    Parameters
    ----------
    n, n_events : int
        Patients and deaths.
    longest_days, median_days : float
        Longest and median time; 0 without patients.
    first_horizon_days : int
        First day at which survival is predicted.
    longest_of_horizon : float or None
        Longest time over the first horizon.
    dates : int or None
        Times that look like serial numbers, digits or years of dates, where most do.
    impossible : int
        Other times above 100 years, or which end beyond an age of 120 years.
    long : int
        Other times above 30 years.
    thousands : int
        Times from 1 to 20 with up to three decimals, where all others are whole and below 1000.
    fractions : int
        Times that are not whole days.
    sentinels : int
        Times that are written as nines only.
    distinct : int or None
        Different times.
    one_day_share : float or None
        Share of the deaths that fall on the most frequent day.
    expected_deaths : float
        Deaths that are usual in the same follow-up.
    usual_patients : str
        Of which patients.
    deaths_ratio : float or None
        Deaths over `expected_deaths`.
    event_share : float or None
        Share of the patients who died.
    dead_longer : float or None
        Share of the pairs of a dead and a living patient in which the dead one has the longer time.
    dead_longer_lower : float or None
        Its lower limit, one-sided 99.9 % [1]_.
    lost_rows : int
        Rows whose patient is not among them, because a time, an event or an identity could not be
        read.
    lost_share : float or None
        Share of these in all that there should be.
    """

    n: int
    n_events: int
    longest_days: float
    median_days: float
    first_horizon_days: int
    longest_of_horizon: float | None
    dates: int | None
    impossible: int
    long: int
    thousands: int
    fractions: int
    sentinels: int
    distinct: int | None
    one_day_share: float | None
    expected_deaths: float
    usual_patients: str
    deaths_ratio: float | None
    event_share: float | None
    dead_longer: float | None
    dead_longer_lower: float | None
    lost_rows: int = 0
    lost_share: float | None = None


def follow_up_facts(
    records: Sequence[ClinicalRecord],
    first_horizon_days: int,
    expected_deaths: float | None = None,
    lost_rows: int = 0,
) -> FollowUpFacts:
    """Collect the facts of the follow-up of a clinical table.

    Parameters
    ----------
    records : sequence of ClinicalRecord
        The table.
    first_horizon_days : int
        First day at which survival is predicted.
    expected_deaths : float, optional
        Sum over the patients of the training cohort's cumulative hazard at their times; without it
        the table is compared with a median survival of `USUAL_MEDIAN_DAYS`.
    lost_rows : int
        Rows of the table that made no record.
    """
    days = np.array([record.survival_days for record in records], dtype=np.float64)
    event = np.array([record.event for record in records], dtype=np.bool_)
    age = np.array(
        [0.0 if record.age is None else record.age for record in records], dtype=np.float64
    )
    n, deaths = days.size, int(event.sum())
    first = first_horizon_days
    date_like = _date_like(days)
    dates = int(date_like.sum()) if n and date_like.mean() > 0.5 else None
    judged = ~date_like if dates else np.ones(n, dtype=np.bool_)
    beyond = (days > LONGEST_POSSIBLE_DAYS) | (age + days / DAYS_PER_YEAR > OLDEST_YEARS)
    whole = days == np.rint(days)
    pair_share, lower = _dead_longer(days, event)
    usual_patients = "patients of average risk in the training cohort"
    if expected_deaths is None:
        expected_deaths = float(days.sum() * np.log(2) / USUAL_MEDIAN_DAYS)
        usual_patients = f"patients with a median survival of {USUAL_MEDIAN_DAYS} days"
    return FollowUpFacts(
        n=n,
        n_events=deaths,
        longest_days=float(days.max(initial=0.0)),
        median_days=float(np.median(days)) if n else 0.0,
        first_horizon_days=first,
        longest_of_horizon=float(days.max()) / first if n >= _FEW_PATIENTS else None,
        dates=dates,
        impossible=int((beyond & judged).sum()),
        long=int(((days > LONGEST_PLAUSIBLE_DAYS) & ~beyond & judged).sum()),
        thousands=_thousands(days, whole),
        fractions=int((~whole).sum()),
        sentinels=int(np.isin(days, _SENTINELS).sum()) + (_often(days, 999.0)),
        distinct=int(np.unique(days).size) if n >= 3 else None,
        one_day_share=_largest_share(days[event]) if deaths >= _FEW_DEATHS else None,
        expected_deaths=expected_deaths,
        usual_patients=usual_patients,
        deaths_ratio=deaths / max(expected_deaths, 1e-9)
        if max(deaths, expected_deaths) >= _FEW_DEATHS
        else None,
        event_share=deaths / n if n >= _MANY_PATIENTS else None,
        dead_longer=pair_share,
        dead_longer_lower=lower,
        lost_rows=lost_rows,
        lost_share=lost_rows / (n + lost_rows) if lost_rows >= _FEW_ROWS else None,
    )


def _date_like(days: Array) -> NDArray[np.bool_]:
    """Say which times look like Excel's serial dates, YYYYMMDD or, where several do, years."""
    whole = days == np.rint(days)
    years = whole & (days >= _CALENDAR_YEARS[0]) & (days <= _CALENDAR_YEARS[1])
    if np.unique(days[years]).size < _FEW_ROWS:  # all that end on one day were followed as long
        years[:] = False
    serial = (days >= _EXCEL_DATES[0]) & (days <= _EXCEL_DATES[1])
    year, month, day = days // 10000, days // 100 % 100, days % 100
    digits = (year >= 1900) & (year < 2100) & (month >= 1) & (month <= 12) & (day >= 1)
    like: NDArray[np.bool_] = whole & (serial | years | (digits & (day <= 31)))
    return like


def _thousands(days: Array, whole: NDArray[np.bool_]) -> int:
    """Count times that may be thousands with a point, 1.095 for 1095."""
    small = ~whole & (days >= 1) & (days < 20)
    thousandfold = days * 1000
    small &= np.isclose(thousandfold, np.rint(thousandfold), rtol=0, atol=1e-6)
    others = days[~small]
    plausible = others.size and (others == np.rint(others)).all() and 100 <= others.max() < 1000
    return int(small.sum()) if plausible else 0


def _often(days: Array, value: float) -> int:
    found = int((days == value).sum())
    return found if found >= 3 else 0


def _largest_share(days: Array) -> float:
    return float(np.unique(days, return_counts=True)[1].max() / days.size)


def _dead_longer(days: Array, event: NDArray[np.bool_]) -> tuple[float, float] | tuple[None, None]:
    dead, alive = days[event], np.sort(days[~event])
    if min(dead.size, alive.size) < _FEW_PATIENTS:
        return None, None
    below = np.searchsorted(alive, dead, side="left") + np.searchsorted(alive, dead, side="right")
    share = float(below.mean() / (2 * alive.size))
    q1, q2 = share / (2 - share), 2 * share**2 / (1 + share)
    variance = (
        share * (1 - share) + (dead.size - 1) * (q1 - share**2) + (alive.size - 1) * (q2 - share**2)
    ) / (dead.size * alive.size)
    return share, share - _Z_999 * float(np.sqrt(max(variance, 0.0)))
