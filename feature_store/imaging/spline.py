"""Cubic B-spline interpolation along lines [1]_, of which many are handled side by side.

The spline goes through the samples; a line is mirrored at its outermost samples, as in ITK.

.. [1] M. Unser, Splines: a perfect fit for signal and image processing, IEEE Signal Process Mag
    16, 1999.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.cores import parts, side_by_side

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]

_LINES = 64  # filtered side by side, as vectors
_TURNED = 16  # two cache lines of values
_POLE = 3**0.5 - 2  # of the cubic spline's recursive filter, whose gain is 6
_POLE_REACH = 30  # its power is then below the precision of float64


@dataclass(frozen=True, eq=False)
class LineWeights:
    """How the values at some points of a line follow from its spline coefficients.

    Parameters
    ----------
    taps : ndarray of int64, shape (points, 4)
        The coefficients that each point needs.
    weights : ndarray of float64, shape (points, 4)
        Their weights. The filter's gain and the spline's divisor, 6 both, are left out of
        coefficients and weights.
    samples : int
        Number of samples, and so of coefficients, of the line.
    """

    taps: Indices
    weights: Floats
    samples: int

    @classmethod
    def at(cls, points: Floats, samples: int) -> LineWeights:
        """Weigh the coefficients of a line for `points`, in units of its samples; beyond its ends
        the value goes on.
        """
        points = np.clip(points, -0.5, samples - 0.5)
        base = np.floor(points)
        t = points - base
        weights = np.stack(
            [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
        )
        period = 2 * (samples - 1)
        taps = np.abs(base[:, None].astype(np.int64) + np.arange(-1, 3)) % period
        return cls(np.where(taps >= samples, period - taps, taps), weights, samples)

    def of(self, points: Indices) -> LineWeights:
        """Return the weights of some of the points."""
        return LineWeights(self.taps[points], self.weights[points], self.samples)

    def summed(self) -> tuple[Floats, Floats]:
        """Return the weight of each coefficient in the sum of all points' values, and in that of
        their squares the weights of its products with itself and the next three, shape (4,
        samples).
        """
        weights, products = np.zeros(self.samples), np.zeros((4, self.samples))
        np.add.at(weights, self.taps, self.weights)
        for taps, tap_weights in zip(self.taps.T, self.weights.T, strict=True):
            for others, other_weights in zip(self.taps.T, self.weights.T, strict=True):
                first = np.minimum(taps, others)
                np.add.at(products, (np.abs(taps - others), first), tap_weights * other_weights)
        return weights, products


def interpolate_slices(
    volume: Values,
    along_x: LineWeights,
    along_y: LineWeights,
    kept: tuple[range, range],
    memory: Values | None = None,
) -> tuple[Floats, Values | None]:
    """Interpolate each slice of a volume (z, y, x) along x, then along y.

    Parameters
    ----------
    volume : ndarray of float32
        The slices.
    along_x, along_y : LineWeights
        Where values are wanted.
    kept : tuple of 2 range
        The rows and columns that are kept in double precision.
    memory : ndarray of float32, shape of `volume`, optional
        Its own, to be written over where the result has room there.

    Returns
    -------
    exact : ndarray of float64
        Of the rows and columns that are to be kept.
    whole : ndarray of float32, or None
        Of all rows and columns, in half of the memory, perhaps with more of both behind them that
        mean nothing; `None` where all are to be kept.
    """
    depth, height, width = volume.shape[0], len(along_y.taps), len(along_x.taps)
    exact = np.empty((depth, len(kept[0]), len(kept[1])))
    all_kept = exact.shape == (depth, height, width)
    has_room = height <= volume.shape[1] and width <= volume.shape[2]
    if memory is not None and has_room and not all_kept:
        whole = memory  # a slice is written when it was read
    else:
        whole = np.empty((0 if all_kept else depth, height, width), dtype=np.float32)
    x, y = (along_x.taps, along_x.weights), (along_y.taps, along_y.weights)
    first = (kept[0].start, kept[1].start)
    side_by_side(
        lambda part: _interpolate_slices(volume, *x, *y, exact, *first, whole, *part),
        parts(depth),
    )
    return exact, None if all_kept else whole


def to_depth_coefficients(volume: Floats) -> None:
    """Replace a volume (z, y, x) by its spline coefficients along z."""
    side_by_side(lambda part: _to_depth_coefficients(volume, *part), parts(volume.shape[1]))


def interpolate_depth(
    coefficients: Floats, along_z: LineWeights, rows: Indices, columns: Indices
) -> Values:
    """Interpolate some rows and columns along z, in float64, from the coefficients (z, y, x) that
    `to_depth_coefficients` makes; the result is rounded to float32.
    """
    result = np.empty((len(along_z.taps), len(rows), len(columns)), dtype=np.float32)
    side_by_side(
        lambda part: _interpolate_depth(
            coefficients, rows, columns, along_z.taps, along_z.weights, result, *part
        ),
        parts(len(rows)),
    )
    return result


def depth_moments(
    volume: Floats | Values, along_z: LineWeights, extent: tuple[int, int]
) -> tuple[float, float]:
    """Return mean and standard deviation (ddof 1) of what interpolation along z would make of the
    first rows and columns of a volume in float32: sums and products of coefficients, since values
    are linear in them.
    """
    height, width = extent
    some = (plane[:height, :width].astype(np.float32) for plane in volume[::8])
    shift = float(np.mean([plane.mean(dtype=np.float64) for plane in some]))
    sums = np.zeros((2, height, -(-width // _LINES), _LINES))
    weights, products = along_z.summed()
    side_by_side(
        lambda part: _sum_depth(volume, width, weights, products, shift, sums, *part), parts(height)
    )
    total, squares = _added_up(sums)
    count = len(along_z.taps) * height * width
    return shift + total / count, float(
        np.sqrt(max(squares - total * total / count, 0.0) / (count - 1))
    )


@compiled
def _added_up(sums: Floats) -> tuple[float, float]:
    """Add one after the other, so that the cores' number changes no bit."""
    total = total_squares = 0.0
    for y in range(sums.shape[1]):
        for block in range(sums.shape[2]):
            for line in range(_LINES):
                total += sums[0, y, block, line]
                total_squares += sums[1, y, block, line]
    return total, total_squares


