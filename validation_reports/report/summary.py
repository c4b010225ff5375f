"""The five lines that answer first: does it order, separate and predict; does it hold everywhere;
for whom not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from validation_reports.not_estimable import NotEstimable
from validation_reports.report.center_result import CenterResult
from validation_reports.report.follow_up_reach import too_short_follow_up
from validation_reports.report.validation_report import ValidationReport
from validation_reports.statistics.calibration import HorizonCalibration
from validation_reports.statistics.cohort_shift import CohortShift, ShiftVerdict
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.kaplan_meier import MedianTime
from validation_reports.statistics.random_effects import PooledEffect
from validation_reports.statistics.risk_groups import LogRank
from validation_reports.statistics.subgroups import InteractionTest
from validation_reports.wording import count, horizon_words, interval, months, p_words, percent

_CHANCE = 0.5
_LEVEL = 0.05


class Verdict(StrEnum):
    """How a line of the summary is to be read; shown as a word, never by colour alone."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    UNKNOWN = "not shown"
    NOTE = "note"


@dataclass(frozen=True)
class Line:
    """One line of the summary: the question, the verdict and the answer with its numbers."""

    question: str
    verdict: Verdict
    answer: str


def headline(report: ValidationReport) -> tuple[Line, ...]:
    """Return the five lines of a report's first screen, in reading order."""
    lines = (
        _ordering(report),
        _separation(report.overall),
        _prediction(report),
        _everywhere(report),
        _for_whom_not(report),
    )
    if (too_short := too_short_follow_up(report.centers)) is None:
        return lines
    return tuple(
        line if line.verdict is Verdict.NOTE else Line(line.question, Verdict.UNKNOWN, too_short)
        for line in lines
    )


def _ordering(report: ValidationReport) -> Line:
    question, result = "Does the score order patients?", report.overall
    c = result.concordance
    if isinstance(c, NotEstimable):
        return Line(question, Verdict.UNKNOWN, c.sentence)
    patients = f"{count(result.n, 'patient')} with {count(result.n_events, 'death')}"
    basis = f"C = {interval(c.estimate, c.lower, c.upper)} in {patients}"
    if c.lower > _CHANCE:
        return Line(question, Verdict.YES, f"{basis}; better than chance (0.50).")
    if c.upper < _CHANCE:
        return Line(question, Verdict.NO, f"{basis}; worse than chance (0.50).")
    return Line(question, Verdict.UNKNOWN, f"{basis}; chance (0.50) lies inside the interval.")


def _separation(result: CenterResult) -> Line:
    question, groups = "Do the risk groups live differently?", result.risk_groups
    hr = groups.hazard_ratio
    if isinstance(hr, NotEstimable):
        return Line(question, Verdict.UNKNOWN, hr.sentence)
    test = (
        f", log-rank {p_words(groups.log_rank.p_value)}"
        if isinstance(groups.log_rank, LogRank)
        else ""
    )
    medians = " against ".join(
        f"{months(group.median.days)} ({group.label})"
        if isinstance(group.median, MedianTime)
        else f"not reached ({group.label})"
        for group in reversed(groups.groups)
    )
    answer = f"HR = {interval(hr.estimate, hr.lower, hr.upper)}{test}; median survival {medians}."
    if hr.lower > 1:
        return Line(question, Verdict.YES, answer)
    return Line(question, Verdict.NO if hr.upper < 1 else Verdict.UNKNOWN, answer)


def _prediction(report: ValidationReport) -> Line:
    return calibration_line(report.overall)


def calibration_line(result: CenterResult) -> Line:
    """Say whether the predicted risks of one centre, or of the pool, are right: O/E at every
    horizon and the slope.
    """
    question = "Are the predicted risks right?"
    if too_short := too_short_follow_up([result]):
        return Line(question, Verdict.UNKNOWN, too_short)
    parts, right = [], []
    for days, found in result.calibration.horizons:
        if isinstance(found, HorizonCalibration):
            if not isinstance(found.ratio, NotEstimable):
                right.append(found.ratio.lower <= 1 <= found.ratio.upper)
            observed = percent(found.observed.estimate)
            parts.append(
                f"{percent(found.predicted)} predicted, {observed} observed at "
                f"{horizon_words(days)}"
            )
    slope = result.calibration.slope
    if not isinstance(slope, NotEstimable):
        right.append(slope.lower <= 1 <= slope.upper)
        parts.append(f"slope {interval(slope.estimate, slope.lower, slope.upper)}")
    if not right:
        return Line(
            question,
            Verdict.UNKNOWN,
            "Too few deaths or too short a follow-up to compare predicted with observed risk.",
        )
    verdict = Verdict.YES if all(right) else Verdict.PARTLY if any(right) else Verdict.NO
    answer = f"Deaths: {'; '.join(parts)}"
    if verdict is Verdict.YES and (isinstance(slope, NotEstimable) or slope.lower <= 0):
        # An interval that holds both 1 and 0 agrees with right predictions and with predictions
        # that say nothing.
        return Line(
            question,
            Verdict.UNKNOWN,
            f"{answer}: too few deaths to tell right predictions from empty ones.",
        )
    return Line(question, verdict, f"{answer}.")


