"""What must hold of the GTV's contours: facts of the ROIs that may be it, and the rules on them.

A new defect is a fact, where none says it yet, and one more row of `GTV_RULES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from feature_store.errors import ContourError
from feature_store.imaging.contour_relations import SliceContour
from feature_store.imaging.ct_extent import CtExtent
from feature_store.imaging.polygon import is_click, is_upright
from feature_store.imaging.structure_set import CLOSED_TYPES, MALFORMED, FrameDoubt, Roi
from feature_store.rules import TRUE, Between, OneOf, Rule, warning
from feature_store.wording import counted

_OUTSIDE_MM = 0.1
"""Points are often rounded to a tenth of a millimetre; nothing of a voxel lies there."""
_NAMED_SPACINGS = 0.75
"""Farther than this from an image, in slice distances, a contour is drawn on another one."""
_FARTHEST_MM = 1e5
"""No point of a patient lies farther from the origin of a scanner's coordinates."""

_TUMOUR_TYPES = frozenset({"GTV", "ORGAN", "CONTROL"})
"""RT ROI Interpreted Types of a GTV; some systems give all ROIs that of an organ."""
_LOOK_ALIKES = str.maketrans(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0474"
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0456\u0475"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5"
    "\u03a7\u03bf",
    "ABEKMHOPCTXIVaeopcxivABEZHIKMNOPTYXo",
)
"""Letters of Cyrillic and Greek that nobody can tell from Latin ones."""


@dataclass(frozen=True, kw_only=True)
class GtvFacts:
    """Facts of the ROIs that may be the GTV, all of them together; contours are counted from 1.

    Parameters
    ----------
    roi_names : tuple of str
        Names of all ROIs of the structure set.
    gtv_pattern : str
        The centre's rule for the name of the GTV.
    gtv_candidates : tuple of str
        Names that match the rule.
    gtv_contours : int or None
        Contours of the candidates together; `None` without a candidate.
    malformed_contours, open_contours, infinite_contours : tuple of int
        Which of them hold no points, enclose no area by their type, or have a point that is not
        finite.
    open_types : tuple of str
        The Contour Geometric Types of the open ones; empty text where it is absent.
    shares_its_number : bool
        Whether another ROI has the same ROI Number as a candidate.
    same_frame_of_reference : bool
        Whether the contours of each candidate are in the CT's Frame of Reference, or placed on this
        CT by what the RTSTRUCT lists.
    frame_missing : str or None
        Which of the two names none, in words; `None` where both name one.
    contours_outside_ct : int
        Contours that leave the CT.
    farthest_outside_mm : float
        By how much at most; 0 where none does.
    frame_of_reference_listed, frame_of_reference_told, frame_of_reference_shared : bool
        Whether no candidate is placed on this CT by what the RTSTRUCT lists although its frame is
        none that it lists; although it or the CT names none; although the CT names another.
    undrawn_namesakes : tuple of str
        Names of ROIs that match the rule too and are not drawn, so that another one is the GTV.
    older_rtstruct_has_it : bool
        Whether an older RTSTRUCT of the study has the GTV that this one lacks.
    is_rejected : bool
        Whether a reviewer rejected the RTSTRUCT.
    named_elsewhere : int
        Contours that name images of the CT, none of which is the slice that they lie on.
    farthest_named_mm : float
        How far such images lie from the contours at most, along the normal; 0 where there are none.
    other_types : tuple of str
        RT ROI Interpreted Types of the candidates that are none of a GTV.
    """

    roi_names: tuple[str, ...]
    gtv_pattern: str
    gtv_candidates: tuple[str, ...]
    gtv_contours: int | None
    malformed_contours: tuple[int, ...]
    open_contours: tuple[int, ...]
    open_types: tuple[str, ...] = ()
    infinite_contours: tuple[int, ...]
    shares_its_number: bool
    same_frame_of_reference: bool
    contours_outside_ct: int
    farthest_outside_mm: float
    frame_missing: str | None = None
    frame_of_reference_listed: bool = True
    frame_of_reference_told: bool = True
    frame_of_reference_shared: bool = True
    undrawn_namesakes: tuple[str, ...] = ()
    older_rtstruct_has_it: bool = False
    is_rejected: bool = False
    named_elsewhere: int = 0
    farthest_named_mm: float = 0.0
    other_types: tuple[str, ...] = ()


