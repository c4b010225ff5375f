"""The pictures of a report as Markdown with the images inside: what the Prefect UI shows of it."""

from __future__ import annotations

from collections.abc import Sequence

from feature_store.wording import counted
from validation_reports.page.plots import calibration_plot, png_data_uri, survival_plot
from validation_reports.report.center_result import CenterResult
from validation_reports.report.validation_report import ValidationReport
from validation_reports.statistics.bootstrap import Bootstrap
from validation_reports.statistics.calibration import HorizonCalibration


def pictures_markdown(report: ValidationReport) -> str:
    """Return Kaplan-Meier curves and calibration of each centre and of the pool, one heading
    each.
    """
    results: Sequence[CenterResult] = [*report.centers, *([report.pooled] if report.pooled else [])]
    return "\n\n".join(_of_one(result) for result in results)


def _of_one(result: CenterResult) -> str:
    parts = [
        f"## {result.center}: {counted(result.n, 'patient')}, {counted(result.n_events, 'death')}"
    ]
    if result.risk_groups.groups:
        parts.append(f"![Kaplan-Meier, {result.center}]({survival_plot(result, png_data_uri)})")
    for place, (days, found) in enumerate(result.calibration.horizons):
        if isinstance(found, HorizonCalibration):
            band = (
                result.bootstrap.horizons[place].band
                if isinstance(result.bootstrap, Bootstrap)
                else None
            )
            drawn = calibration_plot(found, result.center, band, png_data_uri)
            parts.append(f"![Calibration at {days} days, {result.center}]({drawn})")
        else:
            parts.append(found.sentence)
    return "\n\n".join(parts)
