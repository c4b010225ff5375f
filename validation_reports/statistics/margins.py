"""What a verdict may say: how far from 1 a slope or a ratio may lie and still be right, and what
its intervals show of that.

*Yes* needs every 95% interval inside the margins: two one-sided tests a quantity, and all of them
must reject, so a quantity at or beyond its margin is called right in at most 2.5% [1]_. *No* needs
a quantity that, after Holm over all that are judged, differs from 1 [2]_ and is estimated outside
the margins; an adjusted interval that lies wholly outside them is such a one.

References
----------
.. [1] Berger RL, Hsu JC. Stat Sci 1996;11:283-319 (intersection-union tests).
.. [2] Holm S. Scand J Stat 1979;6:65-70.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from scipy.special import ndtr

from validation_reports.not_estimable import normal_quantile

LEVEL = 0.05
POWER = 0.9
"""Probability that the interval lies inside the margins with the deaths that are said to be needed.
"""


class Verdict(StrEnum):
    """How a line of the summary is to be read; shown as a word, never by colour alone.

    ``partly`` is in reports of before only.
    """

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    UNKNOWN = "not shown"
    NOTE = "note"


@dataclass(frozen=True)
class Margins:
    """Between which values a slope or a ratio that should be 1 counts as right.

    Parameters
    ----------
    lower, upper : float
        Below and above 1.

    Raises
    ------
    ValueError
        If 1 does not lie between them.
    """

    lower: float = 0.8
    upper: float = 1.25

    def __post_init__(self) -> None:
        if not 0 < self.lower < 1 < self.upper < math.inf:
            raise ValueError(
                f"The margins are {self.lower:g} and {self.upper:g}: expected one above 0 and "
                "below 1 and one above 1, such as 0.8 and 1.25."
            )

    @property
    def words(self) -> str:
        """As a sentence names them."""
        return f"{self.lower:.2f}–{self.upper:.2f}"

    def hold(self, lower: float, upper: float) -> bool:
        """Whether an interval lies inside, its ends included."""
        return self.lower < lower and upper < self.upper


@dataclass(frozen=True)
class Judged:
    """One quantity that should be 1.

    Parameters
    ----------
    name : str
        What it is, as a sentence names it.
    estimate, lower, upper : float
        Its value and 95% interval.
    p_value : float
        Two-sided, of its being 1.
    deaths_needed : int
        Deaths in all with which the interval would lie inside the margins with probability `POWER`
        if the quantity is 1.
    """

    name: str
    estimate: float
    lower: float
    upper: float
    p_value: float
    deaths_needed: int


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p values adjusted for their number [2]_, in the order given."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return tuple(adjusted)


def contradicted(judged: Sequence[Judged], margins: Margins) -> tuple[Judged, ...]:
    """Return the quantities that are shown not to be right, of all that are judged together.

    Parameters
    ----------
    judged : sequence of Judged
        One family: those of one cohort, or of all centres.
    margins : Margins
        Outside which an estimate must lie.
    """
    adjusted = holm([one.p_value for one in judged])
    return tuple(
        one
        for one, p_value in zip(judged, adjusted, strict=True)
        if p_value < LEVEL and not margins.lower <= one.estimate <= margins.upper
    )


def verdict_by_margins(judged: Sequence[Judged], margins: Margins, *, complete: bool) -> Verdict:
    """Judge quantities that should all be 1.

    Parameters
    ----------
    judged : sequence of Judged
        Those that could be estimated.
    margins : Margins
        How far from 1 is still right.
    complete : bool
        Whether all without which there is no *yes* are among them.
    """
    if contradicted(judged, margins):
        return Verdict.NO
    if complete and judged and all(margins.hold(one.lower, one.upper) for one in judged):
        return Verdict.YES
    return Verdict.UNKNOWN


def deaths_needed(deaths: int, standard_error: float, margins: Margins, *, log_scale: bool) -> int:
    """Return with how many deaths the 95% interval of a true 1 lies inside the margins with
    probability `POWER`.

    The variance falls with 1 / deaths. With s the standard error and z = 1.96, the estimate is
    normal around the true value 1 (0 on the log scale) and the interval lies inside with
    probability  Phi(b / s - z) + Phi(a / s - z) - 1,  where a and b are the distances to the two
    margins; the s that makes this `POWER` is found, and  deaths (s_now / s)^2  is the answer.

    Parameters
    ----------
    deaths : int
        In the cohort, at least 1.
    standard_error : float
        There, of the estimate or of its logarithm.
    margins : Margins
        How far from 1 is still right.
    log_scale : bool
        Whether the interval is made on the log scale.
    """
    from scipy.optimize import brentq  # noqa: PLC0415 - settings need the margins alone

    below, above = (
        (-math.log(margins.lower), math.log(margins.upper))
        if log_scale
        else (1 - margins.lower, margins.upper - 1)
    )
    z, near = normal_quantile(1 - LEVEL), min(below, above)

    def excess(error: float) -> float:
        return float(ndtr(below / error - z) + ndtr(above / error - z) - 1 - POWER)

    needed = brentq(excess, near / 50, near / z, xtol=1e-12)
    return math.ceil(deaths * (standard_error / needed) ** 2)
