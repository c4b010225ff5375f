"""The five lines that answer first: does it order, separate and predict; does it hold everywhere;
where not.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_store.wording import counted
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.center_result import CenterResult
from validation_reports.report.every_center import (
    CHANCE,
    DEATHS_FOR_ORDER,
    EveryCenter,
    judge_centers,
)
from validation_reports.report.summary_line import Line
from validation_reports.report.validation_report import ValidationReport
from validation_reports.statistics.calibration import HorizonCalibration
from validation_reports.statistics.calibration_verdict import (
    HAZARD_SCALE,
    CalibrationVerdict,
    judge_calibration,
)
from validation_reports.statistics.cohort_shift import CohortShift, ShiftVerdict
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.kaplan_meier import MedianTime
from validation_reports.statistics.margins import LEVEL, Margins, Verdict
from validation_reports.statistics.risk_groups import LogRank, RiskGroups
from validation_reports.statistics.subgroups import InteractionTest
from validation_reports.statistics.within_centers import WithinCenters
from validation_reports.wording import horizon_words, interval, months, number, p_words, percent

_TELL_THE_UNIT = 5
"""So many patients, as at the import of a table."""


def headline(report: ValidationReport) -> tuple[Line, ...]:
    """Return the five lines of a report's first screen, in reading order."""
    every = judge_centers(report)
    lines: tuple[Line, ...] = (
        _ordering(report),
        _separation(report.first),
        _prediction(report, every),
        Line("Does it hold at every centre?", every.verdict, every.answer),
    )
    if short := _too_short(report.centers):
        lines = tuple(Line(line.question, Verdict.UNKNOWN, short) for line in lines)
    return (*lines, _where_not(report))


def _ordering(report: ValidationReport) -> Line:
    question, result = "Does the score order patients?", report.first
    c = result.concordance
    if isinstance(c, NotEstimable):
        return Line(question, Verdict.UNKNOWN, c.sentence)
    patients = f"{counted(result.n, 'patient')} with {counted(result.n_events, 'death')}"
    basis = f"C = {interval(c.estimate, c.lower, c.upper)} in {patients}"
    if isinstance(result, WithinCenters):
        basis += f", compared within {counted(result.n_centers, 'centre')}"
    if result.n_events < DEATHS_FOR_ORDER:
        few = f"an order of fewer than {DEATHS_FOR_ORDER} deaths is not judged"
        return Line(question, Verdict.UNKNOWN, f"{basis}; {few}.")
    pool = _unlike_the_pool(report, c)
    if c.lower > CHANCE:
        return Line(question, Verdict.YES, f"{basis}; better than chance (0.50).{pool}")
    if c.upper < CHANCE:
        return Line(question, Verdict.NO, f"{basis}; worse than chance (0.50).{pool}")
    answer = f"{basis}; chance (0.50) lies inside the interval.{pool}"
    return Line(question, Verdict.UNKNOWN, answer)


def _unlike_the_pool(report: ValidationReport, within: Concordance) -> str:
    """Warn where the plain pool tells of another order, because it compares centres too."""
    if report.within is None or report.pooled is None:
        return ""
    plain = report.pooled.concordance
    if isinstance(plain, NotEstimable) or within.lower <= plain.estimate <= within.upper:
        return ""
    return (
        f" The plain pool has C = {number(plain.estimate)}, because it also compares patients of "
        "different centres."
    )


def _separation(result: CenterResult | WithinCenters) -> Line:
    question, groups = "Do the risk groups differ in survival?", result.risk_groups
    hr = groups.hazard_ratio
    test = (
        f", log-rank {p_words(groups.log_rank.p_value)}"
        if isinstance(groups.log_rank, LogRank)
        else ""
    )
    if isinstance(hr, NotEstimable):
        return Line(question, Verdict.UNKNOWN, f"{hr.sentence.removesuffix('.')}{test}.")
    medians = " against ".join(
        f"{months(group.median.days)} ({group.label})"
        if isinstance(group.median, MedianTime)
        else f"not reached ({group.label})"
        for group in reversed(groups.groups)
    )
    answer = f"HR = {interval(hr.estimate, hr.lower, hr.upper)}{test}"
    answer += f"; median survival {medians}." if medians else ", compared within centres."
    if _medians_contradict(groups, hr.estimate):
        crossed = (
            f"HR = {interval(hr.estimate, hr.lower, hr.upper)}, but median survival {medians}: the "
            "curves cross, and one ratio does not tell who lives longer."
        )
        return Line(question, Verdict.UNKNOWN, crossed)
    if hr.lower > 1:
        return Line(question, Verdict.YES, answer)
    return Line(question, Verdict.NO if hr.upper < 1 else Verdict.UNKNOWN, answer)


def _medians_contradict(groups: RiskGroups, ratio: float) -> bool:
    """Say whether the group of the higher hazard has the longer median survival."""
    low, high = (
        next((one.median for one in groups.groups if one.label == label), None)
        for label in ("low risk", "high risk")
    )
    if not (isinstance(low, MedianTime) and isinstance(high, MedianTime)):
        return False
    return high.days > low.days if ratio > 1 else high.days < low.days


def _prediction(report: ValidationReport, every: EveryCenter) -> Line:
    """Say whether the risks are right over the centres; not where a centre shows that they are
    wrong.
    """
    line = calibration_line(report.first, report.margins)
    wrong = list(dict.fromkeys(center for center, one in every.wrong if one.name != "C"))
    if line.verdict is not Verdict.YES or not wrong:
        return line
    answer = f"{line.answer} But that is their mean: not at {', '.join(wrong)}."
    return Line(line.question, Verdict.UNKNOWN, answer)


