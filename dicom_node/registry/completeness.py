"""When is a study complete? The RTSTRUCT is the manifest; after a quiet period geometry decides.
Pure functions.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from dicom_node.center import Completeness
from dicom_node.datasets.instance import Plane
from dicom_node.datasets.manifest import Bounds, Manifest

_COSINE_TOLERANCE = 1e-3
_EDGE_TOLERANCE_MM = 0.01


@dataclass(frozen=True)
class CtInstance:
    """One CT slice that is here."""

    sop_instance_uid: str
    series_instance_uid: str
    frame_of_reference_uid: str | None
    patient_key: str
    content_sha256: str
    plane: Plane | None


@dataclass(frozen=True)
class RtstructInstance:
    """One RTSTRUCT that is here."""

    sop_instance_uid: str
    patient_key: str
    content_sha256: str
    manifest: Manifest


@dataclass(frozen=True)
class DamagedMention:
    """An instance that was received damaged and has not come undamaged since."""

    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class StudyContents:
    """Everything of one study that is here."""

    ct: tuple[CtInstance, ...]
    rtstructs: tuple[RtstructInstance, ...]
    damaged: tuple[DamagedMention, ...] = ()


@dataclass(frozen=True)
class Complete:
    """The study can be scored: this RTSTRUCT on these slices, sorted by SOP Instance UID."""

    rtstruct: RtstructInstance
    ct: tuple[CtInstance, ...]
    warnings: tuple[str, ...]

    @property
    def content_digest(self) -> str:
        """SHA-256 of what is scored."""
        slices = ((one.sop_instance_uid, one.content_sha256) for one in self.ct)
        return content_digest(
            [(self.rtstruct.sop_instance_uid, self.rtstruct.content_sha256), *slices]
        )


@dataclass(frozen=True)
class Waiting:
    """More may come."""


@dataclass(frozen=True)
class Incomplete:
    """Nothing more came, and the sentence says what is missing."""

    sentence: str


@dataclass(frozen=True)
class Contradictory:
    """What came does not belong together."""

    sentence: str


Decision = Complete | Waiting | Incomplete | Contradictory


def content_digest(instances: Iterable[tuple[str, str]]) -> str:
    """Return the digest of a study's content.

    Parameters
    ----------
    instances : iterable of (str, str)
        SOP Instance UID and content SHA-256 of the RTSTRUCT and of each chosen CT slice, in any
        order.

    Returns
    -------
    str
        SHA-256 over the sorted pairs.
    """
    lines = sorted(f"{uid} {digest}\n" for uid, digest in instances)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def decide(contents: StudyContents, completeness: Completeness, *, settled: bool) -> Decision:
    """Decide whether a study is complete.

    Parameters
    ----------
    contents : StudyContents
        What is here.
    completeness : Completeness
        The centre's rule for a list that is not met.
    settled : bool
        Whether the quiet period has passed; before, only a list that is met exactly completes a
        study.

    Returns
    -------
    Decision
        Complete, with what to score and what to warn of; waiting; incomplete or contradictory, with
        a sentence.
    """
    if not contents.rtstructs:
        return Incomplete(_without_rtstruct(contents)) if settled else Waiting()
    rtstruct = newest(contents.rtstructs)
    here = {ct.sop_instance_uid: ct for ct in contents.ct}
    listed = rtstruct.manifest.referenced_sop_instance_uids
    found = [here[uid] for uid in listed if uid in here]
    if listed and len(found) == len(listed):
        return _same_patient(_listed(contents, rtstruct, found))
    if not settled:
        return Waiting()
    if not contents.ct:
        return Incomplete(
            f"an RTSTRUCT has arrived but no CT slice{_damage_note(len(contents.damaged))}: send "
            "the CT series on which it was drawn, in the same study"
        )
    return _match(contents, rtstruct, found, completeness)


def newest(rtstructs: Sequence[RtstructInstance]) -> RtstructInstance:
    """Return the newest RTSTRUCT by Structure Set Date and Time, Instance Creation Date and Time,
    SOP Instance UID.
    """
    return max(rtstructs, key=lambda one: (*one.manifest.made_at, one.sop_instance_uid))


def _listed(
    contents: StudyContents, rtstruct: RtstructInstance, found: Sequence[CtInstance]
) -> Complete:
    """Take the listed slices; of several listed series the one on which the contours were most
    likely drawn.
    """
    warnings = _several(contents.rtstructs)
    count = len({one.series_instance_uid for one in found})
    if count == 1:
        return Complete(rtstruct, tuple(found), warnings)
    series, how = choose_series(found, rtstruct.manifest)
    return Complete(
        rtstruct,
        series,
        (*warnings, f"the RTSTRUCT lists {count} CT series: one is used, chosen by {how}"),
    )


def _match(
    contents: StudyContents,
    rtstruct: RtstructInstance,
    found: Sequence[CtInstance],
    completeness: Completeness,
) -> Decision:
    """Choose the CT series after the quiet period."""
    listed = rtstruct.manifest.referenced_sop_instance_uids
    tally = f"the RTSTRUCT lists {len(listed)} CT instances, of which {len(found)} are here"
    series, how = choose_series(contents.ct, rtstruct.manifest)
    lost = [
        one
        for one in contents.damaged
        if one.sop_instance_uid in listed
        or one.series_instance_uid == series[0].series_instance_uid
    ]
    if lost:
        return Incomplete(
            f"{tally}; {len(lost)} of the missing were received damaged and are quarantined: send "
            "them again from an undamaged copy"
        )
    if completeness is Completeness.STRICT:
        return Incomplete(
            f"{tally}: send the {len(listed) - len(found)} that are missing"
            if listed
            else (
                "the RTSTRUCT lists no CT instance, so that its CT cannot be told: export it "
                "with its references"
            )
        )
    warnings = [
        f"{tally}; matched with {len(series)} slices by {how}",
        *_several(contents.rtstructs),
    ]
    if contents.damaged:
        warnings.append(
            f"{_instances(len(contents.damaged))} received damaged and quarantined, outside the "
            "slices that are used"
        )
    return _same_patient(Complete(rtstruct, series, tuple(warnings)))


def choose_series(
    ct: Sequence[CtInstance], manifest: Manifest
) -> tuple[tuple[CtInstance, ...], str]:
    """Choose the CT series on which the contours were most likely drawn.

    A series in the same Frame of Reference that holds all contours comes first, then one in the
    same Frame of Reference, then any; among equals the one with more listed slices, then the larger
    one.

    Parameters
    ----------
    ct : sequence of CtInstance
        At least one slice.
    manifest : Manifest
        The RTSTRUCT's.

    Returns
    -------
    tuple of CtInstance
        The slices of the series, sorted by SOP Instance UID.
    str
        By what it was chosen, to be read after "matched by".
    """
    by_series: dict[str, list[CtInstance]] = defaultdict(list)
    for one in ct:
        by_series[one.series_instance_uid].append(one)
    listed = set(manifest.referenced_sop_instance_uids)

    def rank(uid: str) -> tuple[bool, bool, int, int, str]:
        slices = by_series[uid]
        same_frame = _same_frame(slices, manifest)
        return (
            same_frame and _holds(slices, manifest),
            same_frame,
            sum(one.sop_instance_uid in listed for one in slices),
            len(slices),
            uid,
        )

    best = max(by_series, key=rank)
    holds, same_frame, _, _, _ = rank(best)
    if holds:
        how = "Frame of Reference and geometry"
    elif same_frame:
        how = "Frame of Reference, although the contours reach outside them"
    else:
        how = "number of slices, although no CT series has the contours' Frame of Reference"
    others = sum(rank(uid)[:2] == (holds, same_frame) for uid in by_series) - 1
    if others:
        how += f"; {others} other CT series would fit as well"
    return tuple(sorted(by_series[best], key=lambda one: one.sop_instance_uid)), how


def series_extent_mm(planes: Sequence[Plane]) -> Bounds | None:
    """Return the bounds of a series: whole pixels, and half a slice beyond the outermost slices.

    Parameters
    ----------
    planes : sequence of Plane
        The slices, in any order.

    Returns
    -------
    tuple of float or None
        x0, x1, y0, y1, z0, z1 in mm; `None` without slices.
    """
    if not planes:
        return None
    normal = planes[0].normal
    depths = sorted({round(_dot(plane.position, normal), 3) for plane in planes})
    gaps = [after - before for before, after in pairwise(depths)]
    half = median(gaps) / 2 if gaps else 0.5
    corners = [corner for plane in planes for corner in _corners(plane)]
    lows = [min(corner[axis] for corner in corners) - half * abs(normal[axis]) for axis in range(3)]
    highs = [
        max(corner[axis] for corner in corners) + half * abs(normal[axis]) for axis in range(3)
    ]
    return (lows[0], highs[0], lows[1], highs[1], lows[2], highs[2])


def _corners(plane: Plane) -> list[tuple[float, float, float]]:
    """Return the outer corners of a slice's corner pixels (PS3.3 equation C.7.6.2.1-1)."""
    along_row, along_column = plane.orientation[:3], plane.orientation[3:]
    corners = []
    for column in (-0.5, plane.columns - 0.5):
        for row in (-0.5, plane.rows - 0.5):
            x, y, z = (
                plane.position[axis]
                + along_row[axis] * plane.spacing[1] * column
                + along_column[axis] * plane.spacing[0] * row
                for axis in range(3)
            )
            corners.append((x, y, z))
    return corners


