"""What a model says of a cohort's patients over contours as other readers might have drawn them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validation_reports.errors import CohortError


@dataclass(frozen=True, eq=False)
class ContourCohort:
    """Scores over contours of n patients; those of whom none are known are not a number.

    Parameters
    ----------
    scores : ndarray of float64, shape (n, contours)
        Linear predictor by patient and contour.
    other_group : ndarray of float64, shape (n,)
        Share of the contours that fall into the other risk group than the drawn one.

    Raises
    ------
    CohortError
        If the two are not of the same patients.
    """

    scores: NDArray[np.float64]
    other_group: NDArray[np.float64]

    def __post_init__(self) -> None:
        known = np.isfinite(self.scores)
        if self.scores.ndim != 2 or not np.array_equal(
            known, np.repeat(np.isfinite(self.other_group)[:, None], self.scores.shape[1], axis=1)
        ):
            raise CohortError(
                f"The scores over contours have shape {self.scores.shape} and shares of the other "
                f"group {self.other_group.shape}: give both for the same patients, or neither."
            )

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whose scores over contours are known, shape (n,)."""
        return np.isfinite(self.other_group)


def side_by_side(
    parts: Sequence[ContourCohort | None], sizes: Sequence[int]
) -> ContourCohort | None:
    """Return the patients of several centres together, with as many contours as all of them have;
    `None` where none are known.

    Parameters
    ----------
    parts : sequence of ContourCohort or None
        By centre.
    sizes : sequence of int
        Patients of each.
    """
    there = [part for part in parts if part is not None]
    if not there:
        return None
    contours = min(part.scores.shape[1] for part in there)
    return ContourCohort(
        np.concatenate(
            [
                np.full((n, contours), np.nan) if part is None else part.scores[:, :contours]
                for part, n in zip(parts, sizes, strict=True)
            ]
        ),
        np.concatenate(
            [
                np.full(n, np.nan) if part is None else part.other_group
                for part, n in zip(parts, sizes, strict=True)
            ]
        ),
    )
