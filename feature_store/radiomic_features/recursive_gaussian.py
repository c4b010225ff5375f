"""ITK's recursive Gaussian, to the last bit, for a box within an image.

Deriche's recursion [1]_ with Farneback's and Westin's coefficients [2]_, as in ITK's
``RecursiveGaussianImageFilter``: arithmetic in float64 in ITK's order, results rounded to float32
after each pass along an axis. Lines are filtered side by side, and each half of the recursion stops
where its result is no longer wanted.

.. [1] R. Deriche, Recursively implementing the Gaussian and its derivatives, INRIA report 1893,
    1993.
.. [2] G. Farneback, C.-F. Westin, Improving Deriche-style recursive Gaussian filters, J Math
    Imaging Vis 26, 2006.
"""

from __future__ import annotations

from math import cos, exp, prod, sin

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.imaging.boxed_mask import Box, whole_box
from feature_store.radiomic_features.normalisation import UNCHANGED, Normalisation

Floats = npt.NDArray[np.float64]
Rounded = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

_LINES = 128  # filtered side by side, as vectors
_ROW = 136  # places of a row: a power of two apart, rows push each other out of the cache
_VECTOR = 16  # lines are filtered in whole vectors
_TURNED = 32  # two cache lines of values
_BEFORE = 4  # rows before a line's first value

# Weights and exponents of the fit by two damped oscillations, for the Gaussian and its second
# derivative [2]_.
_A1, _B1, _W1, _L1 = (1.3530, -1.3563), (1.8151, 5.2318), 0.6681, -1.3932
_A2, _B2, _W2, _L2 = (-0.3531, 0.3446), (0.0902, -2.2355), 2.0787, -1.3732


def laplacian_of_gaussian(
    values: Floats | Rounded,
    padded: Box,
    inner: Box,
    spacing_mm: float,
    sigma_mm: float,
    normalisation: Normalisation = UNCHANGED,
) -> Rounded:
    """Return the scale-normalised Laplacian of Gaussian of a box, equal to ITK's to the last bit.

    The order of the passes and the float32 between them are those of
    ``LaplacianRecursiveGaussianImageFilter``.

    Parameters
    ----------
    values : ndarray of float64 or float32, shape (z, y, x)
        The image; C-contiguous.
    padded : tuple of 3 slice
        What the filter may see of it: at least 4 voxels along each axis.
    inner : tuple of 3 slice
        What is wanted of `padded`, counted from its first voxel.
    spacing_mm : float
        Edge of a voxel in mm.
    sigma_mm : float
        Width of the Gaussian in mm.
    normalisation : Normalisation
        Of the values, while they are read; by default they are taken as they are.
    """
    sizes = [part.stop - part.start for part in padded]
    kept = [part.stop - part.start for part in inner]
    total = np.zeros(kept, dtype=np.float32)
    rooms = _rooms(sizes, kept)
    work = np.zeros((3, max(sizes) + 2 * _BEFORE, _ROW))
    for axis in range(3):  # x, y, z as in ITK
        part: Floats | Rounded = values
        box, normalised = padded, normalisation
        directions = (axis, *(other for other in range(3) if other != axis))
        for direction, room in zip(directions, (rooms[0], rooms[1], rooms[0]), strict=True):
            coefficients = _coefficients(sigma_mm, spacing_mm, second=direction == axis)
            along, keep = 2 - direction, inner[2 - direction]
            part = _pass(part, box, along, keep, coefficients, normalised, work, room)
            box, normalised = whole_box(part.shape), UNCHANGED
        _add_term(part.reshape(-1), spacing_mm**2, total.reshape(-1))
    return total


