"""Survival curves of one subgroup as SVG, written directly: a report has up to eight for each
centre.

They look as `plots.survival_plot` does, at a hundredth of its cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from feature_store.wording import counted
from validation_reports.page.plots import (
    DAYS_PER_MONTH,
    GRID,
    HIGH_COLOUR,
    INK,
    LOW_COLOUR,
    element_id,
    month_ticks,
    svg_element,
)
from validation_reports.statistics.risk_groups import RiskGroup
from validation_reports.statistics.subgroups import Subgroup

_STYLES = {"low risk": (LOW_COLOUR, ""), "high risk": (HIGH_COLOUR, ' stroke-dasharray="6 3"')}
_WIDTH, _HEIGHT = 300.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 292.0, 54.0, 236.0
_FIRST_ROW, _ROW = 296.0, 15.0
Point = tuple[float, float]


def small_survival_plot(level: Subgroup, name: str, center: str) -> str:
    """Draw overall survival by risk group in one level of a subgroup, with bands, censoring and
    numbers at risk.

    Parameters
    ----------
    level : Subgroup
        With at least one patient.
    name : str
        What the subgroup is a level of.
    center : str
        Name of the centre, or of the pool.

    Returns
    -------
    str
        An inline SVG element with text that can be read aloud.
    """
    groups = level.risk_groups.groups
    ticks = month_ticks(groups)
    plot = f"km-{name}-{level.level.replace('<', 'below')}-{center}"
    words = f"Kaplan-Meier curves of overall survival by risk group, {name} {level.level}, {center}"
    frame_id = f"{element_id(plot)}-frame"
    title = escape(f"{name.capitalize()}: {level.level} (n = {level.n})")
    frame = (
        f'x="{_LEFT:g}" y="{_TOP - 2:g}" width="{_RIGHT - _LEFT:g}" height="{_BOTTOM - _TOP + 4:g}"'
    )
    curves = "".join(_curve(group, ticks[-1]) for group in groups)
    parts = [
        f'<clipPath id="{frame_id}"><rect {frame}/></clipPath>',
        _text(6, 14, title, "start", size=12),
        _axes(ticks),
        f'<g clip-path="url(#{frame_id})">{curves}</g>',
        *(_legend(row, group) for row, group in enumerate(groups)),
        _text(6, _FIRST_ROW - _ROW, "Number at risk", "start"),
        *(_at_risk(row, group, ticks) for row, group in enumerate(groups)),
    ]
    return svg_element(plot, words, (_WIDTH, _HEIGHT), 11, parts)


def _axes(ticks: Sequence[float]) -> str:
    parts = []
    for step in range(6):
        y = _y(step / 5)
        parts.append(f'<path d="M{_LEFT:g} {y:g}H{_RIGHT:g}" stroke="{GRID}" stroke-width="0.7"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{20 * step}%", "end"))
    for tick in ticks:
        x = _x(tick, ticks[-1])
        parts.append(f'<path d="M{x:g} {_TOP:g}V{_BOTTOM:g}" stroke="{GRID}" stroke-width="0.7"/>')
        parts.append(_text(x, _BOTTOM + 15, f"{tick:g}", "middle"))
    parts.append(
        f'<path d="M{_LEFT:g} {_TOP:g}V{_BOTTOM:g}H{_RIGHT:g}" fill="none" stroke="{INK}"/>'
    )
    parts.append(
        _text(
            (_LEFT + _RIGHT) / 2, _BOTTOM + 30, "Months since the start of radiotherapy", "middle"
        )
    )
    middle = (_TOP + _BOTTOM) / 2
    turned = f'text-anchor="middle" transform="rotate(-90 12 {middle:g})"'
    parts.append(f'<text x="12" y="{middle:g}" {turned}>Overall survival</text>')
    return "".join(parts)


def _curve(group: RiskGroup, last: float) -> str:
    colour, dashes = _STYLES[group.label]
    x = [_x(days / DAYS_PER_MONTH, last) for days in group.curve.days]
    survival, lower, upper = (
        _steps(x, values) for values in (group.curve.survival, group.curve.lower, group.curve.upper)
    )
    gone = [
        now - then
        for now, then in zip(group.curve.at_risk, (*group.curve.at_risk[1:], 0), strict=True)
    ]
    censored = [
        f"M{at:.1f} {_y(value) - 3.5:.1f}v7"
        for at, value, left, deaths in zip(
            x, group.curve.survival, gone, group.curve.deaths, strict=True
        )
        if left > deaths and not group.curve.n_times
    ]
    return (
        f'<path d="{_path([*upper, *reversed(lower)])}Z" fill="{colour}" fill-opacity="0.16"/>'
        f'<path d="{_path(survival)}" fill="none" stroke="{colour}" stroke-width="1.8"{dashes}/>'
        f'<path d="{"".join(censored)}" stroke="{colour}"/>'
    )


def _legend(row: int, group: RiskGroup) -> str:
    colour, dashes = _STYLES[group.label]
    y = 29 + 14 * row  # above the axes, where no curve runs
    words = f"{group.label} (n = {group.n}, {counted(group.n_events, 'death')})"
    return (
        f'<path d="M{_LEFT:g} {y - 4:g}h22" stroke="{colour}" stroke-width="1.8"{dashes}/>'
        + _text(_LEFT + 26, y, words, "start", size=10)
    )


def _at_risk(row: int, group: RiskGroup, ticks: Sequence[float]) -> str:
    colour, _ = _STYLES[group.label]
    y = _FIRST_ROW + _ROW * row
    left = group.curve.number_at_risk([tick * DAYS_PER_MONTH for tick in ticks])
    name = f'<tspan fill="{colour}" font-weight="700">{group.label.split()[0]}</tspan>'
    return _text(_LEFT - 14, y, name, "end") + "".join(
        _text(_x(tick, ticks[-1]), y, str(n), "middle") for tick, n in zip(ticks, left, strict=True)
    )


def _steps(x: Sequence[float], values: Sequence[float]) -> list[Point]:
    """Return the corners of a curve that starts at 1 and falls at each x."""
    points: list[Point] = [(_LEFT, _y(1.0))]
    for at, value in zip(x, values, strict=True):
        points += [(at, points[-1][1]), (at, _y(value))]
    return points


def _path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _text(x: float, y: float, words: str, anchor: str, size: int | None = None) -> str:
    bigger = "" if size is None else f' font-size="{size}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{bigger}>{words}</text>'


def _x(months: float, last: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * months / last


def _y(survival: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * survival