def gtv_facts(
    candidates: Sequence[Roi],
    extent: CtExtent | None = None,
    roi_names: tuple[str, ...] = (),
    gtv_pattern: str = "",
    *,
    older_rtstruct_has_it: bool = False,
    undrawn_namesakes: tuple[str, ...] = (),
    image_positions_mm: Mapping[str, tuple[float, ...]] | None = None,
) -> GtvFacts:
    """Collect the facts of the ROIs that may be the GTV.

    Parameters
    ----------
    candidates : sequence of Roi
        ROIs whose name matches the centre's rule.
    extent : CtExtent, optional
        The CT that they are drawn on; without it nothing is said to be amiss between the two.
    roi_names, gtv_pattern, older_rtstruct_has_it, undrawn_namesakes
        As in `GtvFacts`; what is told where there is not one candidate that is drawn.
    image_positions_mm : mapping of str to tuple of float, optional
        Where the CT's slices lie, by SOP Instance UID; without it no contour is held against the
        images that it names.
    """
    contours = [
        (points, kind)
        for roi in candidates
        for points, kind in zip(roi.contours, roi.geometric_types, strict=True)
    ]
    amiss = [_amiss(points, kind) for points, kind in contours]
    doubts = {roi.frame_doubt for roi in candidates}
    outside = [0.0]
    if extent is not None:
        beyond = [
            extent.beyond_mm(points)
            for points, _ in contours
            if _are_positions(points) and not _is_remnant(points, extent)
        ]
        outside += [mm for mm in beyond if mm > _OUTSIDE_MM]
    elsewhere = (
        list(_named_elsewhere_mm(candidates, extent, image_positions_mm))
        if extent is not None and image_positions_mm
        else []
    )
    return GtvFacts(
        roi_names=roi_names,
        gtv_pattern=gtv_pattern,
        gtv_candidates=tuple(roi.name for roi in candidates),
        gtv_contours=len(contours) if candidates else None,
        malformed_contours=_numbers(amiss, "malformed"),
        open_contours=_numbers(amiss, "open"),
        open_types=tuple(
            sorted(
                {kind for (_, kind), what in zip(contours, amiss, strict=True) if what == "open"}
            )
        ),
        infinite_contours=_numbers(amiss, "infinite"),
        shares_its_number=any(roi.shares_its_number for roi in candidates),
        same_frame_of_reference=extent is None
        or all(
            roi.frame_doubt is not None
            or (
                roi.frame_of_reference_uid is not None
                and roi.frame_of_reference_uid in extent.frame_of_reference_uids
            )
            for roi in candidates
        ),
        frame_missing=_frame_missing(candidates, extent),
        contours_outside_ct=len(outside) - 1,
        farthest_outside_mm=max(outside),
        frame_of_reference_listed=FrameDoubt.UNLISTED not in doubts,
        frame_of_reference_told=FrameDoubt.MISSING not in doubts,
        frame_of_reference_shared=FrameDoubt.OTHER not in doubts,
        undrawn_namesakes=undrawn_namesakes,
        older_rtstruct_has_it=older_rtstruct_has_it,
        named_elsewhere=len(elsewhere),
        farthest_named_mm=max(elsewhere, default=0.0),
        other_types=tuple(
            sorted({kind for roi in candidates for kind in roi.interpreted_types} - _TUMOUR_TYPES)
        ),
    )


def _named_elsewhere_mm(
    candidates: Sequence[Roi],
    extent: CtExtent,
    image_positions_mm: Mapping[str, tuple[float, ...]],
) -> Iterator[float]:
    """Yield how far the nearest image that a contour names lies from it, of those that name only
    others than their own slice.
    """
    normal, spacing = extent.axes[:, 2], float(extent.spacing_mm[2])
    for roi in candidates:
        # a ROI that names none has no entries
        for points, images in zip(roi.contours, roi.contour_images, strict=False):
            named = [image_positions_mm[uid] for uid in images if uid in image_positions_mm]
            if named and _are_positions(points) and not _is_remnant(points, extent):
                depth = float((points @ normal).mean())
                nearest = min(abs(float(np.dot(position, normal)) - depth) for position in named)
                if nearest > _NAMED_SPACINGS * spacing:
                    yield nearest


def _frame_missing(candidates: Sequence[Roi], extent: CtExtent | None) -> str | None:
    if extent is not None and extent.frame_of_reference_uids == {None}:
        return "the CT"
    return "it" if any(roi.frame_of_reference_uid is None for roi in candidates) else None


def _is_remnant(points: npt.NDArray[np.float64], extent: CtExtent) -> bool:
    """Say whether a contour encloses less than a voxel of a CT, wherever it lies."""
    if is_click(points):
        return True
    index = extent.to_index(points)
    return SliceContour(0, index[:, :2]).is_remnant and not is_upright(index)


def _amiss(points: npt.NDArray[np.float64], kind: str) -> str | None:
    if kind == MALFORMED:
        return "malformed"
    if kind not in CLOSED_TYPES and not is_click(points):
        return "open"
    is_sound = np.isfinite(points).all() if is_click(points) else _are_positions(points)
    return None if is_sound else "infinite"


