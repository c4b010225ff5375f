"""How far a score moves over contours as other readers might have drawn them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PERCENTILES = (10, 90)
UNCERTAIN_FROM = 0.1
"""Share of the contours in the other group from which a patient's group is called uncertain: the
cut-off then lies within the range from the 10th to the 90th percentile, or at its edge.
"""
LEAST_MEASURED = 10
"""Of fewer contours no range is told."""


@dataclass(frozen=True)
class ScoreRange:
    """Where one patient's score lies over perturbed contours. It is the spread of what was
    computed, and no confidence interval: no contour is known to be the true one.

    Parameters
    ----------
    asked : int
        How many contours were made.
    contours : int
        How many of them could be measured.
    p10, p90 : float
        10th and 90th percentile of their linear predictors.
    other_group : float
        Share of them that fall into the other risk group than the drawn contour.
    """

    asked: int
    contours: int
    p10: float
    p90: float
    other_group: float

    @property
    def is_uncertain(self) -> bool:
        """Whether other contours put the patient into the other risk group often."""
        return self.other_group >= UNCERTAIN_FROM

    @property
    def in_other_group(self) -> int:
        """Number of measured contours that fall into the other group."""
        return round(self.other_group * self.contours)


def score_range(
    scores: Sequence[float | None], *, high_risk: bool, cutoff: float
) -> ScoreRange | None:
    """Return where a score lies over contours; `None` if fewer than 10 could be measured.

    Parameters
    ----------
    scores : sequence of float or None
        Linear predictor by each contour; `None` where it could not be measured.
    high_risk : bool
        Whether the drawn contour's lies above the cut-off.
    cutoff : float
        Linear predictor above which risk is high.
    """
    found = np.array([score for score in scores if score is not None], dtype=np.float64)
    if found.size < LEAST_MEASURED:
        return None
    low, high = np.percentile(found, PERCENTILES)
    return ScoreRange(
        asked=len(scores),
        contours=int(found.size),
        p10=float(low),
        p90=float(high),
        other_group=float(((found > cutoff) != high_risk).mean()),
    )
