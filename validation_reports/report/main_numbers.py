"""One row per centre, one within centres and one for the plain pool: what a table of the Prefect UI
or a terminal shows of a report.
"""

from __future__ import annotations

from validation_reports.not_estimable import NotEstimable
from validation_reports.report.center_result import CenterResult
from validation_reports.report.validation_report import ValidationReport
from validation_reports.statistics.calibration import CalibrationSlope, HorizonCalibration
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.hazard_calibration import HazardScaleRatio
from validation_reports.statistics.risk_groups import HazardRatio
from validation_reports.statistics.within_centers import WithinCenters
from validation_reports.wording import interval

NOT_ESTIMABLE = "not estimable"


def center_rows(report: ValidationReport) -> list[dict[str, str | int]]:
    """Return the main numbers of each centre, within centres and of the plain pool, as text with
    intervals.
    """
    return [_row(result) for result in report.rows]


def _row(result: CenterResult | WithinCenters) -> dict[str, str | int]:
    row: dict[str, str | int] = {
        "centre": result.center,
        "patients": result.n,
        "deaths": result.n_events,
        "left out": result.n_excluded if isinstance(result, CenterResult) else "",
        "C-index": _estimate(result.concordance),
        "hazard ratio": _estimate(result.risk_groups.hazard_ratio),
        "calibration slope": _estimate(result.calibration.slope),
        "O/E, hazard scale": _estimate(result.calibration.hazard),
    }
    for days, found in result.calibration.horizons:
        ratio = found.ratio if isinstance(found, HorizonCalibration) else found
        row[f"O/E at {days} days"] = (
            NOT_ESTIMABLE
            if isinstance(ratio, NotEstimable)
            else interval(ratio.estimate, ratio.lower, ratio.upper)
        )
    return row


def _estimate(
    found: Concordance | HazardRatio | CalibrationSlope | HazardScaleRatio | NotEstimable,
) -> str:
    if isinstance(found, NotEstimable):
        return NOT_ESTIMABLE
    return interval(found.estimate, found.lower, found.upper)
