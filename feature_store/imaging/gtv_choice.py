"""Which ROI of an RTSTRUCT is the GTV, and whether it lies on a CT."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from unicodedata import normalize

from feature_store.imaging.ct_headers import CtHeaders
from feature_store.imaging.gtv_rules import GTV_RULES, gtv_facts
from feature_store.imaging.polygon import is_click
from feature_store.imaging.structure_set import MALFORMED, FrameDoubt, Roi, StructureSet
from feature_store.rules import refuse


@dataclass(frozen=True)
class ChosenGtv:
    """Which ROI was chosen as the GTV when the study was completed.

    Parameters
    ----------
    number : int or None
        Its ROI Number; `None` unless exactly one ROI had the name.
    older_rtstruct_has_it : bool
        Whether this RTSTRUCT, the newest, has no drawn ROI of that name, and an older one has.
    """

    number: int | None
    older_rtstruct_has_it: bool = False


def matching_rois(
    structure_set: StructureSet, pattern: str, chosen: ChosenGtv | None = None
) -> tuple[Roi, ...]:
    """Return the ROIs that may be the GTV.

    Parameters
    ----------
    structure_set : StructureSet
        Where to look.
    pattern : str
        Regular expression for the whole ROI name, without regard to case or to the width and
        composition of its letters (Unicode NFKC), as the node chooses.
    chosen : ChosenGtv, optional
        The choice that was made when the study was completed; by default the name alone decides,
        and of several ROIs of that name the one that is drawn, if it is one.
    """
    named = _named(structure_set, pattern)
    if chosen is None or chosen.number is None:
        drawn = tuple(filter(_is_drawn, named))
        return drawn if len(drawn) == 1 else named
    numbered = tuple(roi for roi in structure_set.rois if roi.number == chosen.number)
    return tuple(roi for roi in numbered if roi in named) or numbered


def undrawn_namesakes(
    structure_set: StructureSet, pattern: str, found: tuple[Roi, ...]
) -> tuple[str, ...]:
    """Return the names of ROIs that have the GTV's name and are not drawn, besides those found.

    Parameters
    ----------
    structure_set, pattern
        As in `matching_rois`.
    found : tuple of Roi
        What it returned.
    """
    others = (roi for roi in _named(structure_set, pattern) if roi not in found)
    return tuple(roi.name for roi in others if not _is_drawn(roi))


def _named(structure_set: StructureSet, pattern: str) -> tuple[Roi, ...]:
    rule = re.compile(pattern, re.IGNORECASE)
    return tuple(
        roi
        for roi in structure_set.rois
        if rule.fullmatch(roi.name) or rule.fullmatch(normalize("NFKC", roi.name))
    )


def _is_drawn(roi: Roi) -> bool:
    """Say whether a ROI has more than clicks; a contour that cannot be read may be more."""
    return any(
        kind == MALFORMED or not is_click(points)
        for points, kind in zip(roi.contours, roi.geometric_types, strict=True)
    )


def in_the_ct_that_is_listed(roi: Roi, structure_set: StructureSet, ct: CtHeaders) -> Roi:
    """Return a ROI in the CT's Frame of Reference where the RTSTRUCT means that in spite of what
    the ROI or the CT says, with the doubt that remains: it lists the CT's series and instances, and
    no frame that would be that of another image.

    Parameters
    ----------
    roi : Roi
        The ROI.
    structure_set : StructureSet
        Its RTSTRUCT.
    ct : CtHeaders
        The slices.
    """
    own, frames = roi.frame_of_reference_uid, ct.extent.frame_of_reference_uids
    listed = structure_set.listed_frame_uids
    said = listed | ({own} - {None})
    if len(frames) != 1 or not structure_set.names(ct):
        return roi
    (frame,) = frames
    if own == frame is not None:
        return roi
    if own not in listed and frame in listed:
        doubt = FrameDoubt.UNLISTED
    elif len(said) > 1:
        return roi
    else:
        doubt = FrameDoubt.OTHER if said and frame is not None else FrameDoubt.MISSING
    return replace(roi, frame_of_reference_uid=frame, frame_doubt=doubt)


def select_gtv(structure_set: StructureSet, pattern: str, chosen: ChosenGtv | None = None) -> Roi:
    """Return the one ROI that is the GTV.

    Parameters
    ----------
    structure_set, pattern, chosen
        As in `matching_rois`.

    Returns
    -------
    Roi
        It has at least one contour, and all its contours are closed and planar.

    Raises
    ------
    ContourError
        If no ROI or more than one may be it, or it has no contours, or one that encloses no area.
    """
    found = matching_rois(structure_set, pattern, chosen)
    facts = gtv_facts(
        found,
        None,
        structure_set.roi_names,
        pattern,
        older_rtstruct_has_it=chosen is not None and chosen.older_rtstruct_has_it,
    )
    refuse(GTV_RULES, facts)
    return found[0]