@compiled
def _interpolate_slices(
    volume: Values,
    x_taps: Indices,
    x_weights: Floats,
    y_taps: Indices,
    y_weights: Floats,
    exact: Floats,
    exact_y: int,
    exact_x: int,
    whole: Values,
    first: int,
    last: int,
) -> None:
    """Interpolate slices `first` to `last` along x, then along y, `_LINES` lines at a time and
    turned `_TURNED` places at once; those of `exact` begin at row `exact_y` and column `exact_x`.

    What has no slices is not filled.
    """
    height, width = volume.shape[1:]
    new_height, new_width = len(y_taps), len(x_taps)
    plane = np.empty((max(height, new_height), new_width))
    lines_x, new_x = np.zeros((width, _LINES)), np.empty((new_width, _LINES))
    lines_y, new_y = np.zeros((height, _LINES)), np.empty((new_height, _LINES))
    for z in range(first, last):
        for y in range(0, height, _LINES):
            rows = volume[z, y : y + _LINES]
            _turn_in(rows, lines_x)
            _interpolate_lines(lines_x, x_taps, x_weights, new_x)
            _turn_out(new_x, plane[y : y + len(rows)])
        for x in range(0, new_width, _LINES):
            lines = min(_LINES, new_width - x)
            for y in range(height):
                _copy(plane[y, x : x + lines], lines_y[y])
            _interpolate_lines(lines_y, y_taps, y_weights, new_y)
            for y in range(new_height):
                _copy(new_y[y, :lines], plane[y, x:])
        # Row by row, as memory is filled fastest.
        for y in range(len(exact[z])):
            _copy(plane[exact_y + y, exact_x : exact_x + exact.shape[2]], exact[z, y])
        if len(whole):
            for y in range(new_height):
                _copy(plane[y], whole[z, y])


@compiled
def _turn_in(rows: Values, lines: Floats) -> None:
    """Lay up to `_LINES` rows of a slice side by side, `_TURNED` places at once."""
    width = rows.shape[1]
    for x in range(0, width, _TURNED):
        for line in range(len(rows)):
            row = rows[line, x : min(x + _TURNED, width)]
            for i in range(len(row)):
                lines[x + i, line] = row[i]


@compiled
def _turn_out(lines: Floats, rows: Floats) -> None:
    """Lay them back."""
    width = rows.shape[1]
    for x in range(0, width, _TURNED):
        for line in range(len(rows)):
            found = rows[line, x : min(x + _TURNED, width)]
            for i in range(len(found)):
                found[i] = lines[x + i, line]


@compiled
def _copy(values: Floats, there: Floats | Values) -> None:
    for i in range(len(values)):
        there[i] = values[i]


@compiled
def _to_depth_coefficients(volume: Floats, first: int, last: int) -> None:
    """Replace rows `first` to `last`, `_LINES` neighbours in x at a time."""
    depth, _, width = volume.shape
    lines = np.zeros((depth, _LINES))
    for y in range(first, last):
        for x in range(0, width, _LINES):
            count = min(_LINES, width - x)
            for z in range(depth):
                _copy(volume[z, y, x : x + count], lines[z])
            _to_coefficients(lines, depth)
            for z in range(depth):
                _copy(lines[z, :count], volume[z, y, x:])


@compiled
def _interpolate_depth(
    coefficients: Floats,
    rows: Indices,
    columns: Indices,
    taps: Indices,
    weights: Floats,
    result: Values,
    first: int,
    last: int,
) -> None:
    """Interpolate `rows[first:last]` along z; columns that follow each other are read as they
    lie.
    """
    n = len(columns)
    together = True
    for x in range(1, n):
        together = together and columns[x] == columns[x - 1] + 1
    for y in range(first, last):
        row = coefficients[:, rows[y]]
        for z in range(len(taps)):
            w0, w1, w2, w3 = weights[z, 0], weights[z, 1], weights[z, 2], weights[z, 3]
            a, b, c, d = row[taps[z, 0]], row[taps[z, 1]], row[taps[z, 2]], row[taps[z, 3]]
            found = result[z, y]
            if together:
                start = columns[0]
                a, b, c, d = a[start:][:n], b[start:][:n], c[start:][:n], d[start:][:n]
                for x in range(n):
                    found[x] = w1 * b[x] + w2 * c[x] + w0 * a[x] + w3 * d[x]
            else:
                for x in range(n):
                    at = columns[x]
                    found[x] = w1 * b[at] + w2 * c[at] + w0 * a[at] + w3 * d[at]


