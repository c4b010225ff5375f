"""The level-1 stationary wavelet transform of a box, to the last bit as PyWavelets' ``swtn``.

Each sub-band is a filter along x, then y, then z; a kernel makes the low and the high one of each
axis at once, and only where it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled

Values = npt.NDArray[np.float64] | npt.NDArray[np.float32]

REACH = 3
"""Voxels that the six values of a coif1 filter look at on each side."""
_AXES = (2, 1, 0)  # x, y, z, in the order of a sub-band's letters


def sub_bands(values: Values, wavelet: str, names: tuple[str, ...]) -> Iterator[Values]:
    """Make sub-bands of an image, one after the other.

    Parameters
    ----------
    values : ndarray of float64 or float32, shape (z, y, x)
        The image with a margin of `REACH` voxels on each side; C-contiguous.
    wavelet : str
        Its name in PyWavelets; one with filters of 6 values, such as coif1.
    names : tuple of str
        Such as ``LLH``: low or high along x, y and z, in the order in which they are wanted.

    Yields
    ------
    ndarray, of the type of `values`
        Without the margin.
    """
    low, high = _filters(wavelet, values.dtype)
    made: dict[str, Values] = {"": values}
    del values  # each image goes when nothing is to be made of it any more
    for number, name in enumerate(names):
        there = max(letters for letters in range(len(name) + 1) if name[:letters] in made)
        for letters in range(there, len(name)):
            part, axis = name[:letters], _AXES[letters]
            made[part + "L"], made[part + "H"] = _both(made.pop(part), axis, low, high)
        found = made.pop(name)
        made = {
            part: image
            for part, image in made.items()
            if any(later.startswith(part) for later in names[number + 1 :])
        }
        yield found
        del found


@lru_cache(maxsize=4)
def _filters(wavelet: str, precision: np.dtype[np.floating[Any]]) -> tuple[Values, Values]:
    """Return the low and the high filter as PyWavelets has them in a precision: what it makes of a
    single 1, since its filters in single precision are not those in double precision rounded.
    """
    import pywt  # noqa: PLC0415 - only where wavelets are asked for

    impulse = np.zeros(4 * REACH, dtype=precision)
    impulse[2 * REACH] = 1
    low, high = pywt.swt(impulse, pywt.Wavelet(wavelet), level=1)[0]
    return low[REACH:-REACH].copy(), high[REACH:-REACH].copy()


def _both(values: Values, axis: int, low: Values, high: Values) -> tuple[Values, Values]:
    """Return the low and the high filter along an axis, which loses its margin."""
    shape = list(values.shape)
    shape[axis] -= 2 * REACH
    steps = np.array([stride // values.itemsize for stride in values.strides])
    lows, highs = (np.empty(shape, dtype=values.dtype) for _ in range(2))
    _filter_rows(values.reshape(-1), steps, steps[axis], low, high, lows, highs)
    return lows, highs


@compiled
def _filter_rows(
    values: Values,
    steps: npt.NDArray[np.int64],
    step: int,
    low: Values,
    high: Values,
    lows: Values,
    highs: Values,
) -> None:
    """Filter rows; `step` leads from a value to the next along the axis.

    Products are added one after the other, as PyWavelets does.
    """
    depth, height, width = lows.shape
    l0, l1, l2, l3, l4, l5 = low[0], low[1], low[2], low[3], low[4], low[5]
    h0, h1, h2, h3, h4, h5 = high[0], high[1], high[2], high[3], high[4], high[5]
    for z in range(depth):
        for y in range(height):
            at = z * steps[0] + y * steps[1]
            a, b = values[at + 6 * step :][:width], values[at + 5 * step :][:width]
            c, d = values[at + 4 * step :][:width], values[at + 3 * step :][:width]
            e, f = values[at + 2 * step :][:width], values[at + step :][:width]
            low_row, high_row = lows[z, y], highs[z, y]
            for x in range(width):
                low_row[x] = l0 * a[x] + l1 * b[x] + l2 * c[x] + l3 * d[x] + l4 * e[x] + l5 * f[x]
                high_row[x] = h0 * a[x] + h1 * b[x] + h2 * c[x] + h3 * d[x] + h4 * e[x] + h5 * f[x]
