"""The style and the writers that every plot shares, and the two main plots: survival curves with
numbers at risk, and calibration.

Text stays text, so that it can be searched and read aloud; low and high risk differ in colour and
in line style; the same data give the same SVG. matplotlib is imported when the first plot is drawn.

References
----------
.. [1] Okabe M, Ito K. Color Universal Design, 2008 (the palette).
.. [2] Pocock SJ, Clayton TC, Altman DG. Lancet 2002;359:1686-1689 (survival plots: intervals,
    numbers at risk).
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_store.wording import counted
from validation_reports.not_estimable import NotEstimable
from validation_reports.wording import horizon_words

if TYPE_CHECKING:  # whoever scores draws in this style, and computes none of it
    from collections.abc import Iterator

    from validation_reports.report.center_result import CenterResult
    from validation_reports.statistics.bootstrap import CalibrationBand
    from validation_reports.statistics.calibration import HorizonCalibration
    from validation_reports.statistics.risk_groups import RiskGroup

LOW_COLOUR, HIGH_COLOUR, INK, GRID = "#0072B2", "#D55E00", "#1a1a1a", "#d9d9d9"
_STYLES = {"low risk": (LOW_COLOUR, "-"), "high risk": (HIGH_COLOUR, (0, (5, 2)))}
DAYS_PER_MONTH = 365.25 / 12
_MONTH_STEPS = (3, 6, 12, 24, 36)
_MOST_TICKS = 7
_PNG_DPI = 110
_LEAST_AT_RISK = 0.1
"""Where less than this share of the patients is left in both groups, the axis ends [2]_."""
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "annulus",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.titlesize": 9.5,
}


Finish = Callable[[Any, str, str], str]
"""Takes matplotlib's figure, the prefix of its ids and its description, and returns it as text."""


def survival_plot(result: CenterResult, finish: Finish | None = None) -> str:
    """Draw overall survival by risk group with 95% bands, censoring marks and the numbers at risk.

    `finish` turns the plot into text: by default SVG, or `png_data_uri`.
    """
    with drawing((4.3, 3.9)) as figure:
        groups = result.risk_groups.groups
        top, table = figure.subplots(2, 1, height_ratios=(5, 1), gridspec_kw={"hspace": 0.42})
        ticks = month_ticks(groups)
        for group in groups:
            _draw_curve(top, group)
        top.set(
            xlim=(0, ticks[-1]),
            ylim=(0, 1.005),
            xticks=ticks,
            yticks=np.linspace(0, 1, 6),
            xlabel="Months since the start of radiotherapy",
            ylabel="Overall survival",
        )
        top.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
        if groups:
            # Above the axes, where no curve runs
            top.legend(
                frameon=False,
                loc="lower left",
                bbox_to_anchor=(0, 1),
                handlelength=2.6,
                borderaxespad=0.2,
            )
        _number_at_risk(table, groups, ticks)
        words = f"Kaplan-Meier curves of overall survival by risk group, {result.center}"
        return (finish or svg)(figure, f"km-{result.center}", words)


def calibration_plot(
    found: HorizonCalibration,
    center: str,
    band: CalibrationBand | NotEstimable | None = None,
    finish: Finish | None = None,
) -> str:
    """Draw observed against predicted probability of death at one horizon; `finish` as in
    `survival_plot`.
    """
    with drawing((2.95, 3.1)) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (2, 2)), label="ideal")
        if not isinstance(found.smooth, NotEstimable):
            if not isinstance(band, NotEstimable | None):
                axes.fill_between(
                    band.predicted,
                    band.lower,
                    band.upper,
                    color=LOW_COLOUR,
                    alpha=0.16,
                    linewidth=0,
                    label="95% band",
                )
            axes.plot(
                found.smooth.predicted,
                found.smooth.observed,
                color=LOW_COLOUR,
                linewidth=1.8,
                label="smoothed",
            )
        points = [
            (group, group.observed)
            for group in found.groups
            if not isinstance(group.observed, NotEstimable)
        ]
        if points:
            x = [group.predicted for group, _ in points]
            y = np.array([observed.estimate for _, observed in points])
            span = [y - [o.lower for _, o in points], [o.upper for _, o in points] - y]
            axes.errorbar(
                x,
                y,
                yerr=span,
                fmt="o",
                color=HIGH_COLOUR,
                markersize=5,
                elinewidth=1.2,
                capsize=2.5,
                label="groups, 95% CI",
            )
        axes.set(
            xlim=(0, 1),
            ylim=(0, 1),
            xticks=np.linspace(0, 1, 6),
            yticks=np.linspace(0, 1, 6),
            aspect="equal",
            xlabel="Predicted probability of death",
            ylabel="Observed (Kaplan-Meier)",
            title=horizon_title(found.days, found.n, found.n_events),
        )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
        legend_below(axes)
        words = f"Calibration at {horizon_words(found.days)}, {center}"
        return (finish or svg)(figure, f"calibration-{found.days}-{center}", words)