def _are_positions(points: npt.NDArray[np.float64]) -> bool:
    """Say whether points can lie in a patient; what is not a number is below no limit."""
    return bool((np.abs(points) < _FARTHEST_MM).all())


def _numbers(amiss: Sequence[str | None], what: str) -> tuple[int, ...]:
    return tuple(number for number, found in enumerate(amiss, start=1) if found == what)


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _choice_sentence(f: GtvFacts) -> str:
    rule = f"expected one ROI whose whole name matches {f.gtv_pattern!r}"
    if f.gtv_candidates:
        return (
            f"{counted(len(f.gtv_candidates), 'ROI')} could be the GTV: {rule}, found "
            f"{_names(f.gtv_candidates)}. Rename the others, or make the centre's gtv_pattern "
            "narrower."
        )
    if f.older_rtstruct_has_it:
        return (
            f"No ROI of the newest RTSTRUCT is the GTV: {rule}, found {_names(f.roi_names)}. An "
            "older RTSTRUCT of the study has one: draw the GTV in the newest too, or export the "
            "older one again, so that it becomes the newest."
        )
    alike = [name for name in f.roi_names if _looks_right(name, f.gtv_pattern)]
    if alike:
        return (
            f"No ROI is the GTV: {rule}, found {_names(alike)}, in which letters of another "
            "alphabet look like Latin ones. Type the ROI's name anew in Latin letters."
        )
    return (
        f"No ROI is the GTV: {rule}, found {_names(f.roi_names)}. Rename the ROI, or mend the "
        "centre's gtv_pattern."
    )


def _empty_sentence(f: GtvFacts) -> str:
    empty = f"ROI {_names(f.gtv_candidates)} has no contours, expected at least one. "
    if f.older_rtstruct_has_it:
        return empty + (
            "An older RTSTRUCT of the study has the GTV drawn: draw it in the newest too, or "
            "export the older one again, so that it becomes the newest."
        )
    return empty + "Draw it, or send another one."


def _frame_sentence(f: GtvFacts) -> str:
    roi = f"ROI {_names(f.gtv_candidates)}"
    if f.frame_missing is not None:
        return (
            f"{roi} cannot be placed on the CT: {f.frame_missing} names no Frame of Reference, "
            "expected one and the same (0020,0052 and 3006,0024), or an RTSTRUCT that lists this "
            "CT's series and instances. An anonymiser may have removed it: send CT and RTSTRUCT "
            "with it."
        )
    return (
        f"{roi} is not in the Frame of Reference of the CT, expected the same, found another. Send "
        "the CT on which the contour was drawn."
    )


def _looks_right(name: str, pattern: str) -> bool:
    latin = name.translate(_LOOK_ALIKES)
    return latin != name and re.fullmatch(pattern, latin, re.IGNORECASE) is not None


