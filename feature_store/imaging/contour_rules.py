"""What is told of the contours of a GTV that has its voxels: its facts, and the rules on them.

What leaves no voxels to be trusted is refused on the way (`rasterize`). A new warning is a fact,
where none says it yet, and one more row of `CONTOUR_RULES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from feature_store.imaging.contour_gaps import empty_slices
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.rasterize import RasterizedRoi
from feature_store.imaging.structure_set import Roi
from feature_store.rules import TRUE, Between, warning
from feature_store.wording import counted

_OFF_PLANE_MM, _OFF_PLANE_SPACINGS = 0.1, 0.05


@dataclass(frozen=True, kw_only=True)
class ContourFacts:
    """Facts of the contours of a GTV; slices are counted from 1 along the normal.

    Parameters
    ----------
    repeated, remnants, crossing, united : int
        Contours that repeat another or go round twice, that are left-over clicks, that cross
        themselves, and that overlap and were united.
    repeated_on, remnants_on, crossing_on, united_on, empty_on : tuple of int
        The slices with such contours, and those that carry contours of which no voxel is left.
    hollow_on : tuple of int
        Slices on which holes take more than half of what is drawn.
    holes, islands, keyholes, without_voxels : int
        Contours within another, within a hole, that leave a hole out by a keyhole, and that enclose
        no voxel's centre; told, and not judged.
    contoured_slices : int
        Slices with voxels.
    off_plane_mm : float
        How far a contour lies off its slice, at most.
    near_plane : bool
        Whether that is at most 0.1 mm or 5 % of the slice distance.
    between_lesions : tuple of int
        Slices without voxels between others of the ROI, taken as the space between lesions.
    contour_items : int
        ROI Contour items that the contours come from.
    offset_contours : int
        Contours that were moved by their Contour Offset Vector.
    """

    repeated: int
    remnants: int
    crossing: int
    united: int
    repeated_on: tuple[int, ...]
    remnants_on: tuple[int, ...]
    crossing_on: tuple[int, ...]
    united_on: tuple[int, ...]
    empty_on: tuple[int, ...]
    hollow_on: tuple[int, ...]
    holes: int
    islands: int
    keyholes: int
    without_voxels: int
    contoured_slices: int
    off_plane_mm: float
    near_plane: bool
    between_lesions: tuple[int, ...]
    contour_items: int
    offset_contours: int


def in_words(facts: ContourFacts) -> str:
    """Return what is recorded of the contours of every GTV."""
    return (
        f"The GTV has voxels on {counted(facts.contoured_slices, 'slice')}. Among its contours: "
        f"{counted(facts.holes, 'hole')}, {counted(facts.islands, 'island')} within one, "
        f"{counted(facts.keyholes, 'keyhole')}, {facts.without_voxels} around no voxel's centre."
    )


def contour_facts(roi: Roi, drawn: RasterizedRoi, volume: CtVolume) -> ContourFacts:
    """Collect what happened to the contours of a ROI.

    Parameters
    ----------
    roi : Roi
        The GTV.
    drawn : RasterizedRoi
        Its voxels, and what happened on each slice.
    volume : CtVolume
        The CT.
    """
    slices = {z + 1: facts for z, facts in drawn.slices.items()}
    off_plane = max(abs(depth) for one in slices.values() for depth in one.depths_mm)
    return ContourFacts(
        repeated=sum(len(one.repeated) + len(one.retraced) for one in slices.values()),
        remnants=sum(len(one.remnants) for one in slices.values()),
        crossing=sum(len(one.crossing_themselves) for one in slices.values()),
        united=sum(
            len(one.overlapping) + len(one.nearly_repeated) + len(one.overlapping_themselves)
            for one in slices.values()
        ),
        repeated_on=tuple(z for z, one in slices.items() if one.repeated or one.retraced),
        remnants_on=tuple(z for z, one in slices.items() if one.remnants),
        crossing_on=tuple(z for z, one in slices.items() if one.crossing_themselves),
        united_on=tuple(
            z
            for z, one in slices.items()
            if one.overlapping or one.nearly_repeated or one.overlapping_themselves
        ),
        empty_on=tuple(z for z, one in slices.items() if not one.pixels),
        hollow_on=tuple(z for z, one in slices.items() if 2 * one.pixels < one.filled_pixels),
        holes=sum(len(one.holes) for one in slices.values()),
        islands=sum(len(one.islands) for one in slices.values()),
        keyholes=sum(len(one.keyholes) for one in slices.values()),
        without_voxels=sum(len(one.without_pixels) for one in slices.values()),
        contoured_slices=sum(one.pixels > 0 for one in slices.values()),
        off_plane_mm=off_plane,
        near_plane=off_plane
        <= max(_OFF_PLANE_MM, _OFF_PLANE_SPACINGS * volume.spacing_mm[2]) + 1e-6,
        between_lesions=tuple(z + 1 for z in empty_slices(drawn.mask)),
        contour_items=roi.contour_items,
        offset_contours=roi.offset_contours,
    )


def _slices(numbers: Iterable[int]) -> str:
    shown = list(numbers)
    words = ", ".join(map(str, shown[:5])) + (", …" if len(shown) > 5 else "")
    return f"slice {words}" if len(shown) == 1 else f"slices {words}"


CONTOUR_RULES = (
    warning(
        "repeated-contour",
        "repeated",
        Between(None, 0),
        "each GTV contour once",
        lambda f: (
            f"The GTV has {counted(f.repeated, 'contour')} on {_slices(f.repeated_on)} drawn "
            "twice, by another contour or within one, expected each once: each is counted once."
        ),
    ),
    warning(
        "remnant-contour",
        "remnants",
        Between(None, 0),
        "no left-over clicks in the GTV",
        lambda f: (
            f"The GTV has {counted(f.remnants, 'contour')} on {_slices(f.remnants_on)} around less "
            "than a voxel, expected none: such left-over clicks are skipped."
        ),
    ),
    warning(
        "crossing-contour",
        "crossing",
        Between(None, 0),
        "GTV contours that do not cross themselves",
        lambda f: (
            f"The GTV has {counted(f.crossing, 'contour')} on {_slices(f.crossing_on)} with lines "
            "that cross, expected none: what they enclose an odd number of times is taken."
        ),
    ),
    warning(
        "united-contours",
        "united",
        Between(None, 0),
        "GTV contours that do not overlap",
        lambda f: (
            f"GTV contours on {_slices(f.united_on)} overlap in part, expected contours apart or "
            "within each other: they are united, as overlapping_contours says."
        ),
    ),
    warning(
        "empty-contoured-slice",
        "empty_on",
        Between(None, 0),
        "voxels on every slice that carries GTV contours",
        lambda f: (
            f"The GTV has contours on {_slices(f.empty_on)} but no voxel there, expected some: the "
            "contours are smaller than a voxel. Check that nothing of the tumour is lost."
        ),
    ),
    warning(
        "hollow-gtv",
        "hollow_on",
        Between(None, 0),
        "a GTV without large holes",
        lambda f: (
            f"On {_slices(f.hollow_on)} contours within others take more than half of "
            "the GTV, expected a tumour with small holes at most: a contour within another is a "
            "hole. Check that it is meant as one."
        ),
    ),
    warning(
        "one-slice-gtv",
        "contoured_slices",
        Between(2),
        "a GTV of at least two slices",
        lambda f: (
            f"The GTV has voxels on {f.contoured_slices} slice, expected at least 2. Check that no "
            "contour of it is missing."
        ),
    ),
    warning(
        "contour-off-plane",
        "near_plane",
        TRUE,
        "GTV contours in the planes of the slices",
        lambda f: (
            f"A GTV contour lies {f.off_plane_mm:.2f} mm off its slice, expected at most 5 % of "
            "the slice distance: it may have been drawn on another CT. Check it in the viewer."
        ),
    ),
    warning(
        "between-lesions",
        "between_lesions",
        Between(None, 0),
        "a GTV of one piece along the slices",
        lambda f: (
            f"The GTV has no voxel on {_slices(f.between_lesions)} between others, expected one "
            "piece: this is taken as the space between two lesions."
        ),
    ),
    warning(
        "several-contour-items",
        "contour_items",
        Between(None, 1),
        "one ROI Contour item for the GTV",
        lambda f: (
            f"The GTV's contours come in {counted(f.contour_items, 'ROI Contour item')}, expected "
            "one (PS3.3 C.8.8.6): they are joined."
        ),
    ),
    warning(
        "contour-offset",
        "offset_contours",
        Between(None, 0),
        "GTV contours without a Contour Offset Vector",
        lambda f: (
            f"The GTV has {counted(f.offset_contours, 'contour')} with a Contour Offset Vector "
            "(3006,0045), expected none: a contour is moved by it. Check the contour in the viewer."
        ),
    ),
)
"""What happened to contours that have their voxels all the same (PS3.3 C.8.8.6)."""
