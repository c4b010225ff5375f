"""Measured regions on the CT's own grid, where a viewer can lay them over the slices.

Features are measured on an isotropic grid, which no viewer has. A voxel of the CT belongs to a
region when the measured voxel nearest to its centre does; how well the two agree is the Dice
coefficient [1]_ on the isotropic grid.

References
----------
.. [1] Dice LR. Measures of the amount of ecologic association between species. Ecology
    1945;26:297-302.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.orientation import lps_order

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RegionOnCt:
    """A region on the CT's grid, and how that compares with what was measured.

    Parameters
    ----------
    mask : BoxedMask
        Its voxels on the CT's grid, slices, rows and columns as they are stored.
    volume_mm3 : float
        Of these voxels.
    measured_mm3 : float
        Of the region that was measured.
    dice : float
        Dice coefficient of both on the isotropic grid, 0-1.
    """

    mask: BoxedMask
    volume_mm3: float
    measured_mm3: float
    dice: float


def drawn_on_ct(
    drawn: BoxedMask, measured: BoxedMask, volume: CtVolume, spacing_mm: float
) -> RegionOnCt:
    """Return a region that was drawn on the CT itself and brought to the isotropic grid to be
    measured: the GTV.

    Parameters
    ----------
    drawn : BoxedMask
        Its voxels on the grid of `volume`, at least one.
    measured, volume, spacing_mm
        As in `region_on_ct`.
    """
    return _compared(drawn, measured, volume, spacing_mm)


def region_on_ct(measured: BoxedMask, volume: CtVolume, spacing_mm: float) -> RegionOnCt:
    """Bring a measured region to the CT's grid by nearest neighbour.

    Parameters
    ----------
    measured : BoxedMask
        On the isotropic grid that `harmonize_ct` makes of `volume` in LPS order, with some voxels.
    volume : CtVolume
        The CT as it is stored, in any orientation.
    spacing_mm : float
        Edge of an isotropic voxel in mm.
    """
    lines = _Lines(volume, spacing_mm)
    rows, starts = [], []
    for axis in range(3):
        nearest, part = lines.to_isotropic(axis), measured.box[lines.partner[axis]]
        inside = np.flatnonzero((nearest >= part.start) & (nearest < part.stop))
        rows.append(nearest[inside] - part.start)
        starts.append(slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0))
    z, y, x = starts
    voxels = np.transpose(measured.voxels, lines.partner)[np.ix_(*rows)]
    found = BoxedMask(voxels, (z, y, x), _shape(volume))
    return _compared(found, measured, volume, spacing_mm)


def _compared(
    on_ct: BoxedMask, measured: BoxedMask, volume: CtVolume, spacing_mm: float
) -> RegionOnCt:
    lines = _Lines(volume, spacing_mm)
    rows: dict[int, Indices] = {}
    box = [slice(0, 0)] * 3
    for axis in range(3):
        partner, part = lines.partner[axis], on_ct.box[axis]
        nearest = lines.from_isotropic(axis, measured.grid_shape[partner])
        inside = np.flatnonzero((nearest >= part.start) & (nearest < part.stop))
        rows[axis] = nearest[inside] - part.start
        if inside.size:
            box[partner] = slice(int(inside[0]), int(inside[-1]) + 1)
    back = np.transpose(on_ct.voxels[np.ix_(*(rows[axis] for axis in range(3)))], lines.inverse)
    shared = int(np.count_nonzero(back & measured.cut((box[0], box[1], box[2]))))
    total = int(np.count_nonzero(back)) + measured.count
    return RegionOnCt(
        mask=on_ct,
        volume_mm3=on_ct.count * float(np.prod(volume.spacing_mm)),
        measured_mm3=measured.count * spacing_mm**3,
        dice=2.0 * shared / total if total else 0.0,
    )


class _Lines:
    """How the lines of the stored grid and of the isotropic grid run along each other: both have
    the same axes, in another order or direction.
    """

    def __init__(self, volume: CtVolume, spacing_mm: float) -> None:
        order, signs = lps_order(volume.axes)
        patient_axis = [order.index(2 - axis) for axis in range(3)]
        self.partner = tuple(2 - p for p in patient_axis)
        self.inverse = tuple(self.partner.index(axis) for axis in range(3))
        self._reversed = [signs[p] < 0 for p in patient_axis]
        self._voxels = volume.hu.shape
        self._ratios = [volume.spacing_mm[2 - axis] / spacing_mm for axis in range(3)]

    def to_isotropic(self, axis: int) -> Indices:
        """Return the isotropic index nearest to each stored index along a stored axis."""
        found = _nearest((np.arange(self._voxels[axis]) + 0.5) * self._ratios[axis] - 0.5)
        return found[::-1] if self._reversed[axis] else found

    def from_isotropic(self, axis: int, size: int) -> Indices:
        """Return the stored index nearest to each of `size` isotropic indices."""
        found = _nearest((np.arange(size) + 0.5) / self._ratios[axis] - 0.5)
        return self._voxels[axis] - 1 - found if self._reversed[axis] else found


def _nearest(index: npt.NDArray[np.floating]) -> Indices:
    """Round to the nearest index, halves up, as `harmonize_mask` does."""
    return np.floor(np.round(index, 9) + 0.5).astype(np.int64)


def _shape(volume: CtVolume) -> tuple[int, int, int]:
    depth, height, width = volume.hu.shape
    return depth, height, width


def largest_slice(mask: BoxedMask) -> tuple[int, npt.NDArray[np.bool_]]:
    """Return the slice in which a mask has the most voxels, counted from 0, and its voxels there,
    shape (y, x) of the grid.
    """
    inner = int(np.argmax(np.count_nonzero(mask.voxels, axis=(1, 2))))
    number = mask.box[0].start + inner
    _, height, width = mask.grid_shape
    return number, mask.cut((slice(number, number + 1), slice(0, height), slice(0, width)))[0]
