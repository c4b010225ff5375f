"""ROC curves of which no point tells where one patient's score lies."""

from __future__ import annotations

from dataclasses import replace

from validation_reports.disclosure.alike_patients import SMALLEST_CELL
from validation_reports.disclosure.small_cells import shown, unrounded
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.model_comparison import ScoreComparison
from validation_reports.statistics.roc_curve import RocCurve
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc


def comparison_that_leaves(found: ScoreComparison) -> ScoreComparison:
    """Return a comparison whose ROC curves have at least five of the dead, and five of the others,
    between any two points; areas, C and their differences stay exact.

    Parameters
    ----------
    found : ScoreComparison
        Two models on the same patients.
    """
    return replace(
        found,
        n=unrounded(found.n),
        n_events=unrounded(found.n_events, found.n),
        horizons=tuple(
            replace(one, curves=(_coarse(one.curves[0]), _coarse(one.curves[1])))
            for one in found.horizons
        ),
    )


def _coarse(curve: RocCurve | NotEstimable) -> RocCurve | NotEstimable:
    if isinstance(curve, NotEstimable):
        return curve
    cases, controls = curve.auc.cases, curve.auc.controls
    kept = [(0.0, 0.0)]
    points = list(zip(curve.false_positive, curve.true_positive, strict=True))
    for x, y in points:
        is_far = _are_enough(x - kept[-1][0], y - kept[-1][1], controls, cases)
        if is_far and _are_enough(1.0 - x, 1.0 - y, controls, cases):
            kept.append((x, y))
    kept.append((1.0, 1.0))
    return RocCurve(_area(curve.auc), *(tuple(values) for values in zip(*kept, strict=True)))


def _are_enough(of_controls: float, of_cases: float, controls: int, cases: int) -> bool:
    """Say whether shares of both are of five patients.

    A late death weighs more than an early one, so a share of the weights may be of fewer: twice
    five are asked for.
    """
    return (
        of_controls * controls > SMALLEST_CELL - 0.5 and of_cases * cases > 2 * SMALLEST_CELL - 0.5
    )


def _area(auc: TimeDependentAuc) -> TimeDependentAuc:
    return replace(auc, cases=shown(auc.cases), controls=shown(auc.controls))
