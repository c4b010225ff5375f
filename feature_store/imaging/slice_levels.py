"""Slices of a CT whose values are all higher or lower than those of the slice beside them, as where
one slice has the Rescale Intercept or Slope of another.

Neighbouring slices of a patient are alike: of the pixels that are tissue in either, a tenth at
least differ by less than 60 HU, and half of them do not differ to one side (in seven real CTs the
tenth lies below 15 HU, the median below 20 but where the body ends). Where the body begins or ends,
tissue lies beside air, which itself does not change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.imaging.ct_volume import CtVolume

LARGEST_STEP_HU = 60.0
_TISSUE_ABOVE_HU = -500.0
_LEAST_PIXELS = 50
_PIXELS_ACROSS = 128
"""Pixels of a slice that are looked at along its shorter side."""

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LevelStep:
    """Two neighbouring slices, the positions of both along the normal in mm, and by how many HU the
    second lies above the first (median).
    """

    from_mm: float
    to_mm: float
    step_hu: float


def level_steps(volume: CtVolume) -> tuple[LevelStep, ...]:
    """Return the neighbouring slices of a CT between which all values change, from low to high.

    Parameters
    ----------
    volume : CtVolume
        HU, minus infinity where nothing was measured.
    """
    stride = max(1, min(volume.hu.shape[1:]) // _PIXELS_ACROSS)
    hu = volume.hu
    tissue = [_tissue_pixels(plane, stride) for plane in hu]
    first_mm = float(np.dot(volume.origin_mm, volume.axes[:, 2]))
    found = []
    for z in range(len(hu) - 1):
        if _are_alike(hu[z], hu[z + 1], stride):
            continue
        low, high = (plane[::stride, ::stride] for plane in hu[z : z + 2])
        step = _step_hu(low, high, is_end=_is_end(tissue, z))
        if step is not None:
            from_mm = first_mm + z * volume.spacing_mm[2]
            found.append(LevelStep(from_mm, from_mm + volume.spacing_mm[2], step))
    return tuple(found)


@compiled
def _tissue_pixels(plane: Plane, stride: int) -> int:
    count = 0
    for y in range(0, plane.shape[0], stride):
        for x in range(0, plane.shape[1], stride):
            if plane[y, x] > _TISSUE_ABOVE_HU:
                count += 1
    return count


@compiled
def _are_alike(low: Plane, high: Plane, stride: int) -> bool:
    """Say whether more than a tenth of the tissue differs little, as of nearly every two slices."""
    tissue = alike = 0
    for y in range(0, low.shape[0], stride):
        for x in range(0, low.shape[1], stride):
            one, other = low[y, x], high[y, x]
            if (one > _TISSUE_ABOVE_HU or other > _TISSUE_ABOVE_HU) and np.isfinite(one + other):
                tissue += 1
                if abs(other - one) <= LARGEST_STEP_HU:
                    alike += 1
    return 10 * (alike - 2) > tissue


def _is_end(tissue: list[int], z: int) -> bool:
    """Say whether the body may begin or end between a slice and the next: from there on there is
    less than half of the tissue.
    """
    return max(tissue[: z + 1]) < tissue[z + 1] / 2 or max(tissue[z + 1 :]) < tissue[z] / 2


def _step_hu(low: Plane, high: Plane, *, is_end: bool) -> float | None:
    """Return the median difference of two slices where it is one of all values, else `None`."""
    measured = np.isfinite(low) & np.isfinite(high)
    one, other = low[measured], high[measured]
    is_tissue = (one > _TISSUE_ABOVE_HU) | (other > _TISSUE_ABOVE_HU)
    if is_end and not is_tissue.all():
        air = np.median(other[~is_tissue] - one[~is_tissue])
        if abs(air) < LARGEST_STEP_HU:
            return None
    if np.count_nonzero(is_tissue) < _LEAST_PIXELS:
        return None
    differences = other[is_tissue] - one[is_tissue]
    least, step = float(np.percentile(np.abs(differences), 10)), float(np.median(differences))
    return step if min(least, abs(step)) > LARGEST_STEP_HU else None
