"""Slices of a CT of which the upper or lower rows were lost, as where a file was cut off and filled
up, or a compressed one read in part.

Such rows hold one value from the side of the image on, and tissue ends at them in a straight line
although it goes on in the slice beside it. A patient who lies flat on a couch that was masked ends
so too, but in every slice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feature_store.imaging.ct_volume import CtVolume

_TISSUE_ABOVE_HU = -500.0
_LEAST_SHARE = 0.15
"""Of a row's pixels that must be tissue; a chest takes more than half of them."""
_BEYOND_SHARE = 0.05
"""Of the rows: so far beyond the edge the slice beside must still have tissue. In a CT of 50 cm it
is 25 mm, by which a body grows between no two slices.
"""

Plane = npt.NDArray[np.float32]


def slices_with_lost_rows(volume: CtVolume) -> tuple[float, ...]:
    """Return the positions along the normal, in mm, of slices that lost rows.

    Parameters
    ----------
    volume : CtVolume
        HU, minus infinity where nothing was measured.
    """
    first_mm = float(np.dot(volume.origin_mm, volume.axes[:, 2]))
    return tuple(
        first_mm + z * volume.spacing_mm[2]
        for z in range(len(volume.hu))
        if any(_has_lost_rows(hu, z) for hu in (volume.hu, volume.hu[:, ::-1]))
    )


def _has_lost_rows(hu: npt.NDArray[np.float32], z: int) -> bool:
    """Say whether a slice lost its last rows."""
    plane = hu[z]
    edge = _last_row(plane)
    beyond = edge + max(2, round(_BEYOND_SHARE * len(plane)))
    # the last row itself may be cut in its middle
    if edge < 1 or beyond >= len(plane) or not _is_tissue(plane[edge - 1]):
        return False
    return any(_is_tissue(hu[other][beyond]) for other in (z - 1, z + 1) if 0 <= other < len(hu))


def _last_row(plane: Plane) -> int:
    """Return the last row that does not hold the value of the last pixel throughout; -1 where none
    does not.
    """
    value = plane[-1, -1]
    return next((y for y in range(len(plane) - 1, -1, -1) if (plane[y] != value).any()), -1)


def _is_tissue(row: npt.NDArray[np.float32]) -> bool:
    """Say whether a row lies across tissue; lost ones may hold one value of it."""
    count = np.count_nonzero(row > _TISSUE_ABOVE_HU)
    return bool(count >= _LEAST_SHARE * len(row) and (row != row[0]).any())
