"""A validation report as one self-contained HTML page: no script, no network, prints well, readable
on a telephone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from feature_store.wording import counted
from validation_reports.cohort.patient_flow import patient_flow
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.forest_plots import (
    Statistic,
    forest_plot,
    pooled_plot,
    subgroup_plot,
)
from validation_reports.page.patient_flow_diagram import flow_diagram
from validation_reports.page.performance_plots import decision_plot, drift_plot
from validation_reports.page.plot_data import (
    calibration_data,
    decision_data,
    download,
    drift_data,
    pooled_data,
    subgroup_data,
    subgroup_survival_data,
    survival_data,
)
from validation_reports.page.plots import calibration_plot, survival_plot
from validation_reports.page.small_survival_plot import small_survival_plot
from validation_reports.report.center_result import CenterResult
from validation_reports.report.summary import headline
from validation_reports.report.tripod import TRIPOD_ITEMS
from validation_reports.report.validation_report import ValidationReport
from validation_reports.statistics.bootstrap import Bootstrap
from validation_reports.statistics.calibration import HorizonCalibration
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.drift import Drift
from validation_reports.statistics.net_benefit import DecisionCurve
from validation_reports.wording import (
    figure_words,
    horizon_words,
    joined_refusals,
    limits,
    months,
    number,
    p_words,
    percent,
    refusal,
    value_words,
)

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
        A whole HTML document with its style and plots inside.
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
            sections=results,
            overall=report.overall,
            lines=headline(report),
            table=report.cohort_table,
            created=f"{created:%d %B %Y, %H:%M} UTC".lstrip("0"),
            # Our own SVG
            forests=[
                Markup(forest_plot(report.rows, statistic, report.margins))  # noqa: S704
                for statistic in Statistic
            ],
            pooled_plots=_pooled_plots(report),
            without=_left_out(report),
            tripod=TRIPOD_ITEMS,
            refusals={result.center: _refusals(result) for result in results},
            plots={result.center: _plots(result) for result in results},
            methods=_methods(report),
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
        number=number,
        p_words=lambda value: p_words(value).replace(" ", "\u00a0"),  # never parted at a line's end
        percent=percent,
        months=months,
        horizon=horizon_words,
        refusal=refusal,
        figure=figure_words,
        value=value_words,
    )
    environment.globals.update(limits=limits, count=counted)
    return environment


def _plots(result: CenterResult) -> dict[str, Markup | list[Markup]]:
    name = result.center
    calibration = []
    for place, (days, found) in enumerate(result.calibration.horizons):
        if isinstance(found, HorizonCalibration) and found.groups:
            band = (
                result.bootstrap.horizons[place].band
                if isinstance(result.bootstrap, Bootstrap)
                else None
            )
            data = download(calibration_data(found, band), f"calibration-{days}-{name}.csv")
            calibration.append(_with_data(calibration_plot(found, name, band), data))
    known = any(
        isinstance(level.concordance, Concordance)
        for item in result.subgroups
        for level in item.levels
    )
    return {
        "survival": _with_data(
            survival_plot(result), download(survival_data(result), f"survival-{name}.csv")
        ),
        "calibration": calibration,
        "decision": [
            _with_data(
                decision_plot(curve, name),
                download(decision_data(curve), f"net-benefit-{days}-{name}.csv"),
            )
            for days, curve in result.decision
            if isinstance(curve, DecisionCurve)
        ],
        "subgroups": _with_data(
            subgroup_plot(result.subgroups, result.concordance, name),
            download(subgroup_data(result), f"subgroups-{name}.csv"),
        )
        if known
        else Markup(),
        "subgroup_survival": [
            Markup(small_survival_plot(level, analysis.name, name))  # noqa: S704 - our own SVG
            for analysis in result.subgroups
            for level in analysis.levels
            if level.n_events and level.risk_groups.groups
        ],
        "subgroup_survival_data": Markup(  # noqa: S704 - our own link
            download(subgroup_survival_data(result), f"subgroup-survival-{name}.csv")
        ),
        "drift": _with_data(
            drift_plot(result.drift, name),
            download(drift_data(result.drift), f"drift-{name}.csv"),
        )
        if isinstance(result.drift, Drift) and len(result.drift.periods) > 1
        else Markup(),
        "flow": Markup(  # noqa: S704 - our own SVG
            flow_diagram(patient_flow(result.n, result.excluded), result.n_events, name)
        ),
    }


def _pooled_plots(report: ValidationReport) -> list[Markup]:
    return [
        _with_data(pooled_plot(item), download(pooled_data(item), f"{item.name}.csv"))
        for item in report.across_centers
        if item.centers
    ]


def _left_out(report: ValidationReport) -> list[str]:
    """Return, one sentence a centre, what is pooled without it."""
    figures: dict[str, list[str]] = {}
    reasons: dict[str, list[str]] = {}
    for item in report.across_centers:
        for center, why in item.left_out:
            figures.setdefault(center, []).append(figure_words(item.name))
            # Why a figure is not estimated stands in the centre's own part
            reasons.setdefault(center, []).extend([] if "not estimated" in why else [why])
    return [
        f"Pooled without {center}: {', '.join(names)}. {' '.join(reasons[center])}".strip()
        for center, names in figures.items()
    ]


def _with_data(plot: str, link: str) -> Markup:
    return Markup(plot + link)  # noqa: S704 - as above


def _refusals(result: CenterResult) -> list[str]:
    """Return, once each, why some of this centre's numbers are not shown."""
    found: list[object] = [result.concordance, result.uno, *(auc for _, auc in result.auc)]
    found += [
        result.risk_groups.hazard_ratio,
        result.risk_groups.log_rank,
        result.calibration.slope,
        result.calibration.hazard,
    ]
    for _, at_horizon in result.calibration.horizons:
        found.append(at_horizon)
        if isinstance(at_horizon, HorizonCalibration):
            found += [at_horizon.ratio, at_horizon.smooth]
    found += [*(b for _, b in result.brier), *(d for _, d in result.decision), result.bootstrap]
    return joined_refusals(value.sentence for value in found if isinstance(value, NotEstimable))


