"""CT and mask on an isotropic grid, so that features of different scanners are comparable (paper,
image harmonisation).

The cubic B-spline is separable on a grid that keeps its axes. Slices are interpolated at once;
along their normal values are made only where they are asked for, so that the whole grid, several
times as large, is never kept. Inside the field of view the values are those of ITK's B-spline
interpolator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK

from feature_store.errors import CtGeometryError
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.spline import (
    LineWeights,
    depth_moments,
    interpolate_depth,
    interpolate_slices,
)

Indices = npt.NDArray[np.int64]
Values = npt.NDArray[np.float32]

_LEAST_VOXELS = 4
_PLANES = 16


@dataclass(frozen=True, eq=False)
class HarmonizedCt:
    """A CT on an isotropic grid of the same direction; `harmonize_ct` makes it.

    Parameters
    ----------
    spacing_mm : float
        Edge of a voxel in mm.
    origin_mm : tuple of 3 float
        Centre of voxel (0, 0, 0) in patient coordinates (LPS), in mm.
    direction : tuple of 9 float
        As in `CtVolume`.
    slices : ndarray of float64, shape (slices, y, x)
        HU of the original slices, on the new grid within each.
    along_z : LineWeights
        From the slices to the new grid along z.
    mean_hu, sd_hu : float
        Mean and standard deviation (ddof 1) of the voxels of the new grid that the normalisation
        looks at, in HU.
    """

    spacing_mm: float
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...]
    slices: npt.NDArray[np.float64]
    along_z: LineWeights
    mean_hu: float
    sd_hu: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of the grid along (z, y, x)."""
        return len(self.along_z.taps), self.slices.shape[1], self.slices.shape[2]

    def values(self, z: Indices | slice, y: Indices | slice, x: Indices | slice) -> Values:
        """Return HU at the crossings of planes z, rows y and columns x of the grid, shape (z, y,
        x).
        """
        lines = [
            np.arange(n)[part] if isinstance(part, slice) else part
            for n, part in zip(self.shape, (z, y, x), strict=True)
        ]
        every = np.arange(len(self.slices))
        return interpolate_depth(
            self.slices[np.ix_(every, lines[1], lines[2])], self.along_z.of(lines[0])
        )

    def to_image(self) -> Any:
        """Return the whole grid as a `SimpleITK.Image` of float32 HU."""
        image: Any = SimpleITK.GetImageFromArray(interpolate_depth(self.slices, self.along_z))
        image.SetSpacing((self.spacing_mm,) * 3)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        return image


def harmonize_ct(
    volume: CtVolume, spacing_mm: float = 1.0, over: npt.NDArray[np.bool_] | None = None
) -> HarmonizedCt:
    """Bring a CT to isotropic voxels by cubic B-spline interpolation.

    Parameters
    ----------
    volume : CtVolume
        HU, shape (z, y, x).
    spacing_mm : float
        Edge of the new voxels in mm.
    over : ndarray of bool, shape (z, y, x), optional
        Voxels of `volume` over which mean and standard deviation are taken; by default all.

    Returns
    -------
    HarmonizedCt
        Same direction; ``round(n * spacing / new)`` voxels along each axis; the corners of the
        first voxels coincide, so the new origin is the old one plus ``(new - old spacing) / 2``
        along each axis. A voxel whose centre is outside the CT has the value at the CT's face.

    Raises
    ------
    CtGeometryError
        If the CT has fewer than 4 voxels along an axis, or would have on the new grid.
    """
    old = np.asarray(volume.spacing_mm)
    samples = volume.hu.shape[::-1]
    sizes = np.round(np.array(samples) * old / spacing_mm).astype(int)
    least = min(*samples, *sizes)
    if least < _LEAST_VOXELS:
        raise CtGeometryError(
            "ct-too-small",
            f"The CT has {least} voxels along an axis: expected at least {_LEAST_VOXELS}, before "
            f"and after resampling to {spacing_mm:g} mm. Send the whole series.",
        )
    along_x, along_y, along_z = (
        LineWeights.at((np.arange(size) + 0.5) * spacing_mm / step - 0.5, n)
        for size, step, n in zip(sizes, old, samples, strict=True)
    )
    slices = interpolate_slices(volume.hu, along_x, along_y)
    x, y, z = (np.asarray(volume.origin_mm) + volume.axes @ ((spacing_mm - old) / 2)).tolist()
    ct = HarmonizedCt(
        spacing_mm, (x, y, z), volume.direction, slices, along_z, *depth_moments(slices, along_z)
    )
    if over is None:
        return ct
    mean, sd = _moments_within(ct, harmonize_mask(over, volume, ct))
    return replace(ct, mean_hu=mean, sd_hu=sd)


def harmonize_mask(mask: npt.NDArray[np.bool_], volume: CtVolume, ct: HarmonizedCt) -> BoxedMask:
    """Bring a mask to the grid of a harmonised CT by nearest neighbour.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        On the grid of `volume`.
    volume : CtVolume
        Where the mask lies.
    ct : HarmonizedCt
        The same CT, harmonised.

    Returns
    -------
    BoxedMask
        On the grid of `ct`; where the CT does not reach, nothing belongs to the mask.

    Raises
    ------
    CtGeometryError
        If the mask is not on the grid of `volume`, or the new grid has another direction.
    """
    if mask.shape != volume.hu.shape or not np.allclose(ct.direction, volume.direction, atol=1e-9):
        raise CtGeometryError(
            "mask-grid",
            f"A mask of shape {mask.shape} cannot be resampled on a CT of shape "
            f"{volume.hu.shape}: expected equal shapes, and a new grid of the same direction.",
        )
    if not mask.any():
        nothing = slice(0, 0)
        return BoxedMask(np.zeros((0, 0, 0), np.bool_), (nothing, nothing, nothing), ct.shape)
    return harmonize_boxed_mask(BoxedMask.of(mask), volume, ct)


def harmonize_boxed_mask(mask: BoxedMask, volume: CtVolume, ct: HarmonizedCt) -> BoxedMask:
    """Bring a mask that is kept within its box to the grid of a harmonised CT, as `harmonize_mask`
    does.
    """
    start = volume.to_index(np.asarray(ct.origin_mm)[None])[0]
    step = ct.spacing_mm / np.asarray(volume.spacing_mm)
    nearest, box = [], []
    for size, first, width, old in zip(ct.shape, start[::-1], step[::-1], mask.box, strict=True):
        found = np.floor(np.round(first + width * np.arange(size), 9) + 0.5).astype(
            int
        )  # halves go up, as in ITK
        inside = np.flatnonzero((found >= old.start) & (found < old.stop))
        nearest.append(found[inside] - old.start)
        box.append(slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0))
    z, y, x = box
    return BoxedMask(mask.voxels[np.ix_(*nearest)], (z, y, x), ct.shape)


def _moments_within(ct: HarmonizedCt, mask: BoxedMask) -> tuple[float, float]:
    """Return mean and standard deviation (ddof 1) of the voxels of a mask, a few planes at a
    time.
    """
    z, y, x = mask.box
    total = squares = 0.0
    for start in range(z.start, z.stop, _PLANES):
        part = slice(start, min(start + _PLANES, z.stop))
        chosen = mask.voxels[part.start - z.start : part.stop - z.start]
        away = ct.values(part, y, x)[chosen].astype(np.float64) - ct.mean_hu
        total += float(away.sum())
        squares += float(np.square(away).sum())
    count = mask.count
    return ct.mean_hu + total / count, float(np.sqrt((squares - total**2 / count) / (count - 1)))
