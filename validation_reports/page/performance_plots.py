"""Figures of use and of difference: decision curves, forests of the subgroups and of the
centres.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from validation_reports.page.plots import HIGH_COLOUR, INK, LOW_COLOUR, drawing, svg
from validation_reports.report.validation_report import PooledStatistic
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.drift import Drift
from validation_reports.statistics.net_benefit import DecisionCurve
from validation_reports.statistics.random_effects import PooledEffect, Scale
from validation_reports.statistics.subgroups import SubgroupAnalysis
from validation_reports.wording import horizon_words, interval

STAGE_COLOUR = "#009E73"
_COARSE = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)
_FINE = (0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.6, 2, 2.5, 3.2)
"""Ticks of a logarithmic axis that spans much, or little."""


def decision_figure(curve: DecisionCurve, center: str) -> str:
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
            lines.append((curve.by_stage, "treat stage III", STAGE_COLOUR, (0, (5, 1, 1, 1)), 1.4))
        for values, label, colour, style, width in lines:
            axes.plot(x, values, label=label, color=colour, linestyle=style, linewidth=width)
        top = max(0.02, *curve.model, *curve.treat_all)
        axes.set(
            xlim=(0, 1),
            ylim=(-0.25 * top, 1.35 * top),
            xlabel="Threshold probability of death",
            ylabel="Net benefit per patient",
            title=horizon_words(curve.days),
        )
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
        axes.legend(
            frameon=False, fontsize=7.5, loc="upper right", handlelength=2.4, borderaxespad=0.1
        )
        words = f"Decision curve at {horizon_words(curve.days)}, {center}"
        return svg(figure, f"decision-{curve.days}-{center}", words)


def subgroup_figure(subgroups: Sequence[SubgroupAnalysis], overall: object, center: str) -> str:
    """Draw Harrell's C of every subgroup beside that of all patients."""
    rows = [
        (f"{level.level} (n = {level.n})", level.concordance)
        for item in subgroups
        for level in item.levels
    ]
    with drawing((3.5, 0.9 + 0.27 * (len(rows) + 1))) as figure:
        axes = figure.subplots()
        _forest(axes, [("all patients", overall), *rows], first_is_all=True)
        axes.axvline(0.5, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set(xlabel="Harrell's C (0.5 is chance)", xlim=(0.2, 1.0))
        return svg(
            figure, f"subgroups-{center}", f"Forest plot of Harrell's C by subgroup, {center}"
        )


def pooled_figure(statistic: PooledStatistic) -> str:
    """Draw one statistic of each centre, its random-effects mean (diamond) and the interval for a
    new centre (dots).
    """
    effect = statistic.pooled
    with drawing(
        (3.3, 1.0 + 0.32 * (len(statistic.centers) + 2 * isinstance(effect, PooledEffect)))
    ) as figure:
        axes = figure.subplots()
        names = [name for name, *_ in statistic.centers]
        last = len(names) - 1
        for row, (_, estimate, lower, upper) in enumerate(statistic.centers):
            y = last - row
            axes.plot([lower, upper], [y, y], color=LOW_COLOUR, linewidth=1.6)
            axes.plot([estimate], [y], "s", color=LOW_COLOUR, markersize=6)
            _beside(axes, y, interval(estimate, lower, upper))
        if isinstance(effect, PooledEffect):
            names += ["random-effects mean", "at a new centre"]
            shape = [effect.lower, effect.estimate, effect.upper, effect.estimate]
            axes.fill(shape, [-1, -0.78, -1, -1.22], color=HIGH_COLOUR)
            axes.plot(
                [effect.prediction_lower, effect.prediction_upper],
                [-2, -2],
                color=HIGH_COLOUR,
                linewidth=1.6,
                linestyle=(0, (1, 1)),
                marker="|",
            )
            _beside(axes, -1, interval(effect.estimate, effect.lower, effect.upper))
            _beside(axes, -2, f"({effect.prediction_lower:.2f}–{effect.prediction_upper:.2f})")
        count = len(names)
        axes.set(
            yticks=[last - row for row in range(count)], yticklabels=[name[:22] for name in names]
        )
        axes.set(ylim=(last - count + 0.4, last + 0.6), xlabel=statistic.name)
        if isinstance(effect, PooledEffect) and effect.scale is Scale.LOG:
            axes.set_xscale("log")
            # Slow to import
            from matplotlib.ticker import FixedLocator, NullLocator  # noqa: PLC0415

            low, high = axes.get_xlim()
            marks = _COARSE if high / low > 6 else _FINE
            axes.xaxis.set_major_locator(
                FixedLocator([mark for mark in marks if low <= mark <= high])
            )
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.set_minor_locator(NullLocator())
        reference = 0.5 if statistic.name == "Harrell's C" else 1.0
        axes.axvline(reference, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        _bare(axes)
        return svg(
            figure,
            f"pooled-{statistic.name}",
            f"Forest plot of {statistic.name} with random effects",
        )


def drift_figure(drift: Drift, center: str) -> str:
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


def _forest(axes: Any, rows: Sequence[tuple[str, object]], *, first_is_all: bool) -> None:
    last = len(rows) - 1
    for place, (_, found) in enumerate(rows):
        y, highlighted = last - place, first_is_all and place == 0
        if isinstance(found, Concordance):
            colour = HIGH_COLOUR if highlighted else LOW_COLOUR
            axes.plot([found.lower, found.upper], [y, y], color=colour, linewidth=1.6)
            axes.plot(
                [found.estimate], [y], "D" if highlighted else "s", color=colour, markersize=6
            )
            _beside(axes, y, interval(found.estimate, found.lower, found.upper))
        else:
            _beside(axes, y, "not estimable")
    axes.set(
        yticks=[last - place for place in range(len(rows))], yticklabels=[name for name, _ in rows]
    )
    axes.set(ylim=(-0.6, last + 0.6))
    _bare(axes)


def _beside(axes: Any, y: float, words: str) -> None:
    axes.text(
        1.03, y, words, transform=axes.get_yaxis_transform(), va="center", ha="left", fontsize=8.5
    )


def _bare(axes: Any) -> None:
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
