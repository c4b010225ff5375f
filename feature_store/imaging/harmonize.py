"""CT and mask on an isotropic grid, so that features of different scanners are comparable (paper,
image harmonisation).

The cubic B-spline is separable on a grid that keeps its axes. Slices are interpolated at once;
along their normal values are made only where they are asked for, so that the whole grid, several
times as large, is never kept. Inside the field of view the values are those of ITK's B-spline
interpolator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.errors import CtGeometryError
from feature_store.imaging.boxed_mask import Box, BoxedMask
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.spline import (
    LineWeights,
    depth_moments,
    interpolate_depth,
    interpolate_slices,
    to_depth_coefficients,
)
from feature_store.wording import counted

Indices = npt.NDArray[np.int64]
Values = npt.NDArray[np.float32]

_LEAST_VOXELS = 4
_ROWS = 16


@dataclass(frozen=True, eq=False)
class HarmonizedGrid:
    """The isotropic grid of a CT, without its values.

    Parameters
    ----------
    spacing_mm : float
        Edge of a voxel in mm.
    origin_mm : tuple of 3 float
        Centre of voxel (0, 0, 0) in patient coordinates (LPS), in mm.
    direction : tuple of 9 float
        As in `CtVolume`.
    shape : tuple of 3 int
        Voxels along (z, y, x).
    """

    spacing_mm: float
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...]
    shape: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class HarmonizedCt(HarmonizedGrid):
    """A CT on its isotropic grid; `harmonize_ct` makes it.

    Parameters
    ----------
    spacing_mm, origin_mm, direction, shape
        As of the grid.
    coefficients : ndarray of float64, shape (slices, kept rows, kept columns)
        Of the spline along z through HU of the original slices, on the new grid within each.
    kept : tuple of 2 range
        The rows and columns of the grid that are kept.
    along_z : LineWeights
        From the slices to the new grid along z.
    mean_hu, sd_hu : float
        Mean and standard deviation (ddof 1) of the voxels of the new grid that the normalisation
        looks at, in HU.
    """

    coefficients: npt.NDArray[np.float64]
    kept: tuple[range, range]
    along_z: LineWeights
    mean_hu: float
    sd_hu: float

    def values(self, z: Indices | slice, y: Indices | slice, x: Indices | slice) -> Values:
        """Return HU at the crossings of planes z, rows y and columns x of the grid, shape (z, y,
        x).

        Raises
        ------
        IndexError
            If a row or column is not kept.
        """
        planes, rows, columns = (
            np.arange(n)[part] if isinstance(part, slice) else part
            for n, part in zip(self.shape, (z, y, x), strict=True)
        )
        rows, columns = (
            _of_kept(line, kept) for line, kept in zip((rows, columns), self.kept, strict=True)
        )
        return interpolate_depth(self.coefficients, self.along_z.of(planes), rows, columns)

    def to_image(self) -> Any:
        """Return the whole grid as a `SimpleITK.Image` of float32 HU.

        Raises
        ------
        IndexError
            If a row or column is not kept.
        """
        # 90 MB, which scoring does without
        import SimpleITK  # noqa: PLC0415

        everywhere = slice(None)
        image: Any = SimpleITK.GetImageFromArray(self.values(everywhere, everywhere, everywhere))
        image.SetSpacing((self.spacing_mm,) * 3)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        return image


def harmonized_grid(volume: CtVolume, spacing_mm: float = 1.0) -> HarmonizedGrid:
    """Return the isotropic grid of a CT.

    Parameters
    ----------
    volume : CtVolume
        The CT; its values are not looked at.
    spacing_mm : float
        Edge of the new voxels in mm.

    Returns
    -------
    HarmonizedGrid
        Same direction; ``round(n * spacing / new)`` voxels along each axis; the corners of the
        first voxels coincide, so the new origin is the old one plus ``(new - old spacing) / 2``
        along each axis.

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
            f"The CT has {counted(least, 'voxel')} along an axis: expected at least "
            f"{_LEAST_VOXELS}, before and after resampling to {spacing_mm:g} mm. Send the whole "
            "series.",
        )
    x, y, z = (np.asarray(volume.origin_mm) + volume.axes @ ((spacing_mm - old) / 2)).tolist()
    columns, rows, planes = sizes.tolist()
    return HarmonizedGrid(spacing_mm, (x, y, z), volume.direction, (planes, rows, columns))


