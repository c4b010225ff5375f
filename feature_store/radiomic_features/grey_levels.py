"""The grey levels of a region's values, of which entropy and textures are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.errors import ExtractionError

Values = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.int16]
Counts = npt.NDArray[np.int64]

_MOST_LEVELS = 1024
"""The co-occurrence matrices of many more would need gigabytes, and count next to nothing in each
cell.
"""


def grey_levels(inside: Values, bin_width: float) -> Levels:
    """Assign grey levels from 1 by a fixed bin width, with edges at multiples of it, as PyRadiomics
    does.

    Parameters
    ----------
    inside : ndarray, shape (n,)
        Values of the region; their type decides how the edges are rounded, so it must be
        PyRadiomics' own.
    bin_width : float
        In units of the image.

    Raises
    ------
    ExtractionError
        If there are more than 1024 levels.
    """
    low, high = inside.min(), inside.max()
    if high - low > _MOST_LEVELS * bin_width:
        raise ExtractionError(
            "too-many-grey-levels",
            f"The values of a region span {high - low:g}: expected at most {_MOST_LEVELS} bins of "
            f"{bin_width:g}. Check that the CT is in Hounsfield units and without metal, or use a "
            "larger bin width.",
        )
    edges = np.arange(low - (low % bin_width), high + 2 * bin_width, bin_width).astype(np.float64)
    levels = np.empty(len(inside), dtype=np.int16)
    _assign(inside.astype(np.float64, copy=False), edges, 1 / bin_width, levels)
    return levels


def tallied(grey_levels: npt.NDArray[np.integer]) -> Counts:
    """Return how many voxels have each grey level, from 0 to the highest."""
    # Neighbours are often equal, and a count waits for the one before it: hence several.
    counts = np.zeros((4, int(grey_levels.max()) + 1), dtype=np.int64)
    _tally(grey_levels, counts)
    return np.asarray(counts.sum(axis=0), dtype=np.int64)


@compiled
def _assign(inside: Floats, edges: Floats, per_width: float, levels: Levels) -> None:
    """Count the edges at or below each value; a quotient rounds, so the edges decide."""
    for i in range(len(inside)):
        value = inside[i]
        below = int((value - edges[0]) * per_width)
        while edges[below] > value:
            below -= 1
        while edges[below + 1] <= value:
            below += 1
        levels[i] = below + 1


@compiled
def _tally(found: npt.NDArray[np.integer], counts: Counts) -> None:
    """Count the levels, in `counts` by turns."""
    whole = len(found) // 4 * 4
    for i in range(0, whole, 4):
        for turn in range(4):
            counts[turn, np.uintp(found[i + turn])] += 1
    for i in range(whole, len(found)):
        counts[0, np.uintp(found[i])] += 1
