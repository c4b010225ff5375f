"""The plots of a patient's page, written by hand as SVG: predicted survival against the cut-off,
and a bar for each part of the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from validation_reports.page.plots import (
    DAYS_PER_MONTH,
    GRID,
    HIGH_COLOUR,
    INK,
    LOW_COLOUR,
    svg_element,
)

_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 332.0, 12.0, 172.0
_HALF = 60.0


@dataclass(frozen=True)
class PredictedSurvival:
    """A patient's predicted survival curve beside that of a patient at the cut-off.

    Parameters
    ----------
    days : tuple of float
        Days at which the curves fall, ascending.
    patient, cutoff : tuple of float
        Probability of being alive from each of these days on.
    horizons : tuple of (int, float)
        Days and predicted survival that are written out.
    high_risk : bool
        On which side of the cut-off the patient is.
    """

    days: tuple[float, ...]
    patient: tuple[float, ...]
    cutoff: tuple[float, ...]
    horizons: tuple[tuple[int, float], ...]
    high_risk: bool


@dataclass(frozen=True)
class ScorePart:
    """A part of the score.

    Parameters
    ----------
    name : str
        In words.
    meaning : str
        What a larger value means; empty for a sum of several features.
    contribution : float
        Log hazard.
    """

    name: str
    meaning: str
    contribution: float


def predicted_survival_plot(found: PredictedSurvival) -> str:
    """Draw the patient's curve over the two areas that the cut-off's curve divides."""
    last = max(days for days, _ in found.horizons) / DAYS_PER_MONTH
    step = 6 if last <= 40 else 12
    longest = step * float(np.ceil(last / step))

    def x(days: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * min(days / DAYS_PER_MONTH / longest, 1.0)

    def y(survival: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * survival

    def stairs(values: Sequence[float]) -> str:
        parts = [f"M{x(0):.1f} {y(1):.1f}"]
        for days, value in zip(found.days, values, strict=True):
            if days / DAYS_PER_MONTH <= longest:
                parts.append(f"H{x(days):.1f}V{y(value):.1f}")
        end = min(longest * DAYS_PER_MONTH, max(found.days[-1], found.horizons[-1][0]))
        return "".join([*parts, f"H{x(end):.1f}"])

    border = stairs(found.cutoff)
    end = border.rsplit("H", 1)[1]
    parts = [
        f'<path d="{border}V{y(1):.1f}H{x(0):.1f}Z" fill="{LOW_COLOUR}" fill-opacity="0.12"/>',
        f'<path d="{border}V{y(0):.1f}H{x(0):.1f}Z" fill="{HIGH_COLOUR}" fill-opacity="0.12"/>',
    ]
    for share in range(0, 101, 20):
        at = y(share / 100)
        parts.append(f'<path d="M{_LEFT:g} {at:.1f}H{_RIGHT:g}" stroke="{GRID}"/>')
        parts.append(_text(_LEFT - 5, at + 4, f"{share}%", "end"))
    parts += [
        _text(x(month * DAYS_PER_MONTH), _BOTTOM + 14, str(month), "middle")
        for month in range(0, int(longest) + 1, step)
    ]
    parts.append(
        _text((_LEFT + _RIGHT) / 2, _BOTTOM + 29, "months since radiotherapy began", "middle")
    )
    colour = HIGH_COLOUR if found.high_risk else LOW_COLOUR
    parts += [
        f'<path d="{border}" stroke="{INK}" stroke-dasharray="4 3" fill="none"/>',
        f'<path d="{stairs(found.patient)}" stroke="{colour}" stroke-width="2.4" fill="none"/>',
        _text(float(end) - 4, y(1) + 14, "low risk", "end", LOW_COLOUR),
        _text(_LEFT + 6, y(0) - 6, "high risk", "start", HIGH_COLOUR),
    ]
    for days, survival in found.horizons:
        place = f'cx="{x(days):.1f}" cy="{y(survival):.1f}"'
        parts.append(f'<circle {place} r="3.4" fill="{colour}"/>')
    words = "Predicted survival of this patient, and of a patient at the cut-off between the groups"
    return svg_element("predicted-survival", words, (340, 206), 11, parts)


def part_bars(contributions: Sequence[float]) -> tuple[str, ...]:
    """Draw a bar for each part of a score on one scale; what raises the risk goes to the right."""
    reach = max([abs(value) for value in contributions] + [1e-9])
    return tuple(_bar(number, value, reach) for number, value in enumerate(contributions))


def _bar(number: int, value: float, reach: float) -> str:
    width = _HALF * abs(value) / reach
    left = _HALF if value > 0 else _HALF - width
    colour = HIGH_COLOUR if value > 0 else LOW_COLOUR
    parts = [
        f'<path d="M{_HALF:g} 0V10" stroke="{INK}" stroke-width="0.6"/>',
        f'<rect x="{left:.1f}" y="1.5" width="{width:.1f}" height="7" fill="{colour}"/>',
    ]
    words = f"Part {value:+.3f}"
    return svg_element(f"part-{number}", words, (2 * _HALF, 10), 8, parts)


def _text(x: float, y: float, words: str, anchor: str, colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(words)}</text>"
    )
