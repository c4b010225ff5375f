"""CT and mask on an isotropic grid, so that features of different scanners are comparable (paper, image harmonisation).

The cubic B-spline is separable on a grid that keeps its axes, so each axis is one sparse matrix. Inside the field of
view the values are those of ITK's B-spline interpolator, whose boundary is a mirror at the outermost voxel centres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK
from scipy import ndimage, sparse

from feature_store.ct_volume import CtVolume
from feature_store.errors import CtGeometryError

_COLUMNS = 32768
_LEAST_VOXELS = 4


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


def _weights(size: int, new_size: int, spacing: float, new_spacing: float) -> sparse.csr_array:
    """Return the (new_size, size) matrix from spline coefficients to values, mirrored at the outermost centres."""
    at = (np.arange(new_size) + 0.5) * new_spacing / spacing - 0.5
    at = np.clip(at, -0.5, size - 0.5)  # beyond the face of the CT its value goes on
    base = np.floor(at)
    t = at - base
    values = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    taps = base[:, None].astype(int) + np.arange(-1, 3)
    period = 2 * (size - 1)
    taps = np.abs(taps) % period
    taps = np.where(taps >= size, period - taps, taps)
    rows = np.repeat(np.arange(new_size), 4)
    return sparse.csr_array(sparse.coo_array((values.ravel(), (rows, taps.ravel())), shape=(new_size, size)))


def _interpolate(hu: npt.NDArray[np.float32], weights: list[sparse.csr_array]) -> npt.NDArray[np.float32]:
    """Apply the spline along (x, y, z), in float64, slab by slab so that only the result is large."""
    depth = hu.shape[0]
    along_x, along_y, along_z = weights
    new_width, new_height, new_depth = along_x.shape[0], along_y.shape[0], along_z.shape[0]
    planes = np.empty((depth, new_height, new_width))
    for z in range(depth):
        plane = ndimage.spline_filter(hu[z], order=3, output=np.float64, mode="mirror")
        planes[z] = (along_x @ (along_y @ plane).T).T
    flat = planes.reshape(depth, -1)
    result = np.empty((new_depth, flat.shape[1]), dtype=np.float32)
    for start in range(0, flat.shape[1], _COLUMNS):
        columns = ndimage.spline_filter1d(flat[:, start : start + _COLUMNS], order=3, axis=0, mode="mirror")
        result[:, start : start + _COLUMNS] = along_z @ columns
    return result.reshape(new_depth, new_height, new_width)
