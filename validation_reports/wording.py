"""How numbers are written for readers: two decimals, intervals with an en dash, p values, months,
horizons in years.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from feature_store.wording import counted
from models.combined.certainty import ScoreRange
from validation_reports.not_estimable import NotEstimable

_DAYS_PER_YEAR = 365.25
_DAYS_PER_MONTH = _DAYS_PER_YEAR / 12
_LEAST_SHOWN = 0.005
_REFUSED = " is not estimated"
_AT_DAYS = re.compile(r"(.+) at (\d+) days")
_SHARE = re.compile(r"CT: (.+):(.+) share")
_VALUES = {
    "CT: month": "CT: month of the scan",
    "CT: model name": "CT: scanner model",
    "CT: kvp": "CT: tube voltage",
    "CT: slice thickness mm": "CT: slice thickness",
    "features in the store, for all": "features in the store: of all patients or of none",
}
_PATTERN = re.compile(r"matches (?P<quote>['\"]).*?(?P=quote)(?=[,.;:\s]|$)")


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
    """Write a probability as a whole percentage; 0% and 100% are what never and always is."""
    if 0 < probability <= _LEAST_SHOWN:
        return "<1%"
    if 1 - _LEAST_SHOWN <= probability < 1:
        return ">99%"
    return f"{100 * probability:.0f}%"


def months(days: float) -> str:
    """Write a time in days as months with one decimal."""
    return f"{days / _DAYS_PER_MONTH:.1f} months"


def horizon_words(days: float) -> str:
    """Name a horizon in years where it is whole years, else in days."""
    years = round(days / _DAYS_PER_YEAR)
    if years and abs(days - years * _DAYS_PER_YEAR) <= years:
        return counted(years, "year")
    return f"{days:g} days"


def figure_words(name: str) -> str:
    """Name a figure over centres as readers do: ``O/E at 1 year`` for ``O/E at 365 days``."""
    at = _AT_DAYS.fullmatch(name)
    return f"{at[1]} at {horizon_words(int(at[2]))}" if at else name


def value_words(name: str) -> str:
    """Name a value that patients may lack as readers do: ``CT: share of lung in the gtv`` for
    ``CT: gtv:lung share``.
    """
    return _VALUES.get(name) or _SHARE.sub(r"CT: share of \2 in the \1", name)


def range_words(found: ScoreRange, *, high_risk: bool) -> str:
    """Say where a score lies over contours as other readers might have drawn them.

    Parameters
    ----------
    found : ScoreRange
        The range.
    high_risk : bool
        The group of the drawn contour.
    """
    other = "low" if high_risk else "high"
    lost = found.asked - found.contours
    return (
        f"Over {counted(found.contours, 'contour')} such as other readers might have drawn, the "
        f"score lies between {found.p10:+.3f} and {found.p90:+.3f} (10th to 90th percentile); "
        f"{found.in_other_group or 'none'} of them "
        f"{'falls' if found.in_other_group == 1 else 'fall'} into the group of {other} "
        f"risk{', so the group is uncertain' if found.is_uncertain else ''}."
        + (f" {counted(lost, 'more contour')} could not be measured." if lost else "")
    )


def joined_refusals(sentences: Iterable[str]) -> list[str]:
    """Return refusals, once each; those with one reason as one sentence that names all figures.

    Parameters
    ----------
    sentences : iterable of str
        "Harrell's C is not estimated from 3 deaths in 4 patients: ..." and the like.
    """
    figures: dict[str, list[str]] = {}
    for sentence in dict.fromkeys(sentences):
        figure, same, reason = sentence.partition(_REFUSED)
        figures.setdefault(reason if same else sentence, []).append(figure if same else "")
    joined = []
    for reason, of in figures.items():
        if of == [""]:
            joined.append(reason)
        elif len(of) == 1:
            joined.append(f"{of[0]}{_REFUSED}{reason}")
        else:
            names = [of[0], *(_inside_a_sentence(name) for name in of[1:])]
            joined.append(f"{', '.join(names[:-1])} and {names[-1]} are not estimated{reason}")
    return joined


def without_patterns(sentence: str) -> str:
    """Return a sentence without the regular expression that it quotes, which the centre's settings
    hold and no clinician reads.
    """
    return _PATTERN.sub("matches the centre's gtv_pattern", sentence)


def _inside_a_sentence(name: str) -> str:
    return name if name.startswith(("Harrell", "Uno", "Brier")) else name[0].lower() + name[1:]


def refusal(value: object) -> str | None:
    """Return the sentence of a `NotEstimable`, `None` for anything else."""
    return value.sentence if isinstance(value, NotEstimable) else None