def harmonize_ct(
    volume: CtVolume,
    spacing_mm: float = 1.0,
    over: npt.NDArray[np.bool_] | None = None,
    around: Box | None = None,
    *,
    last_use: bool = False,
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
    around : tuple of 3 slice, optional
        Box of the new grid, along (z, y, x), whose rows and columns are kept, which saves most of
        the memory; by default all. Mean and standard deviation are of the whole grid either way.
    last_use : bool
        That nobody looks at the voxels of `volume` afterwards: they may be written over, which
        saves as much memory as they take.

    Returns
    -------
    HarmonizedCt
        On `harmonized_grid`; a voxel whose centre is outside the CT has the value at the CT's face.

    Raises
    ------
    CtGeometryError
        As `harmonized_grid`.
    """
    grid = harmonized_grid(volume, spacing_mm)
    along_x, along_y, along_z = (
        LineWeights.at((np.arange(size) + 0.5) * spacing_mm / step - 0.5, n)
        for size, step, n in zip(
            grid.shape[::-1], np.asarray(volume.spacing_mm), volume.hu.shape[::-1], strict=True
        )
    )
    everywhere = (range(grid.shape[1]), range(grid.shape[2]))
    kept = everywhere
    if around is not None:
        kept = (range(around[1].start, around[1].stop), range(around[2].start, around[2].stop))
    memory = volume.given_up() if last_use else None
    slices, whole = interpolate_slices(volume.hu, along_x, along_y, kept, memory)
    rough = slices if whole is None else whole
    mean, sd = depth_moments(rough, along_z, grid.shape[1:])
    if over is not None:
        mean, sd = _moments_within(rough, along_z, harmonize_mask(over, volume, grid), mean)
    del rough, whole, memory  # a CT's worth of memory
    to_depth_coefficients(slices)
    place = (spacing_mm, grid.origin_mm, grid.direction, grid.shape)
    return HarmonizedCt(*place, slices, kept, along_z, mean, sd)


def harmonize_mask(
    mask: npt.NDArray[np.bool_], volume: CtVolume, grid: HarmonizedGrid
) -> BoxedMask:
    """Bring a mask to the grid of a harmonised CT by nearest neighbour.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        On the grid of `volume`.
    volume : CtVolume
        Where the mask lies.
    grid : HarmonizedGrid
        The same CT's, harmonised.

    Returns
    -------
    BoxedMask
        On `grid`; where the CT does not reach, nothing belongs to the mask.

    Raises
    ------
    CtGeometryError
        If the mask is not on the grid of `volume`, or the new grid has another direction.
    """
    if mask.shape != volume.hu.shape or not np.allclose(
        grid.direction, volume.direction, atol=1e-9
    ):
        raise CtGeometryError(
            "mask-grid",
            f"A mask of shape {mask.shape} cannot be resampled on a CT of shape "
            f"{volume.hu.shape}: expected equal shapes, and a new grid of the same direction.",
        )
    if not mask.any():
        nothing = slice(0, 0)
        return BoxedMask(np.zeros((0, 0, 0), np.bool_), (nothing, nothing, nothing), grid.shape)
    return harmonize_boxed_mask(BoxedMask.of(mask), volume, grid)


def harmonize_boxed_mask(mask: BoxedMask, volume: CtVolume, grid: HarmonizedGrid) -> BoxedMask:
    """Bring a mask that is kept within its box to the grid of a harmonised CT, as `harmonize_mask`
    does.
    """
    start = volume.to_index(np.asarray(grid.origin_mm)[None])[0]
    step = grid.spacing_mm / np.asarray(volume.spacing_mm)
    nearest, box = [], []
    for size, first, width, old in zip(grid.shape, start[::-1], step[::-1], mask.box, strict=True):
        found = np.floor(np.round(first + width * np.arange(size), 9) + 0.5).astype(
            int
        )  # halves go up, as in ITK
        inside = np.flatnonzero((found >= old.start) & (found < old.stop))
        nearest.append(found[inside] - old.start)
        box.append(slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0))
    z, y, x = box
    return BoxedMask(mask.voxels[np.ix_(*nearest)], (z, y, x), grid.shape)


def _of_kept(line: Indices, kept: range) -> Indices:
    if line.size and not (line.min() in kept and line.max() in kept):
        raise IndexError(
            f"Rows or columns {line.min()} to {line.max()} of the harmonised CT were asked for; "
            f"{kept.start} to {kept.stop - 1} are kept."
        )
    return line - kept.start


def _moments_within(
    slices: npt.NDArray[np.float64] | Values, along_z: LineWeights, mask: BoxedMask, near_hu: float
) -> tuple[float, float]:
    """Return mean and standard deviation (ddof 1) of the voxels of a mask, a few rows at a time;
    their sums are of what they are away from `near_hu`.
    """
    z, y, x = mask.box
    planes, columns = along_z.of(np.arange(z.start, z.stop)), np.arange(x.stop - x.start)
    total = squares = 0.0
    for start in range(y.start, y.stop, _ROWS):
        part = slice(start, min(start + _ROWS, y.stop))
        rows = slices[:, part, x].astype(np.float32).astype(np.float64)
        to_depth_coefficients(rows)
        hu = interpolate_depth(rows, planes, np.arange(rows.shape[1]), columns)
        chosen = mask.voxels[:, part.start - y.start : part.stop - y.start]
        away = hu[chosen].astype(np.float64) - near_hu
        total += float(away.sum())
        squares += float(np.square(away).sum())
    count = mask.count
    return near_hu + total / count, float(np.sqrt((squares - total**2 / count) / (count - 1)))
