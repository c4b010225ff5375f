"""How numbers are written for readers: two decimals, intervals with an en dash, p values, months,
horizons in years.
"""

from __future__ import annotations

from validation_reports.not_estimable import NotEstimable

_DAYS_PER_YEAR = 365.25
_DAYS_PER_MONTH = _DAYS_PER_YEAR / 12


def number(value: float, decimals: int = 2) -> str:
    """Write a number; large ones without decimals that nobody reads."""
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", "−")
    return f"{value:.{1 if abs(value) >= 100 else decimals}f}".replace("-", "−")


def interval(estimate: float, lower: float, upper: float) -> str:
    """Write an estimate with its interval: ``0.71 (0.64–0.78)``."""
    return f"{number(estimate)} {limits(lower, upper)}"


def limits(lower: float, upper: float) -> str:
    """Write the limits of an interval in brackets, with "to" where a minus sign would be mistaken
    for a dash.
    """
    separator = " to " if lower < 0 else "–"
    return f"({number(lower)}{separator}{number(upper)})"


def p_words(p_value: float) -> str:
    """Write a p value: two or three decimals, ``p < 0.001`` below."""
    if p_value < 0.001:
        return "p < 0.001"
    return f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def percent(probability: float) -> str:
    """Write a probability as a whole percentage."""
    return f"{100 * probability:.0f}%"


def months(days: float) -> str:
    """Write a time in days as months with one decimal."""
    return f"{days / _DAYS_PER_MONTH:.1f} months"


def horizon_words(days: float) -> str:
    """Name a horizon in years where it is whole years, else in days."""
    years = round(days / _DAYS_PER_YEAR)
    if years and abs(days - years * _DAYS_PER_YEAR) <= years:
        return "1 year" if years == 1 else f"{years} years"
    return f"{days:g} days"


def count(n: int, noun: str) -> str:
    """Write a count with its noun in the right number."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def refusal(value: object) -> str | None:
    """Return the sentence of a `NotEstimable`, `None` for anything else."""
    return value.sentence if isinstance(value, NotEstimable) else None