@compiled
def _sum_depth(
    volume: Floats | Values,
    width: int,
    weights: Floats,
    products: Floats,
    shift: float,
    sums: Floats,
    first: int,
    last: int,
) -> None:
    """Sum what rows `first` to `last` are along z, less `shift`, and its squares, `_LINES`
    neighbours in x at a time.
    """
    depth = len(volume)
    # Beyond a line's end nothing is added: the products' weights are 0 there.
    line_values = np.zeros((depth + 3, _LINES))
    for y in range(first, last):
        for x in range(0, width, _LINES):
            lines = min(_LINES, width - x)
            for z in range(depth):
                here, there = volume[z, y, x : x + lines], line_values[z]
                for line in range(lines):
                    there[line] = np.float64(np.float32(here[line])) - shift
            _to_coefficients(line_values, depth)
            total, squares = sums[0, y, x // _LINES], sums[1, y, x // _LINES]
            for z in range(depth):
                weight = weights[z]
                p0, p1, p2, p3 = products[0, z], products[1, z], products[2, z], products[3, z]
                for line in range(_LINES):
                    one = line_values[z, line]
                    near = p0 * one + p1 * line_values[z + 1, line]
                    far = p2 * line_values[z + 2, line] + p3 * line_values[z + 3, line]
                    total[line] += weight * one
                    squares[line] += one * (near + far)
            total[lines:] = 0.0
            squares[lines:] = 0.0


@compiled
def _interpolate_lines(lines: Floats, taps: Indices, weights: Floats, result: Floats) -> None:
    """Turn lines, shape (n, `_LINES`), into spline coefficients in place, and those into values."""
    _to_coefficients(lines, len(lines))
    coefficients = lines.reshape(-1)
    for i in range(len(taps)):
        t0, t1, t2, t3 = taps[i, 0], taps[i, 1], taps[i, 2], taps[i, 3]
        w0, w1, w2, w3 = weights[i, 0], weights[i, 1], weights[i, 2], weights[i, 3]
        found = result[i]
        if t1 == t0 + 1 and t2 == t0 + 2 and t3 == t0 + 3:
            c = coefficients[t0 * _LINES :][: 4 * _LINES]
            for line in range(_LINES):
                near = w1 * c[line + _LINES] + w2 * c[line + 2 * _LINES]
                found[line] = near + w0 * c[line] + w3 * c[line + 3 * _LINES]
        else:
            for line in range(_LINES):
                near = w1 * lines[t1, line] + w2 * lines[t2, line]
                found[line] = near + w0 * lines[t0, line] + w3 * lines[t3, line]


@compiled
def _to_coefficients(lines: Floats, n: int) -> None:
    """Replace the `n` values of lines by their spline coefficients, for lines that are mirrored at
    their ends.
    """
    _start_lines(lines, n)
    values = lines.reshape(-1)
    for i in range(1, n - 1, 2):
        c = values[(i - 1) * _LINES :][: 3 * _LINES]
        for line in range(_LINES):
            here = c[line + _LINES] + _POLE * c[line]
            c[line + _LINES] = here
            c[line + 2 * _LINES] += _POLE * here
    if n % 2 == 0:
        for line in range(_LINES):
            lines[n - 1, line] += _POLE * lines[n - 2, line]
    for line in range(_LINES):
        lines[n - 1, line] = (_POLE * lines[n - 2, line] + lines[n - 1, line]) * (
            _POLE / (_POLE * _POLE - 1)
        )
    for i in range(n - 2, 0, -2):
        c = values[(i - 1) * _LINES :][: 3 * _LINES]
        for line in range(_LINES):
            here = _POLE * (c[line + 2 * _LINES] - c[line + _LINES])
            c[line + _LINES] = here
            c[line] = _POLE * (here - c[line])
    if n % 2 == 0:
        for line in range(_LINES):
            lines[0, line] = _POLE * (lines[1, line] - lines[0, line])


@compiled
def _start_lines(lines: Floats, n: int) -> None:
    """Make the first values what the forward half of the filter has there, for a line without
    end.
    """
    power, mirrored = _POLE, _POLE ** (n - 1)
    for line in range(_LINES):
        lines[0, line] += mirrored * lines[n - 1, line]
    for i in range(1, min(n - 1, _POLE_REACH)):
        for line in range(_LINES):
            lines[0, line] += power * (lines[i, line] + mirrored * lines[n - 1 - i, line])
        power *= _POLE
    for line in range(_LINES):
        lines[0, line] /= 1 - mirrored * mirrored