def calibration_line(result: CenterResult | WithinCenters, margins: Margins) -> Line:
    """Say whether the predicted risks of one centre, or within centres, are right within the
    margins.

    Parameters
    ----------
    result : CenterResult or WithinCenters
        What was found there.
    margins : Margins
        How far from 1 slope and O/E are still right.
    """
    question = "Are the predicted risks right?"
    if isinstance(result, CenterResult) and (short := _too_short((result,))):
        return Line(question, Verdict.UNKNOWN, short)
    found = judge_calibration(result.calibration, result.n_events, margins)
    without = dict(result.left_out) if isinstance(result, WithinCenters) else {}
    parts = [
        f"{percent(at.predicted)} predicted, {percent(at.observed.estimate)} observed at "
        f"{horizon_words(days)}"
        + (f" (without {', '.join(without[days])})" if days in without else "")
        for days, at in result.calibration.horizons
        if isinstance(at, HorizonCalibration)
    ]
    parts += [
        f"{name} {interval(value.estimate, value.lower, value.upper)}"
        for name, value in (
            ("slope", result.calibration.slope),
            (HAZARD_SCALE, result.calibration.hazard),
        )
        if not isinstance(value, NotEstimable)
    ]
    figures = f"Deaths: {'; '.join(parts)}. " if parts else ""
    conclusion = _conclusion(found, result.n_events, margins)
    return Line(question, found.verdict, f"{figures}{conclusion}")


def _conclusion(found: CalibrationVerdict, deaths: int, margins: Margins) -> str:
    within = f"the margins {margins.words}"
    if found.verdict is Verdict.YES:
        return f"Every 95% interval lies inside {within}."
    if found.verdict is Verdict.NO:
        wrong = ", ".join(f"{one.name} {number(one.estimate)}" for one in found.wrong)
        return f"Outside {within}, and not by chance (after Holm): {wrong}."
    parts = list(found.missing or (f"Not every 95% interval lies inside {within}.",))
    if found.deaths_needed is not None and found.deaths_needed > deaths:
        needed = found.deaths_needed
        parts.append(
            f"About {counted(needed, 'death')} would show it, if they are right; here are {deaths}."
        )
    elif found.deaths_needed is not None:
        parts.append(f"{counted(deaths, 'death')} would mostly have been enough, were they right.")
    return " ".join(parts)


def _too_short(results: Sequence[CenterResult]) -> str | None:
    """Return why no verdict is given where nobody was followed until the first horizon, as in a
    table whose times are not days.

    Fewer than 5 patients of a centre may all have died or come by then, and tell nothing of the
    unit: they do not take the verdict from all others.
    """
    short = [
        result
        for result in results
        if result.calibration.horizons and result.last_day < result.calibration.horizons[0][0]
        if result.n >= _TELL_THE_UNIT or len(results) == 1
    ]
    if not short:
        return None
    words = ", ".join(
        f"{counted(round(result.last_day), 'day')} at {result.center}" for result in short
    )
    first = horizon_words(short[0].calibration.horizons[0][0])
    return (
        f"No verdict is given: the longest follow-up is {words}, less than the first horizon of "
        f"{first}. Check that the times are days."
    )


def _where_not(report: ValidationReport) -> Line:
    question, result = "Where does the model not hold?", report.overall
    parts = _differing_subgroups(result)
    if isinstance(result.shift, CohortShift) and result.shift.verdict is not ShiftVerdict.ALIKE:
        parts.append(f"these patients are {result.shift.verdict}")
    if result.excluded:
        reasons = "; ".join(
            f"{len(keys)}: {reason.rstrip('.')}" for reason, keys in result.excluded[:2]
        )
        more = ", and other reasons" if len(result.excluded) > 2 else ""
        # A count that leaves is rounded to 5, and a single patient is given as 5.
        about = "about " if report.disclosed else ""
        parts.append(f"{about}{counted(result.n_excluded, 'patient')} excluded ({reasons}{more})")
    else:
        parts.append("No patient was excluded")
    if result.warnings:
        sentence, patients = result.warnings[0]
        about = "about " if report.disclosed and patients != result.n else ""
        parts.append(
            f"scored with a warning, most often: {sentence.rstrip('.')} "
            f"({about}{counted(patients, 'patient')})"
        )
    parts.append("untested outside the patients of the cohort table")
    return Line(
        question, Verdict.NOTE, ". ".join(part[0].upper() + part[1:] for part in parts) + "."
    )


def _differing_subgroups(result: CenterResult) -> list[str]:
    """Say by what the score's effect differs beyond chance, and for whom it is then not shown."""
    parts = []
    for item in result.subgroups:
        test = item.interaction
        if isinstance(test, NotEstimable) or not _is_beyond_chance(test):
            continue
        unshown = [
            level.level
            for level in item.levels
            if not (isinstance(level.concordance, Concordance) and level.concordance.lower > CHANCE)
        ]
        parts.append(f"the score's effect differs by {item.name}")
        if unshown:
            parts[-1] += f" and is not shown in {', '.join(unshown)}"
    return parts


def _is_beyond_chance(test: InteractionTest) -> bool:
    return test.adjusted_p_value is not None and test.adjusted_p_value < LEVEL
