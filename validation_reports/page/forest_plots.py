"""Forest plots: of the centres, of the subgroups, and over the centres by random effects."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from feature_store.wording import counted
from validation_reports.page.plots import GRID, HIGH_COLOUR, INK, LOW_COLOUR, drawing, svg
from validation_reports.report.center_result import CenterResult
from validation_reports.report.validation_report import PooledStatistic
from validation_reports.statistics.calibration import CalibrationSlope
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.hazard_calibration import HazardScaleRatio
from validation_reports.statistics.margins import Margins
from validation_reports.statistics.random_effects import PooledEffect
from validation_reports.statistics.risk_groups import HazardRatio
from validation_reports.statistics.subgroups import SubgroupAnalysis
from validation_reports.statistics.within_centers import WithinCenters
from validation_reports.wording import figure_words, interval, limits

_COARSE = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)
_FINE = (0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.6, 2, 2.5, 3.2)
"""Ticks of a logarithmic axis that spans much, or little."""
_LINE_POINTS = 12


class Statistic(StrEnum):
    """What a forest plot shows."""

    CONCORDANCE = "Harrell's C"
    HAZARD_RATIO = "the hazard ratio"
    HAZARD_SCALE = "O/E on the hazard scale"
    SLOPE = "the calibration slope"


Shown = CenterResult | WithinCenters
_Estimate = Concordance | HazardRatio | HazardScaleRatio | CalibrationSlope
_AXES = {
    Statistic.CONCORDANCE: "Harrell's C (0.5 is chance)",
    Statistic.HAZARD_RATIO: "Hazard ratio, high against low risk",
    Statistic.HAZARD_SCALE: "O/E, hazard scale (1 is right)",
    Statistic.SLOPE: "Calibration slope (1 is right)",
}


def forest_plot(results: Sequence[Shown], statistic: Statistic, margins: Margins) -> str:
    """Draw one statistic of each centre, within centres and of the plain pool, with the intervals
    as text beside them; where there are margins, they are shaded.
    """
    with drawing((3.3, 0.95 + 0.34 * len(results))) as figure:
        axes = figure.subplots()
        rows = list(range(len(results)))[::-1]
        found = [_statistic(result, statistic) for result in results]
        together = any(isinstance(result, WithinCenters) for result in results)
        for row, value, result in zip(rows, found, results, strict=True):
            first = isinstance(result, WithinCenters) or (
                not together and row == 0 and len(results) > 1
            )
            _row(axes, row, value, highlighted=first, line=LOW_COLOUR, width=1.8, size=7)
        if statistic in (Statistic.HAZARD_SCALE, Statistic.SLOPE):
            axes.axvspan(margins.lower, margins.upper, color=GRID, alpha=0.45, linewidth=0)
        axes.set(ylim=(-0.6, len(results) - 0.4))
        _name_rows(
            axes,
            rows,
            [_with_size(_label(result), result.n, result.n_events) for result in results],
        )
        reference = 0.5 if statistic is Statistic.CONCORDANCE else 1
        axes.axvline(reference, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set(xlabel=_AXES[statistic])
        if statistic in (Statistic.HAZARD_RATIO, Statistic.HAZARD_SCALE):
            axes.set(xscale="log")
            _log_axis(axes, found)
        _bare(axes)
        return svg(
            figure, f"forest-{statistic.name}", f"Forest plot of {statistic.value} by centre"
        )


def subgroup_plot(subgroups: Sequence[SubgroupAnalysis], overall: object, center: str) -> str:
    """Draw Harrell's C of every subgroup beside that of all patients."""
    rows = [
        ("all patients", overall),
        *(
            (
                _with_size(
                    f"stage {level.level}" if item.name == "stage" else level.level,
                    level.n,
                    level.n_events,
                    " ",
                ),
                level.concordance,
            )
            for item in subgroups
            for level in item.levels
        ),
    ]
    last = len(rows) - 1
    with drawing((3.5, 0.9 + 0.27 * len(rows))) as figure:
        axes = figure.subplots()
        for place, (_, found) in enumerate(rows):
            line = LOW_COLOUR if place else HIGH_COLOUR
            _row(axes, last - place, found, highlighted=place == 0, line=line, width=1.6, size=6)
        axes.set(
            yticks=[last - place for place in range(len(rows))],
            yticklabels=[name for name, _ in rows],
            ylim=(-0.6, last + 0.6),
        )
        _bare(axes)
        axes.axvline(0.5, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.set(xlabel="Harrell's C (0.5 is chance)", xlim=(0.2, 1.0))
        return svg(
            figure, f"subgroups-{center}", f"Forest plot of Harrell's C by subgroup, {center}"
        )


def pooled_plot(statistic: PooledStatistic) -> str:
    """Draw one statistic of each centre, its random-effects mean (diamond) and the interval for a
    new centre (dots).
    """
    effect = statistic.pooled
    with drawing(
        (3.3, 1.0 + 0.32 * (len(statistic.centers) + 2 * isinstance(effect, PooledEffect)))
    ) as figure:
        axes = figure.subplots()
        names = [_short(name) for name, *_ in statistic.centers]
        if statistic.sizes:
            names = [
                _with_size(name, *size) for name, size in zip(names, statistic.sizes, strict=True)
            ]
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
            _beside(axes, -1, interval(effect.estimate, effect.lower, effect.upper))
            if effect.tells_of_a_new_center:
                axes.plot(
                    [effect.prediction_lower, effect.prediction_upper],
                    [-2, -2],
                    color=HIGH_COLOUR,
                    linewidth=1.6,
                    linestyle=(0, (1, 1)),
                    marker="|",
                )
                _beside(axes, -2, limits(effect.prediction_lower, effect.prediction_upper))
            else:
                _beside(axes, -2, "cannot be told")
        count = len(names)
        _name_rows(axes, [last - row for row in range(count)], names)
        axes.set(ylim=(last - count + 0.4, last + 0.6), xlabel=figure_words(statistic.name))
        reference = 0.5 if statistic.name == "Harrell's C" else 1.0
        axes.axvline(reference, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        # of ratios that are not pooled nothing else tells the scale
        if statistic.name == "Hazard ratio" or statistic.name.startswith("O/E"):
            axes.set_xscale("log")
            low, high = axes.get_xlim()
            _log_ticks(axes, low, high, _COARSE if high / low > 6 else _FINE)
        _bare(axes)
        return svg(
            figure,
            f"pooled-{statistic.name}",
            f"Forest plot of {statistic.name} with random effects",
        )


def _statistic(result: Shown, statistic: Statistic) -> object:
    return {
        Statistic.CONCORDANCE: result.concordance,
        Statistic.HAZARD_RATIO: result.risk_groups.hazard_ratio,
        Statistic.HAZARD_SCALE: result.calibration.hazard,
        Statistic.SLOPE: result.calibration.slope,
    }[statistic]


def _row(
    axes: Any, y: float, found: object, *, highlighted: bool, line: str, width: float, size: float
) -> None:
    if isinstance(found, _Estimate):
        axes.plot([found.lower, found.upper], [y, y], color=line, linewidth=width)
        axes.plot(
            [found.estimate],
            [y],
            "D" if highlighted else "s",
            color=HIGH_COLOUR if highlighted else LOW_COLOUR,
            markersize=size,
        )
        words = interval(found.estimate, found.lower, found.upper)
    else:
        words = "not estimable"
    _beside(axes, y, words)


def _log_axis(axes: Any, ratios: Sequence[object]) -> None:
    """Let the axis hold 0.5 to 2 and every interval, of which what lies beyond 0.05-50 is cut."""
    known = [ratio for ratio in ratios if isinstance(ratio, HazardRatio | HazardScaleRatio)]
    low = min([0.5, *(max(ratio.lower, 0.05) for ratio in known)])
    high = max([2.0, *(min(ratio.upper, 50.0) for ratio in known)])
    axes.set_xlim(low / 1.1, high * 1.1)
    _log_ticks(axes, low, high, _COARSE if high / low > 6 else _FINE)


def _log_ticks(axes: Any, low: float, high: float, marks: Sequence[float]) -> None:
    # Slow to import
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator  # noqa: PLC0415

    axes.xaxis.set_major_locator(FixedLocator([mark for mark in marks if low <= mark <= high]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _name_rows(axes: Any, rows: Sequence[float], names: Sequence[str]) -> None:
    """Name rows before the axis, each line a text of its own: a viewer with other letters than
    matplotlib's keeps what is aligned, and shifts the lines of one text against each other.
    """
    axes.set_yticks(rows, [""] * len(rows))
    for y, name in zip(rows, names, strict=True):
        lines = name.split("\n")
        for number, line in enumerate(lines):
            axes.annotate(
                line,
                (0, y),
                xycoords=axes.get_yaxis_transform(),
                xytext=(-4, _LINE_POINTS * ((len(lines) - 1) / 2 - number)),
                textcoords="offset points",
                ha="right",
                va="center",
            )


def _beside(axes: Any, y: float, words: str) -> None:
    axes.text(
        1.03, y, words, transform=axes.get_yaxis_transform(), va="center", ha="left", fontsize=8.5
    )


def _bare(axes: Any) -> None:
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _label(result: Shown) -> str:
    name = result.center
    return name[0].upper() + name[1:] if isinstance(result, WithinCenters) else _short(name)


def _with_size(name: str, n: int, deaths: int, separator: str = "\n") -> str:
    """Name a row with the patients and deaths that it rests on."""
    return f"{name}{separator}(n = {n}, {counted(deaths, 'death')})"


def _short(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"
