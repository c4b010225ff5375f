"""What was measured, to be looked at: the tumour and its ring on the grid of the features, as axial
slices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.imaging.boxed_mask import Box, BoxedMask, union, with_margin
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.harmonize import (
    harmonize_boxed_mask,
    harmonize_ct,
    harmonize_mask,
    harmonized_grid,
)
from feature_store.imaging.regions import Region, make_regions


@dataclass(frozen=True, eq=False)
class MeasuredView:
    """The part of a harmonised CT around the tumour.

    Parameters
    ----------
    hu : ndarray of float32, shape (z, y, x)
        HU at each voxel of the harmonised grid.
    masks : mapping of Region to ndarray of bool, shape (z, y, x)
        The voxels of the GTV and of each ring.
    spacing_mm : float
        Edge of a voxel in mm.
    heights_mm : ndarray of float64, shape (z,)
        Where each slice lies along the patient's axis (LPS z), in mm.
    """

    hu: npt.NDArray[np.float32]
    masks: Mapping[Region, npt.NDArray[np.bool_]]
    spacing_mm: float
    heights_mm: npt.NDArray[np.float64]


def measured_view(
    volume: CtVolume,
    drawn: BoxedMask,
    spacing_mm: float,
    ring_widths_mm: tuple[float, ...],
    margin_mm: float = 40.0,
    within: npt.NDArray[np.bool_] | None = None,
) -> MeasuredView:
    """Cut what was measured out of a CT, with some of what lies around it.

    Parameters
    ----------
    volume : CtVolume
        The CT, in one orientation and above the floor, as features are made of it.
    drawn : BoxedMask
        Its GTV.
    spacing_mm : float
        Edge of the harmonised voxels in mm.
    ring_widths_mm : tuple of float
        Rings beside the GTV, in mm.
    margin_mm : float
        How much is shown around the widest ring within each slice; beyond it along the patient's
        axis two slices are shown.
    within : ndarray of bool, shape (z, y, x), optional
        The tissue that rings are kept to.

    Raises
    ------
    StudyDefect
        If a region is too small, or the CT.
    """
    grid = harmonized_grid(volume, spacing_mm)
    gtv = harmonize_boxed_mask(drawn, volume, grid)
    tissue = None if within is None else harmonize_mask(within, volume, grid)
    regions = make_regions(gtv, spacing_mm, ring_widths_mm, tissue).masks
    box = _shown(regions, round(margin_mm / spacing_mm), grid.shape)
    ct = harmonize_ct(volume, spacing_mm, around=box)
    z = np.arange(box[0].start, box[0].stop)
    along = ct.direction[8] * ct.spacing_mm
    return MeasuredView(
        hu=ct.values(*box),
        masks={region: mask.cut(box) for region, mask in regions.items()},
        spacing_mm=spacing_mm,
        heights_mm=np.asarray(ct.origin_mm[2] + along * z, dtype=np.float64),
    )


def _shown(
    regions: Mapping[Region, BoxedMask], margin: int, grid_shape: tuple[int, int, int]
) -> Box:
    """Return the box that is shown: all regions, a margin within the slices and two slices more."""
    first, *others = (mask.box for mask in regions.values())
    whole = union(first, *others)
    (z, _, _), (_, y, x) = with_margin(whole, 2, grid_shape), with_margin(whole, margin, grid_shape)
    return z, y, x
