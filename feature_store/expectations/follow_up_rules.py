"""What must hold of the survival times and events of a centre's clinical table, so that they can be
days from the start of radiotherapy and deaths: the rules on their facts.

What is impossible is refused. What is only implausible (the rules that are `releasable`) is held
until whoever knows the table confirms it by its code at the import.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from feature_store.expectations.follow_up_facts import DAYS_PER_YEAR, OLDEST_YEARS, FollowUpFacts
from feature_store.rules import Between, Finding, Rule, Severity
from feature_store.wording import are, counted

DEATHS_FACTOR = 4.0
"""Deaths may differ so many times from those that are usual in the same follow-up: weeks for days
make 7 times, months 30, hours a 24th.
"""
LOST_SHARE = 0.1
"""Rows that are lost for want of a time or an event are rarely a sample: where a word for the
living is not understood, the dead alone are left.
"""


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