def horizon_title(days: int, n: int | None, deaths: int | None) -> str:
    """Name the horizon of a plot, and on how many patients and deaths by then it rests where that
    is known.
    """
    if n is None or deaths is None:
        return horizon_words(days)
    return f"{horizon_words(days)} (n = {n}, {counted(deaths, 'death')} by then)"


def legend_below(axes: Any) -> None:
    """Put the legend below the axes, where it hides no curve and no interval."""
    axes.legend(
        frameon=False,
        fontsize=8,
        loc="upper center",
        bbox_to_anchor=(0.45, -0.17),
        ncols=2,
        handlelength=1.8,
        columnspacing=1.2,
        borderaxespad=0.2,
    )


def _draw_curve(axes: Any, group: RiskGroup) -> None:
    colour, style = _STYLES[group.label]
    months = np.concatenate([[0.0], np.asarray(group.curve.days) / DAYS_PER_MONTH])
    survival, lower, upper = (
        np.concatenate([[1.0], values])
        for values in (group.curve.survival, group.curve.lower, group.curve.upper)
    )
    axes.step(
        months,
        survival,
        where="post",
        color=colour,
        linestyle=style,
        linewidth=1.8,
        label=f"{group.label} (n = {group.n}, {counted(group.n_events, 'death')})",
    )
    axes.fill_between(months, lower, upper, step="post", color=colour, alpha=0.16, linewidth=0)
    if group.curve.n_times:  # so many marks would hide the curve
        return
    leaving = -np.diff(np.concatenate([group.curve.at_risk, [0]]))
    censored = leaving > np.asarray(group.curve.deaths)
    axes.plot(
        months[1:][censored],
        survival[1:][censored],
        "|",
        color=colour,
        markersize=6,
        markeredgewidth=1.0,
    )


def _number_at_risk(axes: Any, groups: Sequence[RiskGroup], ticks: Sequence[float]) -> None:
    axes.set(xlim=(0, ticks[-1]), ylim=(-0.6, max(len(groups), 1) - 0.1), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.grid(visible=False)
    axes.set_title("Number at risk", loc="left", fontsize=9, pad=2, x=-0.19)
    for row, group in enumerate(reversed(groups)):
        colour, _ = _STYLES[group.label]
        axes.text(
            -0.065,
            row,
            group.label.split()[0],
            color=colour,
            ha="right",
            va="center",
            fontweight="bold",
            transform=axes.get_yaxis_transform(),
        )
        for tick, left in zip(
            ticks, group.curve.number_at_risk([t * DAYS_PER_MONTH for t in ticks]), strict=True
        ):
            axes.text(tick, row, str(left), ha="center", va="center")


def month_ticks(groups: Sequence[RiskGroup]) -> list[float]:
    """Return ticks in whole months, to where at least a tenth of some group's patients are left
    [2]_.
    """
    last = 12.0
    for group in groups:
        enough = [
            d
            for d, n in zip(group.curve.days, group.curve.at_risk, strict=True)
            if n >= _LEAST_AT_RISK * group.n
        ]
        last = max(last, (enough[-1] if enough else group.curve.last_day) / DAYS_PER_MONTH)
    step = next((s for s in _MONTH_STEPS if last / s <= _MOST_TICKS), _MONTH_STEPS[-1])
    return [float(step * k) for k in range(int(np.ceil(last / step)) + 1)]


@contextmanager
def drawing(size: tuple[float, float]) -> Iterator[Any]:
    """Give an empty figure of matplotlib of this size in inches, in the report's style."""
    from matplotlib import rc_context  # noqa: PLC0415 - slow to import
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    # Its keys are typed as a closed list of literals
    with rc_context(_SETTINGS):  # type: ignore[arg-type]
        figure = Figure(figsize=size)
        FigureCanvasSVG(figure)
        yield figure


def svg(figure: Any, name: str, words: str) -> str:
    """Return the plot as an inline SVG element whose ids are its own, described by `words`."""
    buffer = io.StringIO()
    figure.savefig(
        buffer,
        format="svg",
        bbox_inches="tight",
        pad_inches=0.06,
        transparent=True,
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    prefix = element_id(name)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\1{prefix}-", svg)
    svg = svg.replace("'DejaVu Sans'", "Arial, Helvetica, 'DejaVu Sans'")
    label = escape(words, quote=True)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).rstrip() + "\n"


def png_data_uri(figure: Any, name: str, words: str) -> str:
    """Return the plot as a `data:` URI of a PNG, for readers that show no SVG."""
    del name, words
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", dpi=_PNG_DPI, bbox_inches="tight", pad_inches=0.06, facecolor="white"
    )
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def svg_element(
    name: str, words: str, size: tuple[float, float], font_size: float, parts: Sequence[str]
) -> str:
    """Return a plot that was written by hand as an inline SVG element, described by `words`."""
    width, height = size
    return (
        f'<svg role="img" aria-label="{escape(words, quote=True)}" id="{element_id(name)}" '
        f'xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" '
        f'font-family="Arial, Helvetica, \'DejaVu Sans\', sans-serif" font-size="{font_size:g}" '
        f'fill="{INK}">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def element_id(name: str) -> str:
    """Return a name as an id of the page."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())
