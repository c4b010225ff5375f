"""One orientation for every CT: its axes are flipped and exchanged until they follow the patient's.

A scanner may encode the same patient feet first, prone, on the side, or as sagittal slices. The
values and their places are the same; only the order in which they are stored differs. Features that
run along the axes of the grid (wavelets, run lengths, the corner from which the new grid starts)
must not see that order.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.ct_volume import CtVolume

Mask = npt.NDArray[np.bool_]

_AS_IT_IS = ((0, 1, 2), (1, 1, 1))
"""Order and signs of a CT that lies head first and supine in axial slices."""


def in_lps_order(volume: CtVolume, mask: Mask) -> tuple[CtVolume, Mask]:
    """Return the same CT and mask with grid axes as near to the patient's as their order allows.

    Nothing is interpolated: axes are permuted and reversed so that x, y and z of the grid point as
    much as possible to the patient's left, posterior and head (LPS, PS3.3 section C.7.6.2.1.1). A
    CT that lies head first and supine in axial slices is returned as it is.

    Parameters
    ----------
    volume : CtVolume
        HU, shape (z, y, x), in any orientation.
    mask : ndarray of bool
        On the same grid.

    Returns
    -------
    volume : CtVolume
        The same voxels at the same places in the patient.
    mask : ndarray of bool
        On the grid of the returned volume.
    """
    order, signs = lps_order(volume.axes)
    if (order, signs) == _AS_IT_IS:
        return volume, mask
    spacing = tuple(volume.spacing_mm[axis] for axis in order)
    origin = np.asarray(volume.origin_mm, dtype=np.float64)
    for axis, sign in zip(order, signs, strict=True):
        if sign < 0:
            last = volume.hu.shape[2 - axis] - 1
            origin = origin + volume.axes[:, axis] * (last * volume.spacing_mm[axis])
    columns = [sign * volume.axes[:, axis] + 0.0 for axis, sign in zip(order, signs, strict=True)]
    x, y, z = origin.tolist()
    turned = CtVolume(
        hu=_turned(volume.hu, order, signs),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        origin_mm=(x, y, z),
        direction=tuple(np.column_stack(columns).ravel().tolist()),
        frame_of_reference_uid=volume.frame_of_reference_uid,
        series_instance_uid=volume.series_instance_uid,
        acquisition=volume.acquisition,
    )
    return turned, _turned(mask, order, signs)


def boxed_in_lps_order(volume: CtVolume, mask: BoxedMask) -> tuple[CtVolume, BoxedMask]:
    """Do what `in_lps_order` does with a mask that is kept within its box and has some voxels."""
    if lps_order(volume.axes) == _AS_IT_IS:
        return volume, mask
    turned, whole = in_lps_order(volume, mask.whole())
    return turned, BoxedMask.of(whole)


def lps_order(axes: npt.NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which grid axis comes to lie along each patient axis (x, y, z), and whether it is
    reversed (-1).

    The order is the one with the largest sum of absolute cosines; among equal ones (45 degrees) the
    first in lexical order, so that the choice does not hang on the last bit.
    """
    best = max(
        permutations(range(3)),
        key=lambda order: round(sum(abs(axes[p, g]) for p, g in enumerate(order)), 9),
    )
    return best, tuple(1 if axes[p, g] >= 0 else -1 for p, g in enumerate(best))


def _turned(
    array: npt.NDArray[Any], order: tuple[int, ...], signs: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Permute and reverse an array (z, y, x) whose new axis i is old axis order[i]."""
    turned = np.transpose(array, [2 - order[2 - axis] for axis in range(3)])
    steps = tuple(slice(None, None, signs[2 - axis]) for axis in range(3))
    return np.ascontiguousarray(turned[steps])