def _methods(report: ValidationReport) -> list[tuple[str, str]]:
    """Return each statistic with its method, as the results themselves name it."""
    methods: dict[str, str] = {}
    results = [*report.centers, *([report.pooled] if report.pooled else [])]

    def note(statistic: str, found: object) -> None:
        if not isinstance(found, NotEstimable):
            methods.setdefault(statistic, str(getattr(found, "method", found)))

    for result in results:
        note("Concordance", result.concordance)
        note("Concordance free of censoring", result.uno)
        for _, auc in result.auc:
            note("AUC", auc)
        note("Hazard ratio", result.risk_groups.hazard_ratio)
        note("Difference of the curves", result.risk_groups.log_rank)
        note(
            "Survival curves",
            "Kaplan-Meier; Greenwood's variance, interval on the log-log scale; medians as in R",
        )
        note("Median follow-up", "reverse Kaplan-Meier")
        for _, found in result.calibration.horizons:
            if isinstance(found, HorizonCalibration):
                note("Observed / expected", found.ratio)
                note("Calibration groups", found.group_method)
                note("Smooth calibration curve", found.smooth)
        note("Calibration slope", result.calibration.slope)
        note("Observed / expected on the hazard scale", result.calibration.hazard)
        for _, chance in result.ici_by_chance:
            note("ICI of right predictions", chance)
        _note_performance(note, result)
    if report.within:
        note("Concordance within centres", report.within.concordance)
        note("Hazard ratio within centres", report.within.risk_groups.hazard_ratio)
        note("Difference of the curves within centres", report.within.risk_groups.log_rank)
        note("Calibration slope within centres", report.within.calibration.slope)
        for _, at in report.within.calibration.horizons:
            if isinstance(at, HorizonCalibration):
                note("Observed / expected over centres", at.ratio)
    for statistic in report.across_centers:
        note("Random effects over the centres", statistic.pooled)
    return list(methods.items())


def _note_performance(note: Callable[[str, object], None], result: CenterResult) -> None:
    for _, brier in result.brier:
        note("Brier score", brier)
    for _, curve in result.decision:
        note("Net benefit", curve)
        if isinstance(curve, DecisionCurve):
            for threshold in curve.named:
                note("Use at named thresholds", threshold)
    for statistic, found in (
        ("Integrated Brier score", result.integrated_brier),
        ("D-calibration", result.d_calibration),
        ("Proportional hazards", result.proportionality),
        ("Value over stage", result.added_value),
        ("Bootstrap intervals and bands", result.bootstrap),
        ("Precision", result.precision),
        ("Likeness to the training patients", result.shift),
        ("Drift over time", result.drift),
        ("Whom the model knows", result.within_range),
        ("Other contours", result.over_contours),
    ):
        note(statistic, found)
    for comparison in result.comparisons:
        for at in comparison.horizons:
            note("Comparison of AUCs", at.auc)
            note("Comparison of AUCs, as in the paper", at.delong)
    for analysis in result.subgroups:
        note("Interaction with a subgroup", analysis.interaction)
