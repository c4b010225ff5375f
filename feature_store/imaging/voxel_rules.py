"""What must hold of a study's voxels: whether they can be Hounsfield units, and whether the contour
lies on a tumour. A new defect is a fact, where none says it yet, and one more row of `VOXEL_RULES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, starmap

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.cores import side_by_side
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.hounsfield import NOT_MEASURED_HU
from feature_store.imaging.lost_rows import slices_with_lost_rows
from feature_store.imaging.slice_levels import LARGEST_STEP_HU, LevelStep, level_steps
from feature_store.rules import Between, warning
from feature_store.wording import counted

AIR_BELOW_HU = -700.0
"""Air and aerated lung lie below."""
SOFT_TISSUE_HU = (-200.0, 200.0)
"""Fat, water, muscle, blood."""
GTV_90TH_PERCENTILE_HU = (-300.0, 500.0)
"""In the 416 published GTVs of NSCLC-Radiomics it goes from -200 to 383 HU; lung has about -700."""
AIR_HU = -950.0
"""Padding below changes nothing, as it counts as air."""
MOST_PADDING_WITHIN = 100
LEAST_SHARE = 0.02
"""Of air or lung, and of soft tissue, in a CT of a chest however it is cropped."""
METAL_INFLUENCE = 0.01
"""The normalisation of every feature changes by as much."""
HIGHEST_HU = 3071.0
"""The highest value of the usual 12-bit scale; where a scanner extends it, metal lies above."""


LEAST_VALUES = 100
"""Of the 401 whole HU of soft tissue; noise alone spreads fat and muscle over more."""
_PIXELS_ACROSS, _LEAST_SAMPLE = 64, 20_000


BEYOND_SCALE_HU = 32767.0
"""Of 16 signed bits at a slope of 1; extended scales for metal end at 30710 HU."""


@dataclass(frozen=True, kw_only=True)
class VoxelFacts:
    """Facts that need the pixels of a CT.

    Parameters
    ----------
    air_share, soft_tissue_share : float
        Shares of the image's voxels, padding left out, below -700 HU and from -200 to 200 HU.
        Padding is what is named so, and what lies below -1500 HU.
    gtv_90th_percentile_hu : float or None
        Of the GTV's voxels, padding left out; `None` where nothing is left.
    gtv_outside_image : int
        Voxels of the GTV that are padding.
    metal_influence : float
        By how much the standard deviation of the image, padding as air, exceeds that of the image
        whose values end at 3071 HU, as a share of the latter.
    beyond_scale : int
        Voxels above 32767 HU.
    level_steps : tuple of LevelStep
        Neighbouring slices between which all values change.
    repeated_slices : int
        Slices whose pixels are those of the slice below, with tissue in them.
    soft_tissue_values : int or None
        Different whole HU from -200 to 200 among pixels spread over the image; `None` where fewer
        than 20 000 of them lie there.
    rows_lost_at_mm : tuple of float
        Positions of slices whose upper or lower rows were lost.
    padding_within : int
        Voxels of padding with measured ones on all four sides in their slice, where padding names a
        value above -950 HU.
    """

    air_share: float
    soft_tissue_share: float
    gtv_90th_percentile_hu: float | None
    gtv_outside_image: int
    metal_influence: float
    beyond_scale: int = 0
    level_steps: tuple[LevelStep, ...] = ()
    padding_within: int = 0
    repeated_slices: int = 0
    rows_lost_at_mm: tuple[float, ...] = ()
    soft_tissue_values: int | None = None


def voxel_facts(volume: CtVolume, drawn: BoxedMask, floor_hu: float) -> VoxelFacts:
    """Return what the voxels of a CT say before the floor is applied to them.

    Parameters
    ----------
    volume : CtVolume
        HU, minus infinity where nothing was measured.
    drawn : BoxedMask
        The GTV on the same grid.
    floor_hu : float
        What padding and lower values count as, in HU.
    """
    hu = volume.hu
    counts = np.sum(side_by_side(_counts, hu), axis=0)
    measured, below, soft_tissue, metal, beyond = counts.tolist()
    air = below - (hu.size - measured)
    gtv = hu[drawn.box][drawn.voxels]
    inside = gtv[gtv > NOT_MEASURED_HU]
    return VoxelFacts(
        air_share=air / (measured or 1),
        soft_tissue_share=soft_tissue / (measured or 1),
        gtv_90th_percentile_hu=float(np.percentile(inside, 90)) if inside.size else None,
        gtv_outside_image=int(gtv.size - inside.size),
        metal_influence=_metal_influence(hu, floor_hu) if metal else 0.0,
        beyond_scale=beyond,
        level_steps=level_steps(volume),
        padding_within=_padding_within(hu) if volume.padding_hu > AIR_HU else 0,
        repeated_slices=sum(starmap(_is_repeated, pairwise(hu))),
        rows_lost_at_mm=slices_with_lost_rows(volume),
        soft_tissue_values=_soft_tissue_values(hu),
    )


def _soft_tissue_values(hu: npt.NDArray[np.float32]) -> int | None:
    stride = max(1, min(hu.shape[1:]) // _PIXELS_ACROSS)
    values = hu[:, ::stride, ::stride]
    values = values[(values >= SOFT_TISSUE_HU[0]) & (values <= SOFT_TISSUE_HU[1])]
    if values.size < _LEAST_SAMPLE:
        return None
    counts = np.bincount(np.rint(values - SOFT_TISSUE_HU[0]).astype(np.int64))
    return int(np.count_nonzero(counts))


def _is_repeated(below: npt.NDArray[np.float32], above: npt.NDArray[np.float32]) -> bool:
    """Say whether two slices are the same; noise alone tells any two that were measured apart."""
    row = len(below) // 2
    return bool(
        np.array_equal(below[row], above[row])
        and np.array_equal(below, above)
        and above.max() > SOFT_TISSUE_HU[0]
    )


def _padding_within(hu: npt.NDArray[np.float32]) -> int:
    """Return how many voxels of padding lie alone: beyond the image it lies in one piece."""
    padding = np.isneginf(hu)
    beside = (
        padding[:, :-2, 1:-1] | padding[:, 2:, 1:-1] | padding[:, 1:-1, :-2] | padding[:, 1:-1, 2:]
    )
    return int(np.count_nonzero(padding[:, 1:-1, 1:-1] & ~beside))


@compiled
def _counts(plane: npt.NDArray[np.float32]) -> tuple[int, int, int, int, int]:
    """Return how many pixels of a slice were measured, lie below air's end, are soft tissue, and
    lie above the ends of the usual scale and of all.
    """
    measured = below = soft_tissue = metal = beyond = 0
    low, high = np.float32(SOFT_TISSUE_HU[0]), np.float32(SOFT_TISSUE_HU[1])
    not_measured, air = np.float32(NOT_MEASURED_HU), np.float32(AIR_BELOW_HU)
    highest, end = np.float32(HIGHEST_HU), np.float32(BEYOND_SCALE_HU)
    for y in range(len(plane)):
        row = plane[y]
        # summed by rows in small integers, of which a vector holds more
        a, b, c, d, e = np.int32(0), np.int32(0), np.int32(0), np.int32(0), np.int32(0)
        for x in range(len(row)):
            hu = row[x]
            a += np.int32(hu > not_measured)
            b += np.int32(hu < air)
            c += np.int32(hu >= low) - np.int32(hu > high)
            d += np.int32(hu > highest)
            e += np.int32(hu > end)
        measured, below, soft_tissue = measured + int(a), below + int(b), soft_tissue + int(c)
        metal, beyond = metal + int(d), beyond + int(e)
    return measured, below, soft_tissue, metal, beyond


def _metal_influence(hu: npt.NDArray[np.float32], floor_hu: float) -> float:
    """Return by how much metal widens the standard deviation, as a share of it."""
    floored = np.maximum(hu, np.float32(floor_hu))
    whole = float(floored.std(dtype=np.float64))
    bounded = float(np.minimum(floored, np.float32(HIGHEST_HU)).std(dtype=np.float64))
    return whole / bounded - 1 if bounded > 0 else float("inf")


def _steps_sentence(f: VoxelFacts) -> str:
    first, *more = f.level_steps
    others = f", and in {counted(len(more), 'place')} more" if more else ""
    return (
        f"The CT's values all change by {first.step_hu:+.0f} HU from the slice at "
        f"{first.from_mm:.2f} mm to the one at {first.to_mm:.2f} mm{others}, expected neighbouring "
        f"slices within {LARGEST_STEP_HU:g} HU: a slice has the Rescale Slope or Intercept of "
        "another, is empty, or is of another reconstruction. Send the series as the scanner made "
        "it."
    )


VOXEL_RULES = (
    warning(
        "no-air",
        "air_share",
        Between(LEAST_SHARE),
        "air or lung in the CT",
        lambda f: (
            f"{f.air_share:.1%} of the CT's voxels are below {AIR_BELOW_HU:g} HU, expected at "
            f"least {LEAST_SHARE:.0%} of air or lung: its values may not be Hounsfield units. "
            "Check Rescale Slope and Intercept, or send the series as the scanner made it."
        ),
    ),
    warning(
        "no-soft-tissue",
        "soft_tissue_share",
        Between(LEAST_SHARE),
        "soft tissue in the CT",
        lambda f: (
            f"{f.soft_tissue_share:.1%} of the CT's voxels are from {SOFT_TISSUE_HU[0]:g} to "
            f"{SOFT_TISSUE_HU[1]:g} HU, expected at least {LEAST_SHARE:.0%} of soft tissue: its "
            "values may not be Hounsfield units. Check Rescale Slope and Intercept, or send the "
            "series as the scanner made it."
        ),
    ),
    warning(
        "gtv-hu",
        "gtv_90th_percentile_hu",
        Between(*GTV_90TH_PERCENTILE_HU),
        "a tumour's Hounsfield units in the GTV",
        lambda f: (
            f"A tenth of the GTV lies above {f.gtv_90th_percentile_hu:.0f} HU, expected "
            f"{GTV_90TH_PERCENTILE_HU[0]:g} to {GTV_90TH_PERCENTILE_HU[1]:g} HU for a tumour. "
            "Check that the contour lies on the tumour and not beside it, and that the CT's "
            "Rescale Slope and Intercept are the scanner's."
        ),
    ),
    warning(
        "gtv-not-measured",
        "gtv_outside_image",
        Between(None, 0),
        "a GTV within what the scanner measured",
        lambda f: (
            f"The GTV has {counted(f.gtv_outside_image, 'voxel')} of padding (marked so, or below "
            f"{NOT_MEASURED_HU:g} HU), expected none: the GTV reaches beyond what the scanner "
            "measured, or Pixel Padding Value (0028,0120) names a value of the patient. Check both."
        ),
    ),
    warning(
        "padding-within",
        "padding_within",
        Between(None, MOST_PADDING_WITHIN),
        "padding beyond the image, and not in it",
        lambda f: (
            f"The CT has {counted(f.padding_within, 'voxel')} of padding alone among measured "
            f"ones, expected at most {MOST_PADDING_WITHIN}: Pixel Padding Value (0028,0120) names "
            "a value that the patient has, whose voxels would count as air. Let the sending system "
            "mend it."
        ),
    ),
    warning(
        "beyond-scale",
        "beyond_scale",
        Between(None, 0),
        "no values beyond any CT scale",
        lambda f: (
            f"The CT has {counted(f.beyond_scale, 'voxel')} above {BEYOND_SCALE_HU:g} HU, expected "
            "none: this is padding that is not named in Pixel Padding Value (0028,0120), or signed "
            "pixels that are declared as unsigned (Pixel Representation (0028,0103)). Let the "
            "sending system mend the series."
        ),
    ),
    warning(
        "slice-level",
        "level_steps",
        Between(None, 0),
        "neighbouring slices of alike values",
        _steps_sentence,
    ),
    warning(
        "coarse-values",
        "soft_tissue_values",
        Between(LEAST_VALUES),
        "soft tissue of many values",
        lambda f: (
            f"The CT's soft tissue takes {counted(f.soft_tissue_values, 'whole value')} from "
            f"{SOFT_TISSUE_HU[0]:g} to {SOFT_TISSUE_HU[1]:g} HU, expected at least {LEAST_VALUES}: "
            "the steps between values are coarse, as where an image of 8 bits was stored in 16, "
            "or it was smoothed. Send the series as the scanner made it."
        ),
    ),
    warning(
        "lost-rows",
        "rows_lost_at_mm",
        Between(None, 0),
        "slices that are whole from the first row to the last",
        lambda f: (
            f"The CT has {counted(len(f.rows_lost_at_mm), 'slice')}, the first at "
            f"{f.rows_lost_at_mm[0]:.2f} mm, in which tissue ends at rows of one value and goes on "
            "in the slice beside, expected whole slices: a part of the pixels was lost, as where a "
            "file was cut off and filled up. Send the series again from an undamaged copy."
        ),
    ),
    warning(
        "repeated-slice",
        "repeated_slices",
        Between(None, 0),
        "slices that were measured each",
        lambda f: (
            f"The CT has {counted(f.repeated_slices, 'slice')} with the pixels of the slice below, "
            "expected none: slices were copied where some lacked, or the CT was resampled. Send "
            "the series as the scanner made it."
        ),
    ),
    warning(
        "metal",
        "metal_influence",
        Between(None, METAL_INFLUENCE),
        "no metal that moves the normalisation",
        lambda f: (
            f"Voxels above {HIGHEST_HU:g} HU widen the CT's standard deviation by "
            f"{f.metal_influence:.1%}, expected at most {METAL_INFLUENCE:.0%}: every feature is "
            "normalised by it, so this patient's differ from those of a patient without metal."
        ),
    ),
)
