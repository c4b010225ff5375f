"""Does the model hold at every centre: what each shows, and what to expect at a new one.

*Yes* needs the intervals for a new centre: that of C above chance, those of slope and O/E inside
the margins. *No* needs one centre of which it is shown, after Holm over all figures of all centres,
that it does not hold there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import erfc

from validation_reports.not_estimable import NotEstimable
from validation_reports.report.center_result import CenterResult
from validation_reports.report.validation_report import PooledStatistic, ValidationReport
from validation_reports.statistics.calibration_verdict import HAZARD_SCALE, judged_calibration
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.margins import LEVEL, Judged, Margins, Verdict, holm
from validation_reports.statistics.random_effects import MINIMUM_CENTERS, PooledEffect
from validation_reports.wording import figure_words, interval, limits, number

CHANCE = 0.5
DEATHS_FOR_ORDER = 8
"""Below, one patient's death more or less decides whether the interval of C excludes chance."""
_ORDER, _SLOPE = "Harrell's C", "Calibration slope"
_SHORT = {_ORDER: "C", _SLOPE: "slope"}
_MOST_NAMED = 4


@dataclass(frozen=True)
class EveryCenter:
    """The verdict, its answer, and what is shown not to hold: centre and figure."""

    verdict: Verdict
    answer: str
    wrong: tuple[tuple[str, Judged], ...]


def judge_centers(report: ValidationReport) -> EveryCenter:
    """Judge whether the model holds at every centre of a report."""
    wrong = _contradicted(report)
    centers = len(report.centers)
    if centers < MINIMUM_CENTERS:
        own = ". ".join(_own_figures(result) for result in report.centers)
        some = "One centre cannot" if centers == 1 else "Two centres cannot"
        answer = f"{own}. {some} show how centres differ."
        if wrong:
            return EveryCenter(Verdict.NO, f"{_not_at(wrong)} {answer}", wrong)
        return EveryCenter(Verdict.UNKNOWN, answer, wrong)
    pooled = {item.name: item for item in report.across_centers}
    main = [pooled[name] for name in (_ORDER, HAZARD_SCALE, _SLOPE) if name in pooled]
    answer = (
        f"{_sentence('; '.join(_over_centers(item) for item in main))} {_small(report)}".strip()
    )
    if wrong:
        return EveryCenter(Verdict.NO, f"{_not_at(wrong)} {answer}", wrong)
    doubtful = [
        item for item in pooled.values() if not _holds_at_a_new_center(item, report.margins)
    ]
    missing = {_ORDER, HAZARD_SCALE, _SLOPE} - set(pooled)
    if not doubtful and not missing:
        inside = f"above chance and inside the margins {report.margins.words}"
        return EveryCenter(Verdict.YES, f"{answer} All of it is expected {inside}.", wrong)
    return EveryCenter(
        Verdict.UNKNOWN, f"{answer} {_doubt(doubtful, report.margins)}".strip(), wrong
    )


def _contradicted(report: ValidationReport) -> tuple[tuple[str, Judged], ...]:
    """Return what is shown not to hold, of all figures of all centres together."""
    family: list[tuple[str, Judged, bool]] = []
    for result in report.centers:
        c = result.concordance
        if isinstance(c, Concordance) and result.n_events >= DEATHS_FOR_ORDER:
            judged = Judged("C", c.estimate, c.lower, c.upper, _of_chance(c), 0)
            family.append((result.center, judged, c.estimate < CHANCE))
        for one in judged_calibration(result.calibration, result.n_events, report.margins):
            outside = not report.margins.lower <= one.estimate <= report.margins.upper
            family.append((result.center, one, outside))
    adjusted = holm([judged.p_value for _, judged, _ in family])
    return tuple(
        (center, judged)
        for (center, judged, outside), p_value in zip(family, adjusted, strict=True)
        if outside and p_value < LEVEL
    )


def _of_chance(c: Concordance) -> float:
    if c.standard_error == 0:
        return 1.0 if c.lower <= CHANCE <= c.upper else 0.0
    return float(erfc(abs(c.estimate - CHANCE) / c.standard_error / math.sqrt(2)))


def _holds_at_a_new_center(item: PooledStatistic, margins: Margins) -> bool:
    effect = item.pooled
    if item.name == "Hazard ratio":  # has no margins
        return True
    if isinstance(effect, NotEstimable):
        return item.name not in (_ORDER, _SLOPE, HAZARD_SCALE)
    if item.name == _ORDER:
        return effect.prediction_lower > CHANCE
    return margins.hold(effect.prediction_lower, effect.prediction_upper)


def _name(item: PooledStatistic) -> str:
    return _SHORT.get(item.name, figure_words(item.name))


def _over_centers(item: PooledStatistic) -> str:
    name = _name(item)
    if not item.centers:
        return f"{name} of no centre can be pooled"
    lowest, highest = (pick(item.centers, key=lambda center: center[1]) for pick in (min, max))
    if len(item.centers) == 1:
        return f"{name} {number(lowest[1])} ({lowest[0]} alone)"
    words = (
        f"{name} {number(lowest[1])} at each of them"
        if lowest is highest
        else f"{name} {number(lowest[1])} ({lowest[0]}) to {number(highest[1])} ({highest[0]})"
    )
    if isinstance(item.pooled, PooledEffect) and item.pooled.tells_of_a_new_center:
        expected = limits(item.pooled.prediction_lower, item.pooled.prediction_upper)[1:-1]
        words += f", at a new centre {expected}"
    elif isinstance(item.pooled, PooledEffect):
        words += ", and what to expect at a new centre cannot be told"
    return words


def _small(report: ValidationReport) -> str:
    few = [
        result.center for result in report.centers if isinstance(result.concordance, NotEstimable)
    ]
    return f"Too few deaths to judge the order of patients: {', '.join(few)}." if few else ""


def _doubt(doubtful: list[PooledStatistic], margins: Margins) -> str:
    parts = []
    if any(item.name == _ORDER for item in doubtful):
        parts.append("C may be chance")
    others = [_name(item) for item in doubtful if item.name != _ORDER]
    if others:
        parts.append(f"{', '.join(others)} may lie outside {margins.words}")
    return f"At a new centre {' and '.join(parts)}." if parts else ""


def _own_figures(result: CenterResult) -> str:
    parts = [
        f"{name} {interval(found.estimate, found.lower, found.upper)}"
        for name, found in (
            ("C", result.concordance),
            (HAZARD_SCALE, result.calibration.hazard),
            ("slope", result.calibration.slope),
        )
        if not isinstance(found, NotEstimable)
    ]
    return f"{result.center}: {', '.join(parts) or 'too few deaths'}"


def _not_at(wrong: tuple[tuple[str, Judged], ...]) -> str:
    by_center: dict[str, list[str]] = {}
    for center, one in wrong:
        by_center.setdefault(center, []).append(f"{one.name} {number(one.estimate)}")
    named = [f"{center} ({', '.join(parts)})" for center, parts in by_center.items()]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return f"Not at {', '.join(named[:_MOST_NAMED])}{more}, after Holm over all centres."


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}." if words else ""