def _everywhere(report: ValidationReport) -> Line:
    question = "Does it hold at every centre?"
    known = [
        (result.center, result.concordance)
        for result in report.centers
        if isinstance(result.concordance, Concordance)
    ]
    unknown = [
        result.center for result in report.centers if isinstance(result.concordance, NotEstimable)
    ]
    if len(report.centers) == 1:
        return Line(
            question, Verdict.UNKNOWN, f"Only one centre was looked at: {report.centers[0].center}."
        )
    if not known:
        return Line(question, Verdict.UNKNOWN, "No centre alone has enough deaths.")
    lowest, highest = (pick(known, key=lambda item: item[1].estimate) for pick in (min, max))
    answer = (
        f"C from {lowest[1].estimate:.2f} ({lowest[0]}) to {highest[1].estimate:.2f} ({highest[0]})"
        if len(known) > 1
        else f"C {lowest[1].estimate:.2f} ({lowest[0]})"
    )
    unshown = [name for name, c in known if c.lower <= _CHANCE]
    if unshown:
        answer += f"; not shown to beat chance at {', '.join(unshown)}"
    if unknown:
        answer += f"; too few deaths at {', '.join(unknown)}"
    pooled = next(
        (item.pooled for item in report.across_centers if item.name == "Harrell's C"), None
    )
    if isinstance(pooled, PooledEffect):
        answer += (
            "; expected at a new centre "
            f"{pooled.prediction_lower:.2f}–{pooled.prediction_upper:.2f}"
        )
    verdict = (
        Verdict.YES
        if not unshown and not unknown
        else Verdict.PARTLY
        if len(unshown) < len(known)
        else Verdict.UNKNOWN
    )
    return Line(question, verdict, answer + ".")


def _for_whom_not(report: ValidationReport) -> Line:
    question, result = "For whom not?", report.overall
    parts = _weak_subgroups(result)
    if isinstance(result.shift, CohortShift) and result.shift.verdict is not ShiftVerdict.ALIKE:
        parts.append(f"these patients are {result.shift.verdict}")
    if result.excluded:
        reasons = "; ".join(
            f"{len(keys)}: {reason.rstrip('.')}" for reason, keys in result.excluded[:2]
        )
        more = ", and other reasons" if len(result.excluded) > 2 else ""
        parts.append(f"{count(result.n_excluded, 'patient')} excluded ({reasons}{more})")
    else:
        parts.append("No patient was excluded")
    if result.warnings:
        sentence, patients = result.warnings[0]
        parts.append(
            f"scored with a warning, most often: {sentence.rstrip('.')} "
            f"({count(patients, 'patient')})"
        )
    parts.append("untested outside the patients of the cohort table")
    return Line(
        question, Verdict.NOTE, ". ".join(part[0].upper() + part[1:] for part in parts) + "."
    )


def _weak_subgroups(result: CenterResult) -> list[str]:
    """Say in which subgroups the score is not shown to order patients, and where its effect
    differs.
    """
    known = [
        (level.level, level.concordance)
        for item in result.subgroups
        for level in item.levels
        if isinstance(level.concordance, Concordance)
    ]
    weak = [name for name, c in known if c.lower <= _CHANCE]
    parts = []
    if weak and len(weak) < len(known):
        parts.append(f"not shown to order these patients: {', '.join(weak)}")
    differing = [
        item.name
        for item in result.subgroups
        if isinstance(item.interaction, InteractionTest) and item.interaction.p_value < _LEVEL
    ]
    if differing:
        parts.append(f"the score's effect differs by {', '.join(differing)}")
    return parts