def _which(f: GtvFacts, numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
    return (
        f"{len(numbers)} of the {counted(f.gtv_contours or 0, 'contour')} of ROI "
        f"{_names(f.gtv_candidates)} (number {shown})"
    )


_refusal = partial(Rule, error=ContourError)
GTV_RULES = (
    _refusal(
        "gtv-name",
        "gtv_candidates",
        Between(1, 1),
        "exactly one ROI whose name is the centre's GTV",
        _choice_sentence,
    ),
    _refusal(
        "empty-gtv",
        "gtv_contours",
        Between(1),
        "a GTV with contours",
        _empty_sentence,
    ),
    _refusal(
        "malformed-contour",
        "malformed_contours",
        Between(None, 0),
        "GTV contours of as many points as they announce",
        lambda f: (
            f"{_which(f, f.malformed_contours)} cannot be read as points, expected triplets of "
            "numbers, as many as announced (PS3.3 C.8.8.6). Export the RTSTRUCT again."
        ),
    ),
    _refusal(
        "open-contour",
        "open_contours",
        Between(None, 0),
        "closed planar GTV contours",
        lambda f: (
            f"{_which(f, f.open_contours)} cannot enclose an area by their type, expected "
            "Contour Geometric Type (3006,0042) CLOSED_PLANAR, found "
            f"{', '.join(kind or 'none' for kind in f.open_types)}. Draw closed contours, or mend "
            "the export."
        ),
    ),
    _refusal(
        "empty-contour",
        "infinite_contours",
        Between(None, 0),
        "GTV contours of finite points",
        lambda f: (
            f"{_which(f, f.infinite_contours)} "
            f"{'has' if len(f.infinite_contours) == 1 else 'have'} a point that is not finite, or "
            "beyond 100 m, expected numbers in mm. Export the RTSTRUCT again."
        ),
    ),
    _refusal(
        "repeated-roi-number",
        "shares_its_number",
        OneOf((False,)),
        "a ROI Number of its own for the GTV",
        lambda f: (
            f"Another ROI has the same ROI Number (3006,0022) as {_names(f.gtv_candidates)}, "
            "expected one of its own (PS3.3 C.8.8.5): their contours cannot be told apart. Export "
            "the RTSTRUCT again, with each ROI under its own number."
        ),
    ),
    _refusal(
        "frame-of-reference",
        "same_frame_of_reference",
        TRUE,
        "CT and GTV in one Frame of Reference",
        _frame_sentence,
    ),
    warning(
        "unlisted-frame-of-reference",
        "frame_of_reference_listed",
        TRUE,
        "a GTV in a Frame of Reference that the RTSTRUCT lists",
        lambda f: (
            f"ROI {_names(f.gtv_candidates)} names a Frame of Reference that the RTSTRUCT itself "
            "does not list, or none, expected the CT's, which it lists with this series and its "
            "instances: the contours are taken to be drawn on this CT."
        ),
    ),
    warning(
        "no-frame-of-reference",
        "frame_of_reference_told",
        TRUE,
        "a Frame of Reference in CT and RTSTRUCT",
        lambda f: (
            f"ROI {_names(f.gtv_candidates)} or the CT names no Frame of Reference (3006,0024 and "
            "0020,0052), expected one and the same: as the RTSTRUCT lists this CT's series and "
            "instances, the contours are taken to be drawn on it."
        ),
    ),
    warning(
        "other-frame-of-reference",
        "frame_of_reference_shared",
        TRUE,
        "the same Frame of Reference in the CT and in the RTSTRUCT that lists it",
        lambda f: (
            f"ROI {_names(f.gtv_candidates)} is in another Frame of Reference than the CT, "
            "expected the same: the RTSTRUCT lists this CT's series and instances, so that one of "
            "the two was changed on the way, as by an anonymiser or a registration. Export both "
            "again, or look at the contours on the CT and release the study if they lie on the "
            "tumour."
        ),
    ),
    warning(
        "undrawn-namesake",
        "undrawn_namesakes",
        Between(None, 0),
        "one ROI of the GTV's name",
        lambda f: (
            f"ROI {_names(f.undrawn_namesakes)} has a name of the GTV too and no contours, "
            f"expected one such ROI: {_names(f.gtv_candidates)} is taken, which is drawn. Check "
            "that nothing of the tumour is missing."
        ),
    ),
    warning(
        "rejected-rtstruct",
        "is_rejected",
        OneOf((False,)),
        "an RTSTRUCT that no reviewer rejected",
        lambda _: (
            "The RTSTRUCT's Approval Status (300E,0002) is REJECTED, expected contours that a "
            "reviewer did not reject. Send the RTSTRUCT that is in use, with a later date."
        ),
    ),
    warning(
        "interpreted-type",
        "other_types",
        Between(None, 0),
        "a GTV that the RTSTRUCT takes for one",
        lambda f: (
            f"ROI {_names(f.gtv_candidates)} is {' and '.join(f.other_types)} by its RT ROI "
            "Interpreted Type (3006,00A4), expected GTV or none: name and type contradict each "
            "other. Mend the type in the planning system, or the centre's gtv_pattern where "
            "another ROI is the GTV, or release the study if the contour is the tumour's."
        ),
    ),
    _refusal(
        "contour-outside-ct",
        "contours_outside_ct",
        Between(None, 0),
        "every GTV contour within the CT",
        lambda f: (
            f"{f.contours_outside_ct} of {counted(f.gtv_contours, 'contour')} of ROI "
            f"{_names(f.gtv_candidates)} {'leaves' if f.contours_outside_ct == 1 else 'leave'} the "
            f"CT by up to {f.farthest_outside_mm:.1f} mm, expected every point within the "
            "outermost voxels. Send the CT on which the contour was drawn, with all its slices."
        ),
    ),
    warning(
        "contour-names-other-slice",
        "named_elsewhere",
        Between(None, 0),
        "GTV contours on the slices that they name",
        lambda f: (
            f"{f.named_elsewhere} of {counted(f.gtv_contours, 'contour')} of ROI "
            f"{_names(f.gtv_candidates)} {'names' if f.named_elsewhere == 1 else 'name'} another "
            "slice (Contour Image Sequence, 3006,0016) than the one at their points, up to "
            f"{f.farthest_named_mm:.1f} mm away, expected the same: nobody can say which of the "
            "two is meant. Export the RTSTRUCT again, or look at the contours on the CT and "
            "release the study, which is then measured at their points."
        ),
    ),
)
"""Without them the GTV has no voxels on this CT (PS3.3 C.8.8.6)."""
