"""CT and mask on an isotropic grid, so that features of different scanners are comparable (paper, image harmonisation).

The cubic B-spline is separable on a grid that keeps its axes, so each axis is interpolated on its own. Inside the
field of view the values are those of ITK's B-spline interpolator, whose boundary is a mirror at the outermost voxel
centres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK

from feature_store.compiled import compiled
from feature_store.ct_volume import CtVolume
from feature_store.errors import CtGeometryError

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_LEAST_VOXELS = 4
_LINES = 32  # filtered side by side, as vectors
_POLE = 3**0.5 - 2  # of the cubic spline's recursive filter
_GAIN = (1 - _POLE) * (1 - 1 / _POLE)
_POLE_REACH = 60  # its power is then below the precision of float64


def resample_ct(volume: CtVolume, spacing_mm: float = 1.0) -> Any:
    """Resample a CT to isotropic voxels by cubic B-spline interpolation.

    Parameters
    ----------
    volume : CtVolume
        HU, shape (z, y, x).
    spacing_mm : float
        Edge of the new voxels in mm.

    Returns
    -------
    SimpleITK.Image
        float32 HU. Same direction; size ``round(n * spacing / new)`` along each axis; the corners of the first voxels
        coincide, so the new origin is the old one plus ``(new - old spacing) / 2`` along each axis. A voxel whose
        centre is outside the CT has the value at the CT's face.

    Raises
    ------
    CtGeometryError
        If the CT has fewer than 4 voxels along an axis, or would have on the new grid.
    """
    old = np.asarray(volume.spacing_mm)
    sizes = np.round(np.array(volume.hu.shape[::-1]) * old / spacing_mm).astype(int)
    least = min(*volume.hu.shape, *sizes)
    if least < _LEAST_VOXELS:
        raise CtGeometryError(
            "ct-too-small",
            f"The CT has {least} voxels along an axis: expected at least {_LEAST_VOXELS}, before and after resampling "
            f"to {spacing_mm:g} mm. Send the whole series.",
        )
    weights = [_weights(n, m, s, spacing_mm) for n, m, s in zip(volume.hu.shape[::-1], sizes, old, strict=True)]
    image: Any = SimpleITK.GetImageFromArray(_interpolate(volume.hu, weights))
    image.SetSpacing((spacing_mm,) * 3)
    image.SetOrigin((np.asarray(volume.origin_mm) + volume.axes @ ((spacing_mm - old) / 2)).tolist())
    image.SetDirection(volume.direction)
    return image


def resample_mask(mask: npt.NDArray[np.bool_], volume: CtVolume, reference: Any) -> npt.NDArray[np.bool_]:
    """Resample a mask by nearest neighbour.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        On the grid of `volume`.
    volume : CtVolume
        Where the mask lies.
    reference : SimpleITK.Image
        The new grid, of the same direction, as `resample_ct` gives it.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        On the grid of `reference`; outside the CT nothing belongs to the mask.

    Raises
    ------
    CtGeometryError
        If the mask is not on the grid of `volume`, or the reference has another direction.
    """
    if mask.shape != volume.hu.shape or not np.allclose(reference.GetDirection(), volume.direction, atol=1e-9):
        raise CtGeometryError(
            "mask-grid",
            f"A mask of shape {mask.shape} on a CT of shape {volume.hu.shape} cannot be resampled: expected equal "
            "shapes, and a new grid of the same direction.",
        )
    start = volume.to_index(np.asarray(reference.GetOrigin())[None])[0]
    step = np.asarray(reference.GetSpacing()) / np.asarray(volume.spacing_mm)
    lines = []
    for n, m, first, width in zip(mask.shape[::-1], reference.GetSize(), start, step, strict=True):
        nearest = np.floor(np.round(first + width * np.arange(m), 9) + 0.5).astype(int)  # halves go up, as in ITK
        lines.append((np.clip(nearest, 0, n - 1), (nearest >= 0) & (nearest < n)))
    (x, in_x), (y, in_y), (z, in_z) = lines
    result = mask[np.ix_(z, y, x)]
    result &= in_z[:, None, None] & in_y[:, None] & in_x
    return result


def _weights(size: int, new_size: int, spacing: float, new_spacing: float) -> tuple[Indices, Floats]:
    """Return the 4 spline coefficients that each new voxel needs, mirrored at the outermost centres, and their weights.

    Both have the shape (new_size, 4).
    """
    at = (np.arange(new_size) + 0.5) * new_spacing / spacing - 0.5
    at = np.clip(at, -0.5, size - 0.5)  # beyond the face of the CT its value goes on
    base = np.floor(at)
    t = at - base
    values = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    period = 2 * (size - 1)
    taps = np.abs(base[:, None].astype(np.int64) + np.arange(-1, 3)) % period
    return np.where(taps >= size, period - taps, taps), values


def _interpolate(hu: npt.NDArray[np.float32], weights: list[tuple[Indices, Floats]]) -> npt.NDArray[np.float32]:
    """Apply the spline along (x, y, z), in float64, so that only the result is large."""
    along_x, along_y, along_z = weights
    planes = np.empty((hu.shape[0], len(along_y[0]), len(along_x[0])))
    _interpolate_planes(hu, *along_x, *along_y, planes)
    result = np.empty((len(along_z[0]), *planes.shape[1:]), dtype=np.float32)
    _interpolate_depth(planes, *along_z, result)
    return result


@compiled
def _interpolate_planes(
    hu: npt.NDArray[np.float32], x_taps: Indices, x_weights: Floats, y_taps: Indices, y_weights: Floats, planes: Floats
) -> None:
    """Interpolate each slice along x, then along y, `_LINES` lines at a time."""
    depth, height, width = hu.shape
    new_height, new_width = planes.shape[1:]
    rows = np.empty((height, new_width))
    lines_x, new_x = np.zeros((width, _LINES)), np.empty((new_width, _LINES))
    lines_y, new_y = np.zeros((height, _LINES)), np.empty((new_height, _LINES))
    for z in range(depth):
        for y in range(0, height, _LINES):
            lines = min(_LINES, height - y)
            for line in range(lines):
                for x in range(width):
                    lines_x[x, line] = hu[z, y + line, x]
            _interpolate_lines(lines_x, x_taps, x_weights, new_x)
            for line in range(lines):
                for x in range(new_width):
                    rows[y + line, x] = new_x[x, line]
        for x in range(0, new_width, _LINES):
            lines = min(_LINES, new_width - x)
            for y in range(height):
                for line in range(lines):
                    lines_y[y, line] = rows[y, x + line]
            _interpolate_lines(lines_y, y_taps, y_weights, new_y)
            for y in range(new_height):
                for line in range(lines):
                    planes[z, y, x + line] = new_y[y, line]


@compiled
def _interpolate_depth(planes: Floats, taps: Indices, weights: Floats, result: npt.NDArray[np.float32]) -> None:
    """Interpolate along z, `_LINES` neighbours in x at a time."""
    depth, height, width = planes.shape
    new_depth = result.shape[0]
    before, after = np.zeros((depth, _LINES)), np.empty((new_depth, _LINES))
    for y in range(height):
        for x in range(0, width, _LINES):
            lines = min(_LINES, width - x)
            for z in range(depth):
                for line in range(lines):
                    before[z, line] = planes[z, y, x + line]
            _interpolate_lines(before, taps, weights, after)
            for z in range(new_depth):
                for line in range(lines):
                    result[z, y, x + line] = after[z, line]


@compiled
def _interpolate_lines(lines: Floats, taps: Indices, weights: Floats, result: Floats) -> None:
    """Turn lines, shape (n, `_LINES`), into spline coefficients in place, and those into values."""
    _to_coefficients(lines)
    for i in range(len(taps)):
        t0, t1, t2, t3 = taps[i, 0], taps[i, 1], taps[i, 2], taps[i, 3]
        w0, w1, w2, w3 = weights[i, 0], weights[i, 1], weights[i, 2], weights[i, 3]
        for line in range(_LINES):
            near = w1 * lines[t1, line] + w2 * lines[t2, line]
            result[i, line] = near + w0 * lines[t0, line] + w3 * lines[t3, line]


@compiled
def _to_coefficients(lines: Floats) -> None:
    """Replace the values of lines by their spline coefficients [1]_, for lines that are mirrored at their ends.

    .. [1] M. Unser, Splines: a perfect fit for signal and image processing, IEEE Signal Process Mag 16, 1999.
    """
    n = len(lines)
    for i in range(n):
        for line in range(_LINES):
            lines[i, line] *= _GAIN
    power, mirrored = _POLE, _POLE ** (n - 1)
    for line in range(_LINES):
        lines[0, line] += mirrored * lines[n - 1, line]
    for i in range(1, min(n - 1, _POLE_REACH)):
        for line in range(_LINES):
            lines[0, line] += power * (lines[i, line] + mirrored * lines[n - 1 - i, line])
        power *= _POLE
    for line in range(_LINES):
        lines[0, line] /= 1 - mirrored * mirrored
    for i in range(1, n):
        for line in range(_LINES):
            lines[i, line] += _POLE * lines[i - 1, line]
    for line in range(_LINES):
        lines[n - 1, line] = (_POLE * lines[n - 2, line] + lines[n - 1, line]) * (_POLE / (_POLE * _POLE - 1))
    for i in range(n - 2, -1, -1):
        for line in range(_LINES):
            lines[i, line] = _POLE * (lines[i + 1, line] - lines[i, line])
