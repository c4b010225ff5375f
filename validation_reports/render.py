"""A validation report as one self-contained HTML page: no script, no network, prints well, readable on a telephone."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from validation_reports.calibration import HorizonCalibration
from validation_reports.center_result import CenterResult
from validation_reports.figures import Statistic, calibration_figure, forest_figure, survival_figure
from validation_reports.headline import headline
from validation_reports.not_estimable import NotEstimable
from validation_reports.validation_report import ValidationReport
from validation_reports.wording import count, horizon_words, limits, months, number, p_words, percent, refusal

_TEMPLATES = Path(__file__).parent / "templates"


def render_html(report: ValidationReport) -> str:
    """Return the page; the same report gives the same page.

    Parameters
    ----------
    report : ValidationReport
        What `build_report` found.

    Returns
    -------
    str
        A whole HTML document with its style and figures inside.
    """
    results = [*report.centers, *([report.pooled] if report.pooled else [])]
    created = report.provenance.created_at.astimezone(UTC)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            provenance=report.provenance,
            results=results,
            sections=[*([report.pooled] if report.pooled else []), *report.centers],
            overall=report.overall,
            lines=headline(report),
            table=report.cohort_table,
            created=f"{created:%d %B %Y, %H:%M} UTC".lstrip("0"),
            forests=[Markup(forest_figure(results, statistic)) for statistic in Statistic],  # noqa: S704 - our own SVG
            refusals={result.center: _refusals(result) for result in results},
            figures={result.center: _figures(result) for result in results},
            methods=_methods(results),
            confidence=percent(report.confidence),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number, p_words=p_words, percent=percent, months=months, horizon=horizon_words, refusal=refusal
    )
    environment.globals.update(limits=limits, count=count)
    return environment


def _figures(result: CenterResult) -> dict[str, Markup | list[Markup]]:
    return {
        "survival": Markup(survival_figure(result)),  # noqa: S704 - as above
        "calibration": [
            Markup(calibration_figure(found, result.center))  # noqa: S704 - as above
            for _, found in result.calibration.horizons
            if isinstance(found, HorizonCalibration) and found.groups
        ],
    }


def _refusals(result: CenterResult) -> list[str]:
    """Return, once each, why some of this centre's numbers are not shown."""
    found: list[object] = [result.concordance, *(auc for _, auc in result.auc)]
    found += [result.risk_groups.hazard_ratio, result.risk_groups.log_rank, result.calibration.slope]
    for _, at_horizon in result.calibration.horizons:
        found.append(at_horizon)
        if isinstance(at_horizon, HorizonCalibration):
            found += [at_horizon.ratio, at_horizon.smooth]
    return list(dict.fromkeys(value.sentence for value in found if isinstance(value, NotEstimable)))


def _methods(results: list[CenterResult]) -> list[tuple[str, str]]:
    """Return each statistic with its method, as the results themselves name it."""
    methods: dict[str, str] = {}

    def note(statistic: str, found: object) -> None:
        if not isinstance(found, NotEstimable):
            methods.setdefault(statistic, str(getattr(found, "method", found)))

    for result in results:
        note("Concordance", result.concordance)
        for _, auc in result.auc:
            note("AUC", auc)
        note("Hazard ratio", result.risk_groups.hazard_ratio)
        note("Difference of the curves", result.risk_groups.log_rank)
        note("Survival curves", "Kaplan-Meier; Greenwood's variance, interval on the log-log scale; medians as in R")
        note("Median follow-up", "reverse Kaplan-Meier")
        for _, found in result.calibration.horizons:
            if isinstance(found, HorizonCalibration):
                note("Observed / expected", found.ratio)
                note("Calibration groups", found.group_method)
                note("Smooth calibration curve", found.smooth)
        note("Calibration slope", result.calibration.slope)
    return list(methods.items())
