"""Where features are measured: within the GTV, and in rings of tissue around it (paper, regions of
interest).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.errors import RegionError
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.region_rules import LEAST_VOXELS, REGION_RULES, RegionFacts
from feature_store.rules import refuse
from feature_store.wording import counted

Squares = npt.NDArray[np.int32]

_DISTANCE_TOLERANCE = 1e-6
_FAR = np.int32(1 << 24)
"""More than the squared way to any voxel within reach; three of them can be added up."""
_AT_HAND = 4096


class Region(StrEnum):
    """A region of the paper; the value is the prefix of its feature columns."""

    GTV = "gtv"
    RING_3MM = "ring_3mm"
    RING_6MM = "ring_6mm"
    RING_9MM = "ring_9mm"

    @classmethod
    def ring(cls, width_mm: float) -> Region:
        """Return the ring of a width in mm; `RegionError` if there is no such region."""
        name = f"ring_{width_mm:g}mm"
        known = [region for region in cls if region != cls.GTV]
        if name not in known:
            raise RegionError(
                "unknown-ring",
                f"There is no ring of {width_mm:g} mm: expected one of {', '.join(known)}.",
            )
        return cls(name)

    @property
    def width_mm(self) -> float:
        """How far a ring reaches beyond the GTV, in mm; 0 for the GTV itself."""
        return float(self.value.removeprefix("ring_").removesuffix("mm")) if "_" in self else 0.0


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one patient.

    Parameters
    ----------
    masks : mapping of Region to BoxedMask
        Voxels of each region, within its bounding box.
    beyond_image : mapping of Region to int
        Voxels of each region that the field of view cuts off.
    whole : mapping of Region to int
        Voxels that each region would have in a CT without end, of any tissue.
    """

    masks: Mapping[Region, BoxedMask]
    beyond_image: Mapping[Region, int]
    whole: Mapping[Region, int]

    @property
    def share_beyond_image(self) -> float:
        """The largest share of a ring that would lie beyond the image, whatever tissue it holds."""
        return max(
            (beyond / self.whole[region] for region, beyond in self.beyond_image.items()),
            default=0.0,
        )


def make_regions(
    gtv: BoxedMask,
    spacing_mm: float,
    ring_widths_mm: Sequence[float] = (6.0,),
    within: BoxedMask | None = None,
) -> Regions:
    """Make the GTV and its rings.

    A ring holds the voxels outside the GTV whose centres are at most its width away from the centre
    of a GTV voxel: the dilation by that physical distance, minus the GTV.

    Parameters
    ----------
    gtv : BoxedMask
        The GTV on the harmonised grid.
    spacing_mm : float
        Edge of a voxel in mm.
    ring_widths_mm : sequence of float
        Widths in mm: 3, 6 or 9.
    within : BoxedMask, optional
        The tissue that rings are kept to, on the same grid; without it they hold all that is
        around, beyond the patient's skin too.

    Returns
    -------
    Regions
        The GTV first, then the rings in the order of the widths.

    Raises
    ------
    RegionError
        If the GTV or a ring has fewer than 27 voxels, or there is no ring of a width.
    """
    rings = {Region.ring(width): float(width) for width in ring_widths_mm}
    refuse(REGION_RULES, RegionFacts(gtv_voxels=gtv.count))
    gtv = gtv.tight()
    masks, beyond, whole = {Region.GTV: gtv}, {Region.GTV: 0}, {Region.GTV: gtv.count}
    if rings:
        start, squares = _squared_distances(gtv, spacing_mm, max(rings.values()))
        stop = [s + n for s, n in zip(start, squares.shape, strict=True)]
        z, y, x = (
            slice(max(0, a), min(b, n)) for a, b, n in zip(start, stop, gtv.grid_shape, strict=True)
        )
        inside = tuple(
            slice(part.start - a, part.stop - a) for part, a in zip((z, y, x), start, strict=True)
        )
        allowed = within.cut((z, y, x)) if within else True
        for region, width in rings.items():
            ring = (squares > 0) & (squares <= _largest_square(width, spacing_mm))
            whole[region] = int(ring.sum())
            beyond[region] = whole[region] - int(ring[inside].sum())
            mask = BoxedMask(ring[inside] & allowed, (z, y, x), gtv.grid_shape)
            if mask.count < LEAST_VOXELS:
                raise RegionError(
                    "ring-too-small",
                    _too_small(width, mask.count, whole[region], kept=within is not None),
                )
            masks[region] = mask.tight()
    return Regions(masks, beyond, whole)


def _too_small(width_mm: float, count: int, whole: int, *, kept: bool) -> str:
    found = (
        f"The ring of {width_mm:g} mm around the GTV has {count} of its {counted(whole, 'voxel')} "
    )
    if kept:
        return (
            f"{found}within the tissue that ring_tissue keeps it to, expected at least "
            f"{LEAST_VOXELS}. Look in the viewer what lies around the tumour: one within other "
            "tissue has no such ring."
        )
    return (
        f"{found}within the CT, expected at least {LEAST_VOXELS}. Check that the CT goes on around "
        "the tumour."
    )


def _squared_distances(
    gtv: BoxedMask, spacing_mm: float, reach_mm: float
) -> tuple[list[int], Squares]:
    """Return where the box within reach starts, which may leave the grid, and the squared distance
    in voxels from a tight mask; `_FAR` or more where it is beyond reach.
    """
    reach = int(np.floor(reach_mm / spacing_mm + _DISTANCE_TOLERANCE))
    # A step along a line then never leads from one line's voxels to the next line's.
    margin = reach + 1
    inside = np.pad(gtv.voxels, margin)
    squares = np.where(inside, np.int32(0), _FAR)
    for stride in squares.strides:
        squares = _nearest(squares.reshape(-1), stride // squares.itemsize, reach).reshape(
            inside.shape
        )
    return [part.start - margin for part in gtv.box], squares


def _largest_square(width_mm: float, spacing_mm: float) -> int:
    """Return the largest squared distance in voxels that is no more than a width in mm."""
    distances = np.sqrt(np.arange(int((width_mm / spacing_mm + 1) ** 2) + 1)) * spacing_mm
    return int(np.flatnonzero(distances <= width_mm + _DISTANCE_TOLERANCE)[-1])


@compiled
def _nearest(squares: Squares, step: int, reach: int) -> Squares:
    """Return the least sum of a square and the squared way to it, in voxels along an axis; a few
    at a time, which stay at hand.
    """
    found = squares.copy()
    for start in range(0, len(squares), _AT_HAND):
        stop = min(start + _AT_HAND, len(squares))
        for way in range(1, reach + 1):
            more, shift = np.int32(way * way), way * step
            first, last = max(start, shift), min(stop, len(squares) - shift)
            here, before = found[first:stop], squares[first - shift : max(stop - shift, 0)]
            for i in range(len(before)):
                here[i] = min(here[i], before[i] + more)
            here, after = found[start : max(last, start)], squares[start + shift : last + shift]
            for i in range(len(here)):
                here[i] = min(here[i], after[i] + more)
    return found