def _holds(slices: Sequence[CtInstance], manifest: Manifest) -> bool:
    bounds = manifest.contour_bounds_mm
    planes = [one.plane for one in slices if one.plane is not None]
    if bounds is None or len(planes) != len(slices):
        return False
    if any(abs(_dot(plane.normal, planes[0].normal) - 1) > _COSINE_TOLERANCE for plane in planes):
        return False
    extent = series_extent_mm(planes)
    return extent is not None and all(
        extent[low] - _EDGE_TOLERANCE_MM <= bounds[low]
        and bounds[low + 1] <= extent[low + 1] + _EDGE_TOLERANCE_MM
        for low in (0, 2, 4)
    )


def _same_frame(slices: Sequence[CtInstance], manifest: Manifest) -> bool:
    return manifest.frame_of_reference_uid is not None and all(
        one.frame_of_reference_uid == manifest.frame_of_reference_uid for one in slices
    )


def _same_patient(complete: Complete) -> Decision:
    if any(ct.patient_key != complete.rtstruct.patient_key for ct in complete.ct):
        return Contradictory(
            "the RTSTRUCT and its CT slices carry different Patient IDs in one study: correct the "
            "patient at the source and send the study again"
        )
    return complete


def _several(rtstructs: Sequence[RtstructInstance]) -> tuple[str, ...]:
    if len(rtstructs) == 1:
        return ()
    return (
        (
            f"the study holds {len(rtstructs)} RTSTRUCTs: the newest by structure set date and "
            "time is used"
        ),
    )


def _without_rtstruct(contents: StudyContents) -> str:
    if not contents.ct:
        return (
            f"{_instances(len(contents.damaged))} received damaged and quarantined, and nothing "
            "else has arrived: send the study again from an undamaged copy"
        )
    return (
        f"{len(contents.ct)} CT slices have arrived but no "
        f"RTSTRUCT{_damage_note(len(contents.damaged))}: send the RTSTRUCT that was drawn on them, "
        "in the same study"
    )


def _damage_note(count: int) -> str:
    return f" ({_instances(count)} received damaged and quarantined)" if count else ""


def _instances(count: int) -> str:
    return "1 instance was" if count == 1 else f"{count} instances were"


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))
