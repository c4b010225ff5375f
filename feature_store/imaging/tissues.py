"""What a region holds: lung, soft tissue, bone, and what lies outside the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from feature_store.imaging.body_mask import LUNG_HU
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.harmonize import HarmonizedCt
from feature_store.imaging.regions import Region

BONE_ABOVE_HU = 200.0
"""Skeletal tissues lie above 100 HU (Schneider W, Bortfeld T, Schlegel W. Phys Med Biol
2000;45:459-478); up to 200 HU may be blood with some contrast medium, as the tumour's own.
"""


@dataclass(frozen=True)
class TissueShares:
    """Shares of a region's voxels, which add up to 1.

    Parameters
    ----------
    lung : float
        In the body, at most -400 HU (the upper limit of `LUNG_HU`).
    soft_tissue : float
        In the body, above -400 and at most 200 HU: fat, muscle, vessels, tumour, and the border of
        lung.
    bone : float
        In the body, above 200 HU: bone, calcium, metal, vessels full of contrast medium.
    outside : float
        Outside the body as `body_mask` finds it.
    """

    lung: float
    soft_tissue: float
    bone: float
    outside: float

    def in_words(self) -> str:
        """Return the shares as words."""
        names = ("lung", "soft tissue", "bone", "outside the body")
        return ", ".join(
            f"{share:.0%} {name}" for name, share in zip(names, astuple(self), strict=True)
        )


def tissue_shares(
    ct: HarmonizedCt, regions: Mapping[Region, BoxedMask], body: BoxedMask
) -> dict[Region, TissueShares]:
    """Return what each region holds.

    Parameters
    ----------
    ct : HarmonizedCt
        In HU, padding as air.
    regions : mapping of Region to BoxedMask
        On the grid of `ct`; each has some voxels.
    body : BoxedMask
        The patient, on the same grid.
    """
    return {
        region: _shares(ct.values(*mask.box)[mask.voxels], body.cut(mask.box)[mask.voxels])
        for region, mask in regions.items()
    }


def _shares(hu: npt.NDArray[np.float32], in_body: npt.NDArray[np.bool_]) -> TissueShares:
    """Return the shares of voxels with values in HU, of which some are in the body; both of shape
    (n,).
    """
    inside = hu[in_body]
    above_lung, bone = (
        int(np.count_nonzero(inside > limit)) for limit in (LUNG_HU[1], BONE_ABOVE_HU)
    )
    counts = (inside.size - above_lung, above_lung - bone, bone, hu.size - inside.size)
    return TissueShares(*(count / hu.size for count in counts))
