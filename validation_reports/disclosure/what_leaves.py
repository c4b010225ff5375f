"""What of a report may be handed over: the record as it is, or with everything that singles out a
patient replaced.

Figures of many patients (C, slope, O/E, hazard ratio, AUC, Brier score, their intervals and
verdicts) stay exact. Curves, calibration groups, numbers at risk, medians and the rows for R are
computed from patients of whom at least five look alike (`alike_patients`); tables have no small
cell (`small_cells`). The record itself stays inside the installation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.disclosure.alike_patients import (
    GRID_DAYS,
    SCORE_STEP,
    SMALLEST_CELL,
    alike_patients,
    on_grid,
)
from validation_reports.disclosure.counts_beside_figures import (
    across_centers_that_leave,
    added_value_that_leaves,
    comparisons_that_leave,
    rough_deaths,
    rough_pairs,
    shift_that_leaves,
    subgroups_with_rough_counts,
)
from validation_reports.disclosure.sentences import (
    everywhere,
    sentence_that_leaves,
    without_pseudonyms,
)
from validation_reports.disclosure.small_cells import (
    contours_that_leave,
    is_small,
    levels_together,
    reasons_together,
    shown,
    subgroups_that_leave,
    unrounded,
    without_small_cells,
)
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.center_result import CenterResult
from validation_reports.report.validation_report import ValidationReport, build_report
from validation_reports.statistics.bootstrap import Bootstrap
from validation_reports.statistics.calibration import (
    Calibration,
    HorizonCalibration,
)
from validation_reports.statistics.cohort_table import CohortColumn
from validation_reports.statistics.drift import Drift
from validation_reports.statistics.hazard_calibration import HazardScaleRatio
from validation_reports.statistics.net_benefit import DecisionCurve
from validation_reports.statistics.risk_groups import RiskGroups
from validation_reports.statistics.smooth_calibration import SmoothCalibration
from validation_reports.statistics.subgroups import SubgroupAnalysis
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc
from validation_reports.statistics.within_centers import WithinCenters
from validation_reports.statistics.within_range import WithinRange

STATEMENT = (
    "Figures of all patients are exact. What shows single patients is not: curves, calibration "
    "groups, numbers at risk and the rows for R are of patients put together by at least "
    f"{SMALLEST_CELL}, with one score (to {SCORE_STEP:g}) and one time (to {GRID_DAYS} days); "
    f"medians are to {GRID_DAYS} days, counts in tables to {SMALLEST_CELL}, and levels of "
    f"fewer are put together or left out; 1 to {SMALLEST_CELL - 1} patients or deaths "
    f"are given as {SMALLEST_CELL}."
)
WITHHELD = NotEstimable(
    "Not shown: fewer than 5 patients died here, or fewer than 5 did not, and they could be found."
)


FEW_OUTSIDE = NotEstimable(
    "Not shown: fewer than 5 patients are outside the range of the training patients, or within "
    "it, and they could be found."
)


class Disclosure(StrEnum):
    """What leaves with a report: everything as it was found, or nothing that finds a patient."""

    EXACT = "exact"
    SAFE = "safe"


@dataclass(frozen=True)
class Leaving:
    """What is handed over.

    Parameters
    ----------
    report : ValidationReport
        The report of the folder, the page, the PDF, the PACS and the artifacts.
    cohorts : tuple of ScoredCohort
        The patients of curves and rows for R.
    of_rows : ValidationReport or None
        What these rows themselves give, which R confirms; `None` where none leave.
    """

    report: ValidationReport
    cohorts: tuple[ScoredCohort, ...]
    of_rows: ValidationReport | None


def what_leaves(
    report: ValidationReport, cohorts: Sequence[ScoredCohort], disclosure: Disclosure
) -> Leaving:
    """Return what of a report is handed over.

    Parameters
    ----------
    report : ValidationReport
        The record.
    cohorts : sequence of ScoredCohort
        The patients it was found in, by centre in its order.
    disclosure : Disclosure
        How much leaves.
    """
    if disclosure is Disclosure.EXACT:
        return Leaving(report, tuple(cohorts), report)
    rows = {cohort.center: alike_patients(cohort) for cohort in cohorts}
    there = tuple(rows[cohort.center] for cohort in cohorts if rows[cohort.center] is not None)
    known = tuple(cohort for cohort in there if cohort is not None)
    provenance = without_pseudonyms(report.provenance)
    of_rows = None
    if known:
        of_rows = build_report(
            known,
            provenance,
            report.horizons,
            n_resamples=_resamples(report),
            margins=report.margins,
            decision_thresholds=report.decision_thresholds,
        )
    return Leaving(_safe(replace(report, provenance=provenance), of_rows), known, of_rows)


def _safe(report: ValidationReport, of_rows: ValidationReport | None) -> ValidationReport:
    rows = {one.center: one for one in of_rows.centers} if of_rows else {}
    kept, of_pool = subgroups_that_leave(
        [one.subgroups for one in report.centers], report.pooled.subgroups if report.pooled else ()
    )
    centers = tuple(
        _center(one, rows.get(one.center), subgroups)
        for one, subgroups in zip(report.centers, kept, strict=True)
    )
    pooled = report.pooled
    if pooled:
        together = of_rows.pooled if of_rows and len(rows) == len(centers) else None
        pooled = replace(
            _center(pooled, together, of_pool),
            n=sum(one.n for one in centers),
            n_events=sum(one.n_events for one in centers),
            n_high=sum(one.n_high for one in centers),
            excluded=_sum_of_reasons([one.excluded for one in centers]),
        )
    safe = replace(
        report,
        centers=centers,
        pooled=pooled,
        cohort_table=without_small_cells(
            report.cohort_table,
            _columns(report, [*centers, *([pooled] if pooled else [])], of_rows),
            has_pool=pooled is not None,
        ),
        across_centers=across_centers_that_leave(report.across_centers, centers),
        within=report.within and _within(report.within, centers),
        leave_one_out=tuple(
            _within(one, [other for other in centers if other is not center])
            for one, center in zip(report.leave_one_out, centers, strict=False)
        ),
        disclosed=STATEMENT,
    )
    leaving: ValidationReport = everywhere(
        safe, NotEstimable, lambda one: NotEstimable(sentence_that_leaves(one.sentence))
    )
    return leaving


def _center(
    exact: CenterResult, rows: CenterResult | None, subgroups: tuple[SubgroupAnalysis, ...]
) -> CenterResult:
    n = unrounded(exact.n)
    n_events = unrounded(exact.n_events, exact.n)
    return replace(
        exact,
        n=n,
        n_events=n_events,
        n_high=rows.n_high if rows else shown(exact.n_high, n),
        concordance=rough_pairs(exact.concordance),
        auc=tuple(
            (days, _auc(auc, rows.auc[place][1] if rows else None, n))
            for place, (days, auc) in enumerate(exact.auc)
        ),
        comparisons=comparisons_that_leave(exact.comparisons, n),
        risk_groups=_groups(exact.risk_groups, rows.risk_groups if rows else None),
        calibration=_calibration(exact.calibration, rows.calibration if rows else None, n_events),
        d_calibration=rows.d_calibration if rows else WITHHELD,
        decision=tuple(
            (days, _curve(curve, rows.decision[place][1] if rows else WITHHELD, subgroups))
            for place, (days, curve) in enumerate(exact.decision)
        ),
        added_value=added_value_that_leaves(exact.added_value, exact.n, n, n_events),
        subgroups=subgroups_with_rough_counts(subgroups),
        bootstrap=_bands(exact.bootstrap, rows.bootstrap if rows else WITHHELD),
        shift=shift_that_leaves(exact.shift, n),
        acquisitions=exact.acquisitions
        if isinstance(exact.acquisitions, NotEstimable)
        else levels_together(exact.acquisitions, n),
        drift=_drift(exact.drift, n),
        excluded=reasons_together(exact.excluded),
        warnings=tuple((sentence, shown(count, n)) for sentence, count in exact.warnings),
        within_range=_within_range(exact.within_range, n),
        over_contours=contours_that_leave(exact.over_contours, exact.n),
    )


def _auc(exact: Any, rows: Any, n: int) -> Any:
    if not isinstance(exact, TimeDependentAuc):
        return exact
    if isinstance(rows, TimeDependentAuc):
        return replace(exact, cases=rows.cases, controls=rows.controls)
    return replace(exact, cases=shown(exact.cases, n), controls=shown(exact.controls, n))


def _groups(exact: RiskGroups, rows: RiskGroups | None) -> RiskGroups:
    return replace(exact, log_rank=rough_deaths(exact.log_rank), groups=rows.groups if rows else ())


def _calibration(exact: Calibration, rows: Calibration | None, n_events: int) -> Calibration:
    at = dict(rows.horizons) if rows else {}
    hazard = exact.hazard
    if isinstance(hazard, HazardScaleRatio):
        observed = unrounded(min(hazard.observed, n_events), n_events)
        hazard = replace(
            hazard,
            observed=observed,
            expected=observed / hazard.estimate if hazard.estimate else hazard.expected,
            until=on_grid(hazard.until),
        )
    return replace(
        exact,
        horizons=tuple((days, _horizon(one, at.get(days))) for days, one in exact.horizons),
        hazard=hazard,
    )


def _horizon(exact: HorizonCalibration | NotEstimable, rows: Any) -> Any:
    if not isinstance(exact, HorizonCalibration):
        return exact
    if not isinstance(rows, HorizonCalibration):
        known = isinstance(exact.smooth, SmoothCalibration)
        smooth = WITHHELD if known else exact.smooth
        return replace(exact, at_risk=shown(exact.at_risk), groups=(), smooth=smooth)
    smooth = rows.smooth
    if isinstance(smooth, SmoothCalibration) and isinstance(exact.smooth, SmoothCalibration):
        smooth = replace(smooth, ici=exact.smooth.ici)
    groups = tuple(group for group in rows.groups if group.n >= SMALLEST_CELL)
    return replace(exact, at_risk=rows.at_risk, groups=groups, smooth=smooth)


def _curve(exact: Any, rows: Any, subgroups: tuple[SubgroupAnalysis, ...]) -> Any:
    if not isinstance(exact, DecisionCurve):
        return exact
    if not isinstance(rows, DecisionCurve):
        return WITHHELD
    has_stage = any(one.name == "stage" for one in subgroups)
    same = rows.thresholds == exact.thresholds
    return replace(rows, named=exact.named, by_stage=exact.by_stage if has_stage and same else ())


def _bands(exact: Bootstrap | NotEstimable, rows: Any) -> Bootstrap | NotEstimable:
    if not isinstance(exact, Bootstrap):
        return exact
    bands = rows.horizons if isinstance(rows, Bootstrap) else [None] * len(exact.horizons)
    return replace(
        exact,
        horizons=tuple(
            replace(one, band=band.band if band else WITHHELD)
            for one, band in zip(exact.horizons, bands, strict=True)
        ),
    )


def _within_range(found: WithinRange | NotEstimable, n: int) -> WithinRange | NotEstimable:
    """Return the figures without patients outside the range, unless they are so few that the
    difference from the figures of all would find them.
    """
    if not isinstance(found, WithinRange):
        return found
    if is_small(found.n_outside) or is_small(found.n) or is_small(found.n - found.n_events):
        return FEW_OUTSIDE
    n_events = shown(found.n_events, found.n)
    hazard = found.hazard
    if isinstance(hazard, HazardScaleRatio):
        hazard = replace(
            hazard,
            observed=n_events,
            expected=n_events / hazard.estimate if hazard.estimate else hazard.expected,
            until=on_grid(hazard.until),
        )
    n_outside = shown(found.n_outside, n)
    return replace(
        found,
        n_outside=n_outside,
        n=n - n_outside,
        n_events=n_events,
        concordance=rough_pairs(found.concordance),
        hazard=hazard,
    )


def _drift(found: Drift | NotEstimable, n: int) -> Drift | NotEstimable:
    if not isinstance(found, Drift):
        return found
    few = any(period.n < SMALLEST_CELL for period in found.periods)
    known = shown(found.n, n)
    return replace(
        found,
        n=known,
        n_unknown=n - known,
        periods=()
        if few
        else tuple(replace(one, mean=round(one.mean, 1)) for one in found.periods),
    )


def _columns(
    report: ValidationReport, results: Sequence[CenterResult], of_rows: ValidationReport | None
) -> list[CohortColumn]:
    """Return the columns of the table of patients, with the counts that the centres are shown with,
    and followed as the rows were.
    """
    rows = {one.center: one for one in of_rows.cohort_table.columns} if of_rows else {}
    found = []
    for column, result in zip(report.cohort_table.columns, results, strict=True):
        of_column = rows.get(column.center)
        lost = {one.days: one.n_lost for one in of_column.completeness} if of_column else {}
        found.append(
            replace(
                column,
                n=result.n,
                n_events=result.n_events,
                n_high=result.n_high,
                n_excluded=result.n_excluded,
                completeness=tuple(
                    replace(one, n_lost=lost.get(one.days, shown(one.n_lost)))
                    for one in column.completeness
                ),
            )
        )
    return found


def _within(found: WithinCenters, centers: Sequence[CenterResult]) -> WithinCenters:
    """Return figures within centres with the counts that add up to those that the centres show."""
    n_events = sum(one.n_events for one in centers)
    return replace(
        found,
        n=sum(one.n for one in centers),
        n_events=n_events,
        concordance=rough_pairs(found.concordance),
        risk_groups=_groups(found.risk_groups, None),
        calibration=_calibration(found.calibration, None, n_events),
    )


def _sum_of_reasons(
    centers: Sequence[Sequence[tuple[str, tuple[str, ...]]]],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    counts = Counter[str]()
    for excluded in centers:
        counts.update({reason: len(keys) for reason, keys in excluded})
    return tuple(
        (reason, tuple(str(number + 1) for number in range(count)))
        for reason, count in counts.most_common()
    )


def _resamples(report: ValidationReport) -> int:
    found = [one.bootstrap for one in report.centers if isinstance(one.bootstrap, Bootstrap)]
    return found[0].n_resamples if found else 1
