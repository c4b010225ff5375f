"""Plots of use and of change: decision curves, and the mean score over time."""

from __future__ import annotations

from typing import Any

import numpy as np

from validation_reports.page.plots import INK, LOW_COLOUR, drawing, horizon_title, legend_below, svg
from validation_reports.statistics.drift import Drift
from validation_reports.statistics.net_benefit import DecisionCurve
from validation_reports.wording import horizon_words

STAGE_COLOUR = "#009E73"


def decision_plot(curve: DecisionCurve, center: str) -> str:
    """Draw net benefit over the threshold probability: by the model, for all, for none and by
    stage.
    """
    with drawing((2.95, 2.9)) as figure:
        axes = figure.subplots()
        x = np.array(curve.thresholds)
        lines: list[tuple[tuple[float, ...], str, str, Any, float]] = [
            (curve.model, "by the model", LOW_COLOUR, "-", 1.8),
            (curve.treat_all, "treat all", INK, (0, (5, 2)), 1.2),
            ((0.0,) * x.size, "treat none", INK, (0, (1, 1.5)), 1.2),
        ]
        if curve.by_stage:
            some = curve.n_staged not in (None, curve.n)
            words = f"stage III-IV (of {curve.n_staged})" if some else "treat stage III-IV"
            lines.append((curve.by_stage, words, STAGE_COLOUR, (0, (5, 1, 1, 1)), 1.4))
        for values, label, colour, style, width in lines:
            axes.plot(x, values, label=label, color=colour, linestyle=style, linewidth=width)
        top = max(0.02, *curve.model, *curve.treat_all)
        axes.set(
            xlim=(0, 1),
            ylim=(-0.25 * top, 1.1 * top),
            xlabel="Threshold probability of death",
            ylabel="Net benefit per patient",
            title=horizon_title(curve.days, curve.n, curve.n_events),
        )
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
        legend_below(axes)
        words = f"Decision curve at {horizon_words(curve.days)}, {center}"
        return svg(figure, f"decision-{curve.days}-{center}", words)


def drift_plot(drift: Drift, center: str) -> str:
    """Draw the mean score of each period with its interval."""
    with drawing((max(3.2, 0.62 * len(drift.periods) + 1.2), 2.5)) as figure:
        axes = figure.subplots()
        x = np.arange(len(drift.periods))
        mean = np.array([period.mean for period in drift.periods])
        span = [
            mean - [period.lower for period in drift.periods],
            [period.upper for period in drift.periods] - mean,
        ]
        axes.errorbar(
            x,
            mean,
            yerr=span,
            fmt="o-",
            color=LOW_COLOUR,
            markersize=5,
            elinewidth=1.2,
            capsize=2.5,
        )
        quarters = [
            period.first if period.first == period.last else f"{period.first}–\n{period.last}"
            for period in drift.periods
        ]
        words = [
            f"{text}\nn = {period.n}" for text, period in zip(quarters, drift.periods, strict=True)
        ]
        axes.set(
            xticks=x, xlim=(-0.5, x.size - 0.5), ylabel="Mean score", xlabel="Quarters of the scans"
        )
        axes.set_xticklabels(words, fontsize=7.5)
        return svg(
            figure,
            f"drift-{center}",
            f"Mean score with 95% interval by period of the scan, {center}",
        )