def _rooms(sizes: list[int], kept: list[int]) -> tuple[Rounded, Rounded]:
    """Return memory for what one or all, and for what two passes leave, whatever their axes."""
    once = max(prod(sizes) // n * k for n, k in zip(sizes, kept, strict=True))
    twice = max(prod(kept) // k * n for n, k in zip(sizes, kept, strict=True))
    return np.empty(once, dtype=np.float32), np.empty(twice, dtype=np.float32)


def _pass(
    values: Floats | Rounded,
    box: Box,
    axis: int,
    keep: slice,
    coefficients: Floats,
    normalisation: Normalisation,
    work: Floats,
    room: Rounded,
) -> Rounded:
    """Filter a box along an axis and keep a part of that axis, in the memory of `room`."""
    shape = [part.stop - part.start for part in box]
    n, shape[axis] = shape[axis], keep.stop - keep.start
    result = room[: prod(shape)].reshape(shape)
    lanes = 1 if axis == 2 else 2
    order = [3 - axis - lanes, axis, lanes]
    steps, result_steps = (
        np.array([array.strides[each] // array.itemsize for each in order])
        for array in (values, result)
    )
    first = (
        sum(part.start * stride for part, stride in zip(box, values.strides, strict=True))
        // values.itemsize
    )
    counts = np.array([shape[each] for each in order])
    _filter(
        values.reshape(-1)[first:],
        steps,
        n,
        keep.start,
        coefficients,
        *normalisation,
        work,
        result.reshape(-1),
        result_steps,
        counts,
    )
    return result


def _coefficients(sigma_mm: float, spacing_mm: float, *, second: bool) -> Floats:
    """Return N0 to N3, D1 to D4, M1 to M4, and the boundary's BN1 to BN4 and BM1 to BM4, as ITK's
    `SetUp` does.
    """
    sigma = sigma_mm / spacing_mm
    cos1, cos2, exp1, exp2 = cos(_W1 / sigma), cos(_W2 / sigma), exp(_L1 / sigma), exp(_L2 / sigma)
    d4 = exp1 * exp1 * exp2 * exp2
    d3 = -2 * cos1 * exp1 * exp2 * exp2
    d3 += -2 * cos2 * exp2 * exp1 * exp1
    d2 = 4 * cos2 * cos1 * exp1 * exp2
    d2 += exp1 * exp1 + exp2 * exp2
    d1 = -2 * (exp2 * cos2 + exp1 * cos1)
    sd, dd, ed = (
        1.0 + d1 + d2 + d3 + d4,
        d1 + 2 * d2 + 3 * d3 + 4 * d4,
        d1 + 4 * d2 + 9 * d3 + 16 * d4,
    )
    n, (sn, dn, en) = _numerator(sigma, 0)
    if second:
        curved, (sn2, dn2, en2) = _numerator(sigma, 1)
        beta = -(2 * sn2 - sd * curved[0]) / (2 * sn - sd * n[0])
        n = [c + beta * smooth for c, smooth in zip(curved, n, strict=True)]
        sn, dn, en = sn2 + beta * sn, dn2 + beta * dn, en2 + beta * en
        alpha = en * sd * sd - ed * sn * sd - 2 * dn * dd * sd + 2 * dd * dd * sn
        alpha /= sd * sd * sd
        scale = sigma_mm * sigma_mm / alpha
    else:
        scale = 1.0 / (2 * sn / sd - n[0])
    n0, n1, n2, n3 = (value * scale for value in n)
    m1, m2, m3, m4 = n1 - d1 * n0, n2 - d2 * n0, n3 - d3 * n0, -d4 * n0
    sn, sm = n0 + n1 + n2 + n3, m1 + m2 + m3 + m4
    d = (d1, d2, d3, d4)
    return np.array(
        [n0, n1, n2, n3, *d, m1, m2, m3, m4, *(v * sn / sd for v in d), *(v * sm / sd for v in d)]
    )


def _numerator(sigma: float, order: int) -> tuple[list[float], tuple[float, float, float]]:
    """Return N0 to N3 before they are scaled, and their sums weighted by 1, k and k squared."""
    a1, b1, a2, b2 = _A1[order], _B1[order], _A2[order], _B2[order]
    sin1, sin2, cos1, cos2 = sin(_W1 / sigma), sin(_W2 / sigma), cos(_W1 / sigma), cos(_W2 / sigma)
    exp1, exp2 = exp(_L1 / sigma), exp(_L2 / sigma)
    n0 = a1 + a2
    n1 = exp2 * (b2 * sin2 - (a2 + 2 * a1) * cos2)
    n1 += exp1 * (b1 * sin1 - (a1 + 2 * a2) * cos1)
    n2 = (a1 + a2) * cos2 * cos1
    n2 -= b1 * cos2 * sin1 + b2 * cos1 * sin2
    n2 *= 2 * exp1 * exp2
    n2 += a2 * exp1 * exp1 + a1 * exp2 * exp2
    n3 = exp2 * exp1 * exp1 * (b2 * sin2 - a2 * cos2)
    n3 += exp1 * exp2 * exp2 * (b1 * sin1 - a1 * cos1)
    return [n0, n1, n2, n3], (n0 + n1 + n2 + n3, n1 + 2 * n2 + 3 * n3, n1 + 4 * n2 + 9 * n3)


@compiled
def _filter(
    values: Floats | Rounded,
    steps: Indices,
    n: int,
    first: int,
    c: Floats,
    mean: float,
    per_sd: float,
    scale: float,
    work: Floats,
    result: Rounded,
    result_steps: Indices,
    counts: Indices,
) -> None:
    """Filter lines of `n` values, `_LINES` neighbours at a time, and keep of each what begins at
    `first`.

    `counts` are planes, kept values of a line, and lines of a plane; `steps` lead from one to the
    next.
    """
    data, causal, anticausal = work[0], work[1], work[2]
    for plane in range(counts[0]):
        for start in range(0, counts[2], _LINES):
            lines = min(_LINES, counts[2] - start)
            wide = (lines + _VECTOR - 1) // _VECTOR * _VECTOR
            here = plane * steps[0] + start * steps[2]
            _take(values, here, steps, n, lines, mean, per_sd, scale, data)
            for k in range(_BEFORE):
                for line in range(wide):
                    data[k, line] = data[_BEFORE, line]
                    data[n + _BEFORE + k, line] = data[n + _BEFORE - 1, line]
            _causal(data, causal, first + counts[1], wide, c)
            _anticausal(data, anticausal, n, first, wide, c)
            _put(
                causal[first + _BEFORE :],
                anticausal[first + _BEFORE :],
                counts[1],
                lines,
                result,
                plane * result_steps[0] + start * result_steps[2],
                result_steps,
            )


@compiled
def _take(
    values: Floats | Rounded,
    here: int,
    steps: Indices,
    n: int,
    lines: int,
    mean: float,
    per_sd: float,
    scale: float,
    data: Floats,
) -> None:
    """Lay normalised lines side by side; those along x are turned `_TURNED` places at once, for
    what is read together, and normalised when they lie side by side, as vectors.
    """
    if steps[2] == 1:
        for i in range(n):
            at = here + i * steps[1]
            row, place = values[at : at + lines], data[i + _BEFORE]
            for line in range(lines):
                place[line] = (np.float64(row[line]) - mean) * per_sd * scale
        return
    for tile in range(0, n, _TURNED):
        turned = data[tile + _BEFORE : min(tile + _TURNED, n) + _BEFORE]
        for line in range(lines):
            at = here + tile + line * steps[2]
            row = values[at : at + len(turned)]
            for i in range(len(row)):
                turned[i, line] = row[i]
        for i in range(len(turned)):
            place = turned[i]
            for line in range(lines):
                place[line] = (place[line] - mean) * per_sd * scale


@compiled
def _put(
    causal: Floats,
    anticausal: Floats,
    kept: int,
    lines: int,
    result: Rounded,
    here: int,
    steps: Indices,
) -> None:
    """Lay the sum of both halves, as far as it is kept, back to its places."""
    if steps[2] == 1:
        for i in range(kept):
            at = here + i * steps[1]
            found, before, after = result[at : at + lines], causal[i], anticausal[i]
            for line in range(lines):
                found[line] = np.float32(before[line] + after[line])
        return
    turned = np.empty((_TURNED, _ROW), dtype=np.float32)
    for tile in range(0, kept, _TURNED):
        for i in range(min(_TURNED, kept - tile)):
            row, before, after = turned[i], causal[tile + i], anticausal[tile + i]
            for line in range(lines):
                row[line] = np.float32(before[line] + after[line])
        for line in range(lines):
            at = here + tile + line * steps[2]
            found = result[at : at + min(_TURNED, kept - tile)]
            for i in range(len(found)):
                found[i] = turned[i, line]


# Rows of lines follow each other in memory: the value of line `line` at i is at
# (i + _BEFORE) * _ROW + line, in `data` as in both halves. Beyond the line the recursion has its
# steady state, by the boundary's coefficients in place of D1 to D4. Two rows are made at once,
# since the second uses what the first has loaded; one too many does no harm.


@compiled
def _causal(data: Floats, causal: Floats, last: int, wide: int, c: Floats) -> None:
    """Run the causal half of the recursion up to `last`."""
    n0, n1, n2, n3, d1, d2, d3, d4 = c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
    for i in range(min(4, last)):
        for line in range(wide):
            here = (
                data[i + 4, line] * n0
                + data[i + 3, line] * n1
                + data[i + 2, line] * n2
                + data[i + 1, line] * n3
            )
            edge = data[4, line]
            t1 = causal[i + 3, line] * d1 if i > 0 else edge * c[12]
            t2 = causal[i + 2, line] * d2 if i > 1 else edge * c[13]
            t3 = causal[i + 1, line] * d3 if i > 2 else edge * c[14]
            causal[i + 4, line] = here - (t1 + t2 + t3 + edge * c[15])
    values, found = data.reshape(-1), causal.reshape(-1)
    for i in range(4, last, 2):
        x = values[(i + 1) * _ROW :][: 5 * _ROW]  # from i - 3
        y = found[i * _ROW :][: 6 * _ROW]  # from i - 4
        for line in range(wide):
            x1, x2, x3 = x[line + _ROW], x[line + 2 * _ROW], x[line + 3 * _ROW]
            y1, y2, y3 = y[line + _ROW], y[line + 2 * _ROW], y[line + 3 * _ROW]
            here = x3 * n0 + x2 * n1 + x1 * n2 + x[line] * n3
            y4 = here - (y3 * d1 + y2 * d2 + y1 * d3 + y[line] * d4)
            here = x[line + 4 * _ROW] * n0 + x3 * n1 + x2 * n2 + x1 * n3
            y[line + 4 * _ROW] = y4
            y[line + 5 * _ROW] = here - (y4 * d1 + y3 * d2 + y2 * d3 + y1 * d4)


@compiled
def _anticausal(data: Floats, anticausal: Floats, n: int, first: int, wide: int, c: Floats) -> None:
    """Run the anticausal half of the recursion of `n` values down to `first`."""
    d1, d2, d3, d4, m1, m2, m3, m4 = c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11]
    for k in range(min(4, n - first)):
        i = n - 1 - k
        for line in range(wide):
            here = (
                data[i + 5, line] * m1
                + data[i + 6, line] * m2
                + data[i + 7, line] * m3
                + data[i + 8, line] * m4
            )
            edge = data[n + 3, line]
            t1 = anticausal[i + 5, line] * d1 if k > 0 else edge * c[16]
            t2 = anticausal[i + 6, line] * d2 if k > 1 else edge * c[17]
            t3 = anticausal[i + 7, line] * d3 if k > 2 else edge * c[18]
            anticausal[i + 4, line] = here - (t1 + t2 + t3 + edge * c[19])
    values, found = data.reshape(-1), anticausal.reshape(-1)
    for i in range(n - 5, first - 1, -2):
        x = values[(i + 4) * _ROW :][: 5 * _ROW]  # from i
        y = found[(i + 3) * _ROW :][: 6 * _ROW]  # from i - 1
        for line in range(wide):
            x1, x2, x3 = x[line + _ROW], x[line + 2 * _ROW], x[line + 3 * _ROW]
            y2, y3, y4 = y[line + 2 * _ROW], y[line + 3 * _ROW], y[line + 4 * _ROW]
            here = x1 * m1 + x2 * m2 + x3 * m3 + x[line + 4 * _ROW] * m4
            y1 = here - (y2 * d1 + y3 * d2 + y4 * d3 + y[line + 5 * _ROW] * d4)
            here = x[line] * m1 + x1 * m2 + x2 * m3 + x3 * m4
            y[line + _ROW] = y1
            y[line] = here - (y1 * d1 + y2 * d2 + y3 * d3 + y4 * d4)


@compiled
def _add_term(term: Floats | Rounded, square: float, total: Rounded) -> None:
    """Add a term over the square of the spacing, rounded to float32 as ITK does."""
    for i in range(len(total)):
        total[i] = np.float32(np.float64(total[i]) + np.float64(term[i]) / square)
