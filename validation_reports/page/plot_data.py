"""The numbers behind each plot as CSV, and as a link that a page carries in itself."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from validation_reports.report.center_result import CenterResult
from validation_reports.report.validation_report import PooledStatistic
from validation_reports.statistics.bootstrap import CalibrationBand
from validation_reports.statistics.calibration import HorizonCalibration, RiskEstimate
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.drift import Drift
from validation_reports.statistics.net_benefit import DecisionCurve
from validation_reports.statistics.risk_groups import RiskGroups
from validation_reports.statistics.smooth_calibration import SmoothCalibration

Row = Sequence[str | float | int]
_CURVE = ("days", "survival", "lower", "upper", "at_risk", "deaths")


def survival_data(result: CenterResult) -> str:
    """Return the Kaplan-Meier curves of the risk groups."""
    return _csv(("group", *_CURVE), _curves(result.risk_groups))


def subgroup_survival_data(result: CenterResult) -> str:
    """Return the Kaplan-Meier curves of the risk groups in every subgroup."""
    return _csv(
        ("subgroup", "level", "group", *_CURVE),
        (
            (analysis.name, level.level, *row)
            for analysis in result.subgroups
            for level in analysis.levels
            for row in _curves(level.risk_groups)
        ),
    )


def calibration_data(found: HorizonCalibration, band: object) -> str:
    """Return the smooth curve with its band, and the groups."""
    rows: list[Row] = []
    if isinstance(found.smooth, SmoothCalibration):
        limits = (
            zip(band.lower, band.upper, strict=True) if isinstance(band, CalibrationBand) else None
        )
        for predicted, observed in zip(found.smooth.predicted, found.smooth.observed, strict=True):
            lower, upper = next(limits) if limits else ("", "")
            rows.append(("curve", predicted, observed, lower, upper, ""))
    for group in found.groups:
        if isinstance(group.observed, RiskEstimate):
            seen = group.observed
            rows.append(("group", group.predicted, seen.estimate, seen.lower, seen.upper, group.n))
    return _csv(("kind", "predicted", "observed", "lower", "upper", "n"), rows)


def decision_data(curve: DecisionCurve) -> str:
    """Return the net benefits."""
    stage: Sequence[float | str] = curve.by_stage or ("",) * len(curve.thresholds)
    rows = zip(curve.thresholds, curve.model, curve.treat_all, stage, strict=True)
    return _csv(("threshold", "model", "treat_all", "stage_iii_iv"), rows)


def subgroup_data(result: CenterResult) -> str:
    """Return Harrell's C of every subgroup."""
    rows: list[Row] = []
    for analysis in result.subgroups:
        for level in analysis.levels:
            c = level.concordance
            numbers = (c.estimate, c.lower, c.upper) if isinstance(c, Concordance) else ("", "", "")
            rows.append((analysis.name, level.level, level.n, level.n_events, *numbers))
    return _csv(("subgroup", "level", "n", "deaths", "C", "lower", "upper"), rows)


def drift_data(drift: Drift) -> str:
    """Return the mean score of each period."""
    rows = [(one.first, one.last, one.n, one.mean, one.lower, one.upper) for one in drift.periods]
    return _csv(("from", "to", "n", "mean_score", "lower", "upper"), rows)


def pooled_data(statistic: PooledStatistic) -> str:
    """Return each centre's estimate, and on how many patients and deaths it rests."""
    unknown = (("", ""),) * len(statistic.centers)
    sizes: Sequence[tuple[int | str, int | str]] = statistic.sizes or unknown
    rows: list[Row] = [
        (*center, n, deaths) for center, (n, deaths) in zip(statistic.centers, sizes, strict=True)
    ]
    return _csv(("centre", "estimate", "lower", "upper", "n", "deaths"), rows)


def download(text: str, name: str) -> str:
    """Return a link that saves `text` as a file; the page carries the data."""
    content = base64.b64encode(text.encode()).decode()
    return (
        f'<a class="data" download="{escape(name, quote=True)}" '
        f'href="data:text/csv;base64,{content}">data (CSV)</a>'
    )


def _curves(groups: RiskGroups) -> Iterator[Row]:
    """Give the curve of each group day by day."""
    for group in groups.groups:
        for values in zip(*(getattr(group.curve, name) for name in _CURVE), strict=True):
            yield (group.label, *values)


def _csv(header: Row, rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
