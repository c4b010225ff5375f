"""A line of estimates over time, as the places at which a page draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

WIDTH: Final = 640.0
HEIGHT: Final = 180.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 12.0, 12.0, 28.0
_STEP: Final = 0.1


@dataclass(frozen=True)
class Estimate:
    """One estimate with its interval, at an aware moment."""

    made_at: datetime
    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Mark:
    """Where an estimate and the ends of its interval are drawn, in the units of the drawing."""

    x: float
    y: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Trend:
    """A drawing of `WIDTH` by `HEIGHT` units.

    Parameters
    ----------
    marks : tuple of Mark
        The estimates in the order of their times.
    lines : tuple of (float, str)
        Height and label of each horizontal line.
    first, last : datetime
        The times at both ends.
    """

    marks: tuple[Mark, ...]
    lines: tuple[tuple[float, str], ...]
    first: datetime
    last: datetime


def trend(estimates: Sequence[Estimate]) -> Trend | None:
    """Lay estimates out over time; `None` for fewer than two, which show no course.

    Parameters
    ----------
    estimates : sequence of Estimate
        In any order.
    """
    if len(estimates) < 2:
        return None
    in_order = sorted(estimates, key=lambda one: one.made_at)
    first, last = in_order[0].made_at, in_order[-1].made_at
    span = (last - first).total_seconds() or 1.0
    low = min(*(one.lower for one in in_order), 0.5)
    high = max(one.upper for one in in_order)
    bottom, top = int(low / _STEP), int(high / _STEP) + 1

    def y(value: float) -> float:
        share = (value / _STEP - bottom) / (top - bottom)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    def x(moment: datetime) -> float:
        share = (moment - first).total_seconds() / span
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    return Trend(
        marks=tuple(
            Mark(x(one.made_at), y(one.estimate), y(one.upper), y(one.lower)) for one in in_order
        ),
        lines=tuple((y(tick * _STEP), f"{tick * _STEP:.1f}") for tick in range(bottom, top + 1)),
        first=first,
        last=last,
    )
