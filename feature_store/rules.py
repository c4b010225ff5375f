"""What is expected of data: rules as rows of a table, each with all that is said of one defect.

A rule is judged in two places, and says the same in both: Great Expectations holds whole suites
against the facts of a study, a clinical table or a cohort (`feature_store.expectations`); what
loads a study refuses by `refuse` what it cannot work on, whether or not a suite was asked before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from feature_store.errors import StudyDefect


class Severity(StrEnum):
    """What follows from a rule that is not met."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One rule that is not met.

    Parameters
    ----------
    severity : Severity
        Whether the study is quarantined or scored with a warning.
    code : str
        Slug that stays the same between releases.
    sentence : str
        What was expected and what was found.
    """

    severity: Severity
    code: str
    sentence: str


@dataclass(frozen=True)
class Between:
    """A number within limits, both included; ``strict`` leaves both out, `None` is no limit."""

    low: float | None = None
    high: float | None = None
    strict: bool = False

    def holds(self, value: Any) -> bool:
        """Say whether a value is within the limits."""
        if self.strict:
            return (self.low is None or value > self.low) and (
                self.high is None or value < self.high
            )
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class OneOf:
    """One of some values."""

    values: tuple[object, ...]

    def holds(self, value: Any) -> bool:
        """Say whether a value is one of them."""
        return value in self.values


@dataclass(frozen=True)
class Present:
    """A value in every row of a table."""


@dataclass(frozen=True)
class Unique:
    """A value that no two rows of a table share."""


@dataclass(frozen=True)
class Rows:
    """So many rows of a table, at least."""

    least: int


Bounds = Between | OneOf | Present | Unique | Rows
TRUE = OneOf((True,))


@dataclass(frozen=True)
class Rule:
    """What is expected of one fact, and what is said where it is not so.

    Parameters
    ----------
    code : str
        Slug that stays the same between releases: the store keeps it.
    column : str
        Name of the fact. A tuple is judged by its length; a fact that is `None` is not known, and
        meets every rule but `Present`.
    bounds : Between, OneOf, Present, Unique or Rows
        What is expected of it; the last three judge whole tables.
    expected : str
        The same in a few words, as the object of "expected".
    sentence : callable
        From the facts (for a rule on a table: from the number of its rows that do not meet it) to
        the sentence: what, where, expected, found, how to mend. It never carries a patient
        identifier.
    severity : Severity
        Whether data that do not meet it can be worked on.
    releasable : bool
        Whether settings may make it a reason for quarantine, and an operator release the study all
        the same; of a critical rule on a clinical table, whether the importer may confirm it. Data
        from which no features can be computed are never released.
    error : type of StudyDefect
        What `refuse` raises.
    """

    code: str
    column: str
    bounds: Bounds
    expected: str
    sentence: Callable[[Any], str]
    severity: Severity = Severity.CRITICAL
    releasable: bool = False
    error: type[StudyDefect] = StudyDefect


def warning(
    code: str,
    column: str,
    bounds: Between | OneOf | Present | Unique,
    expected: str,
    sentence: Callable[[Any], str],
) -> Rule:
    """Return a rule whose defect goes with the score as a warning, unless the settings quarantine
    it.
    """
    return Rule(code, column, bounds, expected, sentence, Severity.WARNING, releasable=True)


def fact(facts: object, column: str) -> Any:
    """Return what a rule on `column` judges: the fact, or how many there are of a tuple."""
    value = getattr(facts, column)
    return len(value) if isinstance(value, tuple) else value


def refuse(rules: Iterable[Rule], facts: object) -> None:
    """Raise the error of the first critical rule that the facts do not meet.

    Parameters
    ----------
    rules : iterable of Rule
        Rules on single facts.
    facts : object
        Facts, as attributes.

    Raises
    ------
    StudyDefect
        `Rule.error`, with the rule's code and sentence.
    TypeError
        If a rule needs a whole table.
    """
    for rule in rules:
        if rule.severity is Severity.CRITICAL and not _is_met(rule, facts):
            raise rule.error(rule.code, rule.sentence(facts))


def unmet(rules: Iterable[Rule], facts: object) -> tuple[Finding, ...]:
    """Return what single facts do not meet, in the order of the rules; as `refuse`, it needs no
    Great Expectations and says the same.
    """
    return tuple(
        Finding(rule.severity, rule.code, rule.sentence(facts))
        for rule in rules
        if not _is_met(rule, facts)
    )


def _is_met(rule: Rule, facts: object) -> bool:
    value = fact(facts, rule.column)
    if value is None:
        return True
    if not isinstance(rule.bounds, Between | OneOf):
        raise TypeError(f"The rule {rule.code} judges a table, not one fact.")
    return rule.bounds.holds(value)
