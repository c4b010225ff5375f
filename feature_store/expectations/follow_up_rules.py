"""What must hold of the survival times and events of a centre's clinical table, so that they can be
days from the start of radiotherapy and deaths: their facts, and the rules on them.

What is impossible is refused. What is only implausible (the rules that are `releasable`) is held
until whoever knows the table confirms it by its code at the import.

References
----------
.. [1] Hanley JA, McNeil BJ. Radiology 1982;143:29-36 (standard error of the share of pairs).
.. [2] Bradley JD, Paulus R, Komaki R, et al. Lancet Oncol 2015;16:187-199 (median survival of 20 to
    29 months after radiotherapy of stage III).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feature_store.clinical_records import ClinicalRecord
from feature_store.rules import Between, Finding, Rule, Severity
from feature_store.wording import are, counted

DAYS_PER_YEAR = 365.25
LONGEST_POSSIBLE_DAYS = 100 * DAYS_PER_YEAR
LONGEST_PLAUSIBLE_DAYS = 30 * DAYS_PER_YEAR
OLDEST_YEARS = 120
USUAL_MEDIAN_DAYS = 700
"""Median survival that a table is compared with while no model is pinned [2]_."""
DEATHS_FACTOR = 4.0
"""Deaths may differ so many times from those that are usual in the same follow-up: weeks for days
make 7 times, months 30, hours a 24th.
"""
_FEW_PATIENTS, _FEW_DEATHS, _MANY_PATIENTS = 5, 8, 20
_FEW_ROWS = 3
LOST_SHARE = 0.1
"""Rows that are lost for want of a time or an event are rarely a sample: where a word for the
living is not understood, the dead alone are left.
"""
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


def _unit_in_words(facts: FollowUpFacts) -> str:
    """Return the unit that short times look like, and what the longest would be in days."""
    if facts.longest_days < 25:
        return f"years ({counted(round(facts.longest_days * DAYS_PER_YEAR), 'day')})"
    return f"months ({counted(round(facts.longest_days * DAYS_PER_YEAR / 12), 'day')})"


def _deaths_in_words(facts: FollowUpFacts) -> str:
    more = (facts.deaths_ratio or 0.0) > 1
    return (
        f"{facts.n_events} of the {counted(facts.n, 'patient')} died, where {facts.usual_patients} "
        f"would have {facts.expected_deaths:.1f} deaths in the same follow-up: "
        + (
            "the times look too short, such as weeks, months or years for days"
            if more
            else "the times look too long, such as hours for days, or the events inverted"
        )
        + f" (median {counted(facts.median_days, 'day')}). Expected at most {DEATHS_FACTOR:g} "
        f"times as many or as few. Mend the unit.{_confirmable('follow-up-deaths')}"
    )


def _confirmable(code: str) -> str:
    return f" If the table is right, import it again with --confirm {code}."


def _held(
    code: str,
    column: str,
    bounds: Between,
    expected: str,
    found: Callable[[FollowUpFacts], str],
    mend: str,
) -> Rule:
    """Return a rule on what is implausible."""
    return Rule(
        code,
        column,
        bounds,
        expected,
        lambda facts: f"{found(facts)} {mend}{_confirmable(code)}",
        releasable=True,
    )


FOLLOW_UP_RULES = (
    Rule(
        "follow-up-dates",
        "dates",
        Between(None, 0),
        "days and no dates",
        lambda f: (
            f"{f.dates} of {counted(f.n, 'survival time')} look like dates, such as Excel's serial "
            f"numbers, YYYYMMDD or years (the largest is {f.longest_days:.0f}), expected days from "
            "the start of radiotherapy. Subtract the date of the start."
        ),
    ),
    Rule(
        "follow-up-impossible",
        "impossible",
        Between(None, 0),
        "no follow-up of more than 100 years or beyond an age of 120",
        lambda f: (
            f"{f.impossible} of {counted(f.n, 'survival time')} {are(f.impossible)} longer than "
            f"100 years or end beyond an age of {OLDEST_YEARS} years, the longest is "
            f"{counted(f.longest_days, 'day')}, expected days from the start of radiotherapy. Mend "
            "them; hours must be divided by 24."
        ),
    ),
    Rule(
        "follow-up-equal",
        "distinct",
        Between(2),
        "survival times that differ",
        lambda f: (
            f"All {f.n} survival times are equal ({f.longest_days:g}), expected times "
            "that differ. Export the time of each patient."
        ),
    ),
    Rule(
        "follow-up-unit",
        "longest_of_horizon",
        Between(1.0),
        "a longest follow-up of at least the first horizon",
        lambda f: (
            f"The longest of {counted(f.n, 'survival time')} is {counted(f.longest_days, 'day')}, "
            f"below the first horizon of {f.first_horizon_days} days, and "
            f"{counted(f.n_events, 'patient')} died: the times look like {_unit_in_words(f)}, "
            "expected days from the start of radiotherapy. Convert them to "
            f"days.{_confirmable('follow-up-unit')}"
        ),
        releasable=True,
    ),
    Rule(
        "follow-up-deaths",
        "deaths_ratio",
        Between(1 / DEATHS_FACTOR, DEATHS_FACTOR),
        "a quarter to four times the deaths that are usual in the same follow-up",
        _deaths_in_words,
        releasable=True,
    ),
    _held(
        "rows-lost",
        "lost_share",
        Between(None, LOST_SHARE),
        "a usable time and event in nine of ten rows",
        lambda f: (
            f"{f.lost_rows} of {counted(f.n + f.lost_rows, 'row')} cannot be used, expected at "
            f"most {LOST_SHARE:.0%} of them. Of the {counted(f.n, 'patient')} left, "
            f"{f.n_events} died: if it is mostly the living or mostly the dead who are lost, the "
            "others say nothing of the centre."
        ),
        "Mend the rows that were rejected.",
    ),
    _held(
        "follow-up-thousands",
        "thousands",
        Between(None, 0),
        "no times that look like thousands with a point",
        lambda f: (
            f"{f.thousands} of {counted(f.n, 'survival time')} lie between 1 and 20 with decimals, "
            "while the others are whole and below 1000: they look like thousands with a point, "
            "1.095 for 1095."
        ),
        "Write days without a sign for thousands.",
    ),
    _held(
        "follow-up-long",
        "long",
        Between(None, 0),
        "no follow-up of more than 30 years",
        lambda f: (
            f"{f.long} of {counted(f.n, 'survival time')} {are(f.long)} longer than 30 years, the "
            f"longest is {counted(f.longest_days, 'day')}, expected days from the start of "
            "radiotherapy."
        ),
        "Mend them; hours must be divided by 24.",
    ),
    _held(
        "follow-up-sentinel",
        "sentinels",
        Between(None, 0),
        "no times of nines that stand for a missing one",
        lambda f: (
            f"{f.sentinels} of {counted(f.n, 'survival time')} {are(f.sentinels)} written as nines "
            "only, which usually stand for a missing time."
        ),
        "Leave such rows out.",
    ),
    _held(
        "follow-up-one-day",
        "one_day_share",
        Between(None, 0.5),
        "deaths on different days",
        lambda f: (
            f"{f.one_day_share:.0%} of {counted(f.n_events, 'death')} fall on the same day of "
            "follow-up, expected at most half of them."
        ),
        "Export the time of each patient.",
    ),
    _held(
        "events-none",
        "event_share",
        Between(0.0, strict=True),
        "deaths among 20 or more patients",
        lambda f: (
            f"None of {counted(f.n, 'patient')} died, though they were followed for "
            f"{counted(f.median_days, 'day')} at the median, expected deaths."
        ),
        "Write 1 for patients who died.",
    ),
    _held(
        "events-inverted",
        "dead_longer_lower",
        Between(None, 0.5),
        "deaths that come before the end of follow-up of the living",
        lambda f: (
            f"The dead have longer times than the living: in {f.dead_longer:.0%} of the pairs of a "
            "dead and a living patient the dead one does, expected fewer than half. Events look "
            "inverted."
        ),
        "Write 1 for patients who died and 0 for those alive.",
    ),
    Rule(
        "events-all",
        "event_share",
        Between(None, 1.0 - 1e-12),
        "some patients alive at the end of their follow-up",
        lambda f: (
            f"All {counted(f.n, 'patient')} died, expected some who were alive at the end of their "
            "follow-up: check that the living are in the table."
        ),
        Severity.WARNING,
    ),
    Rule(
        "follow-up-fractions",
        "fractions",
        Between(None, 0),
        "whole days",
        lambda f: (
            f"{f.fractions} of {counted(f.n, 'survival time')} {are(f.fractions)} not whole days, "
            "expected days: check that they were not converted from another unit by rounding."
        ),
        Severity.WARNING,
    ),
)
CONFIRMABLE = frozenset(rule.code for rule in FOLLOW_UP_RULES if rule.releasable)
"""Codes of what whoever knows the table may confirm at the import."""


def confirmed(findings: Iterable[Finding], codes: Collection[str]) -> tuple[Finding, ...]:
    """Return findings, of which those that were confirmed are warnings.

    Parameters
    ----------
    findings : iterable of Finding
        What was found of the follow-up.
    codes : collection of str
        What was confirmed, out of `CONFIRMABLE`; other codes confirm nothing.
    """
    return tuple(
        replace(
            finding,
            severity=Severity.WARNING,
            sentence=f"{finding.sentence} Confirmed at the import.",
        )
        if finding.severity is Severity.CRITICAL and finding.code in CONFIRMABLE & set(codes)
        else finding
        for finding in findings
    )
