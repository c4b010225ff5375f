"""What R needs to compute a report's main numbers again: the patients without identity, the
numbers, and a script.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.center_result import CenterResult
from validation_reports.report.validation_report import ValidationReport
from validation_reports.statistics.added_value import AddedValue
from validation_reports.statistics.brier_score import BrierScore
from validation_reports.statistics.calibration import (
    RATIO_METHOD,
    CalibrationSlope,
    ObservedExpected,
)
from validation_reports.statistics.discrimination import (
    UNO_METHOD,
    Concordance,
    Difference,
    UnoConcordance,
)
from validation_reports.statistics.hazard_calibration import HazardScaleRatio
from validation_reports.statistics.kaplan_meier import MedianTime
from validation_reports.statistics.net_benefit import DecisionCurve
from validation_reports.statistics.proportional_hazards import ProportionalityTest
from validation_reports.statistics.random_effects import PooledEffect, to_scale
from validation_reports.statistics.risk_groups import HazardRatio, LogRank
from validation_reports.statistics.smooth_calibration import SmoothCalibration
from validation_reports.statistics.subgroups import InteractionTest
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc
from validation_reports.statistics.within_centers import WithinCenters

SCRIPT = Path(__file__).parent / "recompute.R"
_EXACT, _ITERATED = 1e-10, 1e-6
"""Tolerances: sums and products; what a Cox regression iterates to."""
_SOLVED, _INTEGRATED = 1e-8, 1e-4
"""Tolerances: ends that are roots; ends that are roots of an integral."""


def patients_csv(cohorts: Sequence[ScoredCohort]) -> str:
    """Return the analysed patients as CSV without pseudonyms: a running number by follow-up, age in
    whole years.

    Parameters
    ----------
    cohorts : sequence of ScoredCohort
        One per centre.
    """
    tables = []
    for cohort in cohorts:
        table = pd.DataFrame(
            {
                "center": cohort.center,
                "days": cohort.survival.days,
                "event": cohort.survival.event.astype(int),
                "lp": cohort.linear_predictor,
                "high": cohort.high_risk.astype(int),
                **{
                    f"survival_{days}": values for days, values in cohort.predicted_survival.items()
                },
                **{name: cohort.covariates[name] for name in ("sex", "histology", "stage")},
                **(
                    {}
                    if cohort.signatures is None
                    else {
                        f"signature_{name}": cohort.signatures[name]
                        for name in cohort.signatures.columns
                    }
                ),
                **_hazard(cohort),
                "age": np.floor(cohort.covariates["age"].to_numpy(dtype=np.float64)),
            }
        )
        table = table.sort_values(["days", "lp"], kind="stable")
        table.insert(1, "patient", range(1, cohort.n + 1))
        tables.append(table)
    if not tables:
        return "center,patient,days,event,lp,high\n"
    return str(pd.concat(tables).to_csv(index=False, float_format="%.17g", lineterminator="\n"))


def _hazard(cohort: ScoredCohort) -> dict[str, NDArray[np.float64]]:
    """Return the predicted cumulative hazard of each patient's follow-up, as far as the model knows
    one, and whether a death fell into it.
    """
    if cohort.baseline is None:
        return {}
    days, last = cohort.survival.days, cohort.baseline.last_day
    return {
        "hazard": cohort.baseline.hazard_until(days, cohort.linear_predictor),
        "counted": (cohort.survival.event & (days <= last)).astype(np.float64),
    }


def expected_csv(report: ValidationReport, reported: ValidationReport | None = None) -> str:
    """Return the numbers that `recompute.R` compares with.

    Parameters
    ----------
    report : ValidationReport
        What the rows of `patients_csv` give.
    reported : ValidationReport, optional
        The report that the rows are handed over with, if they are rounded and it gives others.

    Returns
    -------
    str
        Columns centre (empty for the pool), statistic, value, tolerance, and what is reported.
    """
    told = {(center, name): value for center, name, value, _ in _rows(reported or report)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["center", "statistic", "value", "tolerance", "reported"])
    for center, name, value, tolerance in _rows(report):
        same = told.get((center, name))
        shown = "" if same is None else format(same, ".17g")
        writer.writerow([center, name, format(value, ".17g"), tolerance, shown])
    return text.getvalue()


def _rows(report: ValidationReport) -> Iterator[tuple[str, str, float, float]]:
    for result in (*report.centers, *([report.pooled] if report.pooled else [])):
        name = "" if result is report.pooled else result.center
        for statistic, value, tolerance in _numbers(result):
            yield name, statistic, value, tolerance
    for column in report.cohort_table.columns:
        name = "" if report.pooled and column.center == report.pooled.center else column.center
        for what, found in (
            ("median survival", column.median_survival),
            ("median follow-up", column.follow_up),
        ):
            for part, value in _median(what, found):
                yield name, part, value, _EXACT * value
    for item in report.across_centers:
        if isinstance(item.pooled, PooledEffect):
            for what, value in (
                ("random effects", item.pooled.scaled_estimate),
                ("standard error of the random effects", item.pooled.scaled_standard_error),
                ("tau2", item.pooled.tau_squared),
            ):
                yield "", f"{what} {item.name}", value, _ITERATED
            for what, ends, tolerance in (
                ("mean over centres", (item.pooled.lower, item.pooled.upper), _ITERATED),
                (
                    "new centre",
                    (item.pooled.prediction_lower, item.pooled.prediction_upper),
                    _INTEGRATED,
                ),
            ):
                for side, end in zip(("lower", "upper"), ends, strict=True):
                    on_scale = to_scale(end, item.pooled.scale)
                    allowed = tolerance * max(1.0, abs(on_scale))
                    yield "", f"{what} {side} {item.name}", on_scale, allowed
    yield from _within_centers(report)


def _within_centers(report: ValidationReport) -> Iterator[tuple[str, str, float, float]]:
    """Give the figures within centres, and those without each, under the name of that centre."""
    if report.within:
        for statistic, value, tolerance in _within(report.within):
            yield "", f"within {statistic}", value, tolerance
    for center, without in zip(report.centers, report.leave_one_out, strict=False):
        for statistic, value, tolerance in _within(without):
            yield center.center, f"without {statistic}", value, tolerance


def _within(found: WithinCenters) -> Iterator[tuple[str, float, float]]:
    if isinstance(c := found.concordance, Concordance):
        yield "C", c.estimate, _EXACT
        yield "C standard error", c.standard_error, _EXACT
        yield from _limits("C", c, _SOLVED)
    if isinstance(hr := found.risk_groups.hazard_ratio, HazardRatio):
        yield "log HR", hr.log_estimate, _ITERATED
        yield "log HR standard error", hr.standard_error, _ITERATED
    if isinstance(test := found.risk_groups.log_rank, LogRank):
        yield "log-rank", test.chi_square, _EXACT * max(1.0, test.chi_square)
    if isinstance(slope := found.calibration.slope, CalibrationSlope):
        yield "slope", slope.estimate, _ITERATED
        yield "slope standard error", slope.standard_error, _ITERATED
    for days, at in found.calibration.horizons:
        if not isinstance(at, NotEstimable) and isinstance(at.ratio, ObservedExpected):
            yield f"O/E@{days}", at.ratio.estimate, _EXACT


def _median(what: str, found: MedianTime | NotEstimable) -> Iterator[tuple[str, float]]:
    if isinstance(found, MedianTime):
        limits = (("", found.days), (" lower", found.lower), (" upper", found.upper))
        yield from ((what + part, value) for part, value in limits if value is not None)


def _limits(
    what: str,
    found: HazardRatio | CalibrationSlope | Concordance | HazardScaleRatio,
    tolerance: float,
) -> Iterator[tuple[str, float, float]]:
    yield f"{what} lower", found.lower, tolerance * max(1.0, found.lower)
    yield f"{what} upper", found.upper, tolerance * max(1.0, found.upper)


def script() -> str:
    """Return the R script."""
    return SCRIPT.read_text(encoding="utf-8")


def _numbers(result: CenterResult) -> Iterator[tuple[str, float, float]]:
    yield "n", result.n, 0.0
    yield "deaths", result.n_events, 0.0
    yield from _of_order(result)
    yield from _of_groups(result)
    yield from _of_regressions(result)
    yield from _of_comparisons(result)
    yield from _of_horizons(result)
    yield from _of_calibration(result)


def _of_order(result: CenterResult) -> Iterator[tuple[str, float, float]]:
    if isinstance(c := result.concordance, Concordance):
        yield "C", c.estimate, _EXACT
        yield "C standard error", c.standard_error, _EXACT
        yield from _limits("C", c, _SOLVED)
    if isinstance(uno := result.uno, UnoConcordance) and uno.until is not None:
        yield f"Uno C@{uno.until:g}", uno.estimate, _EXACT
        if uno.method == UNO_METHOD:
            yield f"Uno C lower@{uno.until:g}", uno.lower, _EXACT
            yield f"Uno C upper@{uno.until:g}", uno.upper, _EXACT


def _of_groups(result: CenterResult) -> Iterator[tuple[str, float, float]]:
    if isinstance(hr := result.risk_groups.hazard_ratio, HazardRatio):
        yield "log HR", hr.log_estimate, _ITERATED
        yield "log HR standard error", hr.standard_error, _ITERATED
        yield from _limits("HR", hr, _ITERATED)
    for group in result.risk_groups.groups:
        for part, value in _median(f"median {group.label}", group.median):
            yield part, value, _EXACT * value
    if isinstance(test := result.risk_groups.log_rank, LogRank):
        yield "log-rank", test.chi_square, _EXACT * max(1.0, test.chi_square)


def _of_regressions(result: CenterResult) -> Iterator[tuple[str, float, float]]:
    if isinstance(slope := result.calibration.slope, CalibrationSlope):
        yield "slope", slope.estimate, _ITERATED
        yield "slope standard error", slope.standard_error, _ITERATED
        yield from _limits("slope", slope, _ITERATED)
    if isinstance(check := result.proportionality, ProportionalityTest):
        yield "proportional hazards", check.chi_square, _ITERATED * max(1.0, check.chi_square)
    if isinstance(added := result.added_value, AddedValue):
        yield "stage LRT", added.likelihood_ratio, _ITERATED * max(1.0, added.likelihood_ratio)
    for analysis in result.subgroups:
        if isinstance(analysis.interaction, InteractionTest):
            yield f"interaction {analysis.name}", analysis.interaction.p_value, _ITERATED


def _of_comparisons(result: CenterResult) -> Iterator[tuple[str, float, float]]:
    for other in result.comparisons:
        name = other.signature
        if isinstance(found := other.concordance, Difference):
            yield f"difference in C to {name}", found.estimate, _EXACT
            yield f"standard error of the difference in C to {name}", found.standard_error, _EXACT
        for at in other.horizons:
            if isinstance(at.auc, Difference):
                yield f"difference in AUC to {name}@{at.days}", at.auc.estimate, _EXACT
            if isinstance(found := at.delong, Difference):
                yield f"DeLong to {name}@{at.days}", found.estimate, _EXACT
                yield f"standard error of DeLong to {name}@{at.days}", found.standard_error, _EXACT


def _of_horizons(result: CenterResult) -> Iterator[tuple[str, float, float]]:
    for days, auc in result.auc:
        if isinstance(auc, TimeDependentAuc):
            yield f"AUC@{days}", auc.estimate, _EXACT
            yield f"AUC standard error@{days}", auc.standard_error, _EXACT
            yield f"AUC lower@{days}", auc.lower, _SOLVED
            yield f"AUC upper@{days}", auc.upper, _SOLVED
    for days, brier in result.brier:
        if isinstance(brier, BrierScore):
            yield f"Brier@{days}", brier.estimate, _EXACT
            yield f"IPA@{days}", brier.ipa, _EXACT
    for days, curve in result.decision:
        if isinstance(curve, DecisionCurve):
            for threshold, benefit in zip(curve.thresholds, curve.model, strict=True):
                yield f"net benefit {threshold:g}@{days}", benefit, _EXACT


def _of_calibration(result: CenterResult) -> Iterator[tuple[str, float, float]]:
    if isinstance(hazard := result.calibration.hazard, HazardScaleRatio):
        yield "hazard O/E", hazard.estimate, _EXACT
        yield from _limits("hazard O/E", hazard, _EXACT)
    for days, found in result.calibration.horizons:
        if isinstance(found, NotEstimable):
            continue
        yield f"observed@{days}", found.observed.estimate, _EXACT
        if 0 < found.observed.estimate < 1:
            yield f"observed lower@{days}", found.observed.lower, _EXACT
            yield f"observed upper@{days}", found.observed.upper, _EXACT
        if isinstance(found.ratio, ObservedExpected) and math.isfinite(found.ratio.estimate):
            yield f"O/E@{days}", found.ratio.estimate, _EXACT
            if found.ratio.method == RATIO_METHOD:
                yield f"O/E lower@{days}", found.ratio.lower, _EXACT * max(1.0, found.ratio.lower)
                yield f"O/E upper@{days}", found.ratio.upper, _EXACT * max(1.0, found.ratio.upper)
        if isinstance(smooth := found.smooth, SmoothCalibration):
            for name in ("ICI", "E50", "E90", "Emax"):
                yield f"{name}@{days}", getattr(smooth, name.lower()), _ITERATED
