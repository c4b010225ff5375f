"""The flow of patients as an SVG diagram, as TRIPOD+AI item 20a asks for; boxes and arrows need no
plotting library.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape

from feature_store.wording import counted
from validation_reports.cohort.patient_flow import FlowStep
from validation_reports.page.plots import INK, svg_element

_FONT, _LINE = 12.0, 16.0
_BOX_WIDTH, _SIDE_X, _SIDE_WIDTH, _SIDE_LETTERS = 190.0, 230.0, 350.0, 54
_PAD, _GAP = 9.0, 22.0
_MOST_REASONS, _LONGEST_REASON = 5, 150
_SOFT = "#f4f6f8"


def flow_diagram(steps: Sequence[FlowStep], n_events: int, center: str) -> str:
    """Draw who came how far, and beside each arrow why the others did not.

    Parameters
    ----------
    steps : sequence of FlowStep
        From `patient_flow`.
    n_events : int
        Deaths among those analysed.
    center : str
        Name of the centre, or of the pool.

    Returns
    -------
    str
        An inline SVG element with text that can be read aloud.
    """
    parts, y = [], 1.0
    for place, step in enumerate(steps):
        last = place == len(steps) - 1
        words = [
            step.label,
            counted(step.n, "patient") + (f", {counted(n_events, 'death')}" if last else ""),
        ]
        height = 2 * _PAD + len(words) * _LINE
        parts.append(_box(1.0, y, _BOX_WIDTH, height, words))
        bottom, side = y + height, _reasons(step)
        side_height = 2 * _PAD + len(side) * _LINE if side else 0.0
        reach = max(_GAP, side_height + 2 * 6.0) if side else _GAP
        if not last:
            middle = 1.0 + _BOX_WIDTH / 2
            parts.append(_arrow(middle, bottom, middle, bottom + reach))
            if side:
                centre = bottom + reach / 2
                parts.append(_arrow(middle, centre, _SIDE_X, centre))
                parts.append(
                    _box(_SIDE_X, centre - side_height / 2, _SIDE_WIDTH, side_height, side)
                )
            y = bottom + reach
        else:
            y = bottom
    width, height = _SIDE_X + _SIDE_WIDTH + 1, y + 1
    return svg_element(
        f"flow-{center}", f"Flow of patients, {center}", (width, height), _FONT, parts
    )


def _reasons(step: FlowStep) -> list[str]:
    if not step.left:
        return []
    lines = [f"{counted(step.n_left, 'patient')} went no further"]
    for reason, n in step.left[:_MOST_REASONS]:
        lines += textwrap.wrap(
            f"{n}: {textwrap.shorten(reason, _LONGEST_REASON, placeholder=' …')}", _SIDE_LETTERS
        )
    rest = step.left[_MOST_REASONS:]
    if rest:
        lines.append(
            f"{sum(n for _, n in rest)}: {counted(len(rest), 'other reason')}, listed below"
        )
    return lines


def _box(x: float, y: float, width: float, height: float, lines: Sequence[str]) -> str:
    bold = ' font-weight="700"'
    text = "".join(
        f'<text x="{x + _PAD:g}" '
        f'y="{y + _PAD + _LINE * (row + 0.75):g}"{"" if row else bold}>{escape(line)}</text>'
        for row, line in enumerate(lines)
    )
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{_SOFT}" '
        f'stroke="{INK}"/>{text}'
    )


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    if x1 == x2:
        head = f"{x2:g},{y2:g} {x2 - 4:g},{y2 - 7:g} {x2 + 4:g},{y2 - 7:g}"
    else:
        head = f"{x2:g},{y2:g} {x2 - 7:g},{y2 - 4:g} {x2 - 7:g},{y2 + 4:g}"
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{INK}"/><polygon '
        f'points="{head}" fill="{INK}"/>'
    )
