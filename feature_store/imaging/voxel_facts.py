"""What the voxels of a study say of themselves: whether they can be Hounsfield units, and whether
the contour lies on a tumour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.imaging.ct_volume import CtVolume

AIR_BELOW_HU = -700.0
"""Air and aerated lung lie below."""
SOFT_TISSUE_HU = (-200.0, 200.0)
"""Fat, water, muscle, blood."""
HIGHEST_HU = 3071.0
"""The highest value of the usual 12-bit scale; where a scanner extends it, metal lies above."""


@dataclass(frozen=True)
class VoxelFacts:
    """Facts that need the pixels of a CT.

    Parameters
    ----------
    air_share, soft_tissue_share : float
        Shares of the image's voxels, padding left out, below -700 HU and from -200 to 200 HU.
    gtv_90th_percentile_hu : float
        Of the GTV's voxels, padding left out; NaN where nothing is left.
    gtv_outside_image : int
        Voxels of the GTV that are padding.
    metal_influence : float
        By how much the standard deviation of the image, padding as air, exceeds that of the image
        whose values end at 3071 HU, as a share of the latter.
    """

    air_share: float
    soft_tissue_share: float
    gtv_90th_percentile_hu: float
    gtv_outside_image: int
    metal_influence: float


def voxel_facts(volume: CtVolume, gtv_mask: npt.NDArray[np.bool_], floor_hu: float) -> VoxelFacts:
    """Return what the voxels of a CT say before the floor is applied to them.

    Parameters
    ----------
    volume : CtVolume
        HU, minus infinity where nothing was measured.
    gtv_mask : ndarray of bool, shape (z, y, x)
        On the same grid.
    floor_hu : float
        What padding and lower values count as, in HU.
    """
    hu = volume.hu
    measured = int(np.isfinite(hu).sum()) or 1
    low, high = SOFT_TISSUE_HU
    gtv = hu[gtv_mask]
    inside = gtv[np.isfinite(gtv)]
    return VoxelFacts(
        air_share=float(np.count_nonzero(hu < AIR_BELOW_HU) - (hu.size - measured)) / measured,
        soft_tissue_share=float(np.count_nonzero((hu >= low) & (hu <= high))) / measured,
        gtv_90th_percentile_hu=float(np.percentile(inside, 90)) if inside.size else float("nan"),
        gtv_outside_image=int(gtv.size - inside.size),
        metal_influence=_metal_influence(hu, floor_hu),
    )


def _metal_influence(hu: npt.NDArray[np.float32], floor_hu: float) -> float:
    metal = hu > HIGHEST_HU
    if not metal.any():
        return 0.0
    floored = np.maximum(hu, np.float32(floor_hu))
    whole = float(floored.std(dtype=np.float64))
    bounded = float(np.minimum(floored, np.float32(HIGHEST_HU)).std(dtype=np.float64))
    return whole / bounded - 1 if bounded > 0 else float("inf")
