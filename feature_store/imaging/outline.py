"""The edge of a mask in one slice as a closed line, for viewers that draw lines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feature_store.imaging.boxed_mask import bounding_box


def outline(pixels: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Trace the outer edge of the largest part of a mask in one slice.

    Parameters
    ----------
    pixels : ndarray of bool, shape (y, x)
        With at least one voxel.

    Returns
    -------
    ndarray, shape (n, 2)
        Corners (column, row) of a closed line along the edges of pixels, the first one repeated at
        the end; (0, 0) is the outer corner of the first pixel (PS3.3 section C.10.5.1.2.1).
    """
    rows, columns = bounding_box(pixels[np.newaxis])[1:]
    part = _largest_part(np.pad(pixels[rows, columns], 1))
    # Each edge runs with the mask on its right, so that edges follow each other around it.
    after: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for y, x in np.argwhere(part).tolist():
        for inside, start, end in (
            (part[y - 1, x], (x, y), (x + 1, y)),
            (part[y, x + 1], (x + 1, y), (x + 1, y + 1)),
            (part[y + 1, x], (x + 1, y + 1), (x, y + 1)),
            (part[y, x - 1], (x, y + 1), (x, y)),
        ):
            if not inside:
                after.setdefault(start, []).append(end)
    y, x = (int(value) for value in np.argwhere(part)[0])
    here, step = (x, y), (1, 0)
    corners = [here]
    while True:
        ahead = after[here]
        # At a corner where two pixels touch, the line keeps to its own pixel: it turns right.
        there = max(ahead, key=lambda end: _turn(step, (end[0] - here[0], end[1] - here[1])))
        ahead.remove(there)
        turned = (there[0] - here[0], there[1] - here[1])
        if turned != step:
            corners.append(here)
        here, step = there, turned
        if here == corners[0]:
            break
    corners.append(here)
    offset = np.array([columns.start - 1, rows.start - 1], dtype=np.float64)
    return np.asarray(corners, dtype=np.float64) + offset


def _turn(step: tuple[int, int], then: tuple[int, int]) -> int:
    """Return 1 for a turn to the right (rows count downwards), 0 for none, -1 for one to the
    left.
    """
    return step[0] * then[1] - step[1] * then[0]


def _largest_part(pixels: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    numbered, count = ndimage.label(pixels)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    return np.asarray(numbered == int(np.argmax(sizes)) + 1, dtype=np.bool_)
