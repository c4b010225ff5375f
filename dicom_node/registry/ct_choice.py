"""Which ROI is the GTV, and on which CT series was it drawn? Pure functions.

What an RTSTRUCT says of its CT is asked in an order: what the GTV's own contours name, the series
that is listed, the instances that are listed, the Frame of Reference, the geometry. The first that
leaves one series decides; what contradicts it further down is told.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from unicodedata import normalize

from dicom_node.datasets.instance import Plane
from dicom_node.datasets.manifest import ListedSeries, Manifest, Roi, joined
from dicom_node.registry.ct_geometry import are_one_stack, holds, nearest_first

_MOST_PARTS: Final = 50
"""Series that are looked at for the rest of a CT."""


class NameVerdict(StrEnum):
    """How many ROIs have the name that the centre's pattern asks of the GTV."""

    ONE = "one"
    NONE = "none"
    SEVERAL = "several"


class Evidence(StrEnum):
    """What tells on which CT series a GTV was drawn, the strongest first."""

    CONTOUR_IMAGES = "contour-images"
    """Images that the GTV's contours name (Contour Image Sequence in PS3.3 section C.8.8.6)."""
    LISTED_SERIES = "listed-series"
    """Series Instance UID in the RT Referenced Series Sequence (PS3.3 section C.8.8.5.4)."""
    LISTED_IMAGES = "listed-images"
    """Instances listed for that series (Contour Image Sequence in PS3.3 section C.8.8.5)."""
    FRAME_OF_REFERENCE = "frame-of-reference"
    """The frame of the GTV's own contours."""
    GEOMETRY = "geometry"
    """The slices hold the GTV's contours whole."""


class Answer(StrEnum):
    """What one kind of evidence says of the series that was chosen."""

    NAMES_IT = "names it"
    NAMES_ANOTHER = "names another"
    NAMES_NONE_HERE = "names none that is here"
    SILENT = "silent"


IN_WORDS: Mapping[Evidence, str] = {
    Evidence.CONTOUR_IMAGES: "the images that the GTV's contours name",
    Evidence.LISTED_SERIES: "the Series Instance UID that the RTSTRUCT lists",
    Evidence.LISTED_IMAGES: "the instances that the RTSTRUCT lists",
    Evidence.FRAME_OF_REFERENCE: "the GTV's Frame of Reference",
    Evidence.GEOMETRY: "geometry",
}
"""To be read after "chosen by"."""


@dataclass(frozen=True)
class CtInstance:
    """One CT slice that is here; a localizer is no slice."""

    sop_instance_uid: str
    series_instance_uid: str
    frame_of_reference_uid: str | None
    patient_key: str
    content_sha256: str
    plane: Plane | None
    is_localizer: bool = False


@dataclass(frozen=True)
class RoiChoice:
    """Which ROI is the GTV.

    Parameters
    ----------
    verdict : NameVerdict
        How many have its name.
    roi : Roi
        The one; else all that have its name, or all that there are, as one without number: so
        much is known of where to look for the CT.
    """

    verdict: NameVerdict
    roi: Roi


@dataclass(frozen=True)
class CtChoice:
    """Which CT series the GTV was drawn on.

    Parameters
    ----------
    slices : tuple of CtInstance
        All of it that is here, sorted by SOP Instance UID.
    decided_by : Evidence or None
        What decided; `None` if it is merely the only one here.
    answers : mapping of Evidence to Answer
        What each kind says of it.
    listed : tuple of str
        The instances that the RTSTRUCT lists for it, sorted: for its series, else for all.
    is_certain : bool
        Whether what is still to come cannot change the choice.
    continued_by : tuple of CtInstance
        Slices of other series that the RTSTRUCT names and that go on where these end: one CT that
        was split into series.
    """

    slices: tuple[CtInstance, ...]
    decided_by: Evidence | None
    answers: Mapping[Evidence, Answer]
    listed: tuple[str, ...]
    is_certain: bool
    continued_by: tuple[CtInstance, ...] = ()

    @property
    def series_instance_uid(self) -> str:
        """The series."""
        return self.slices[0].series_instance_uid


@dataclass(frozen=True)
class Ambiguous:
    """Several series are here, and nothing tells them apart.

    Parameters
    ----------
    count : int
        How many fit equally.
    slices : int
        How many slices they have together, where they are one CT that was split into series; else
        0.
    """

    count: int
    slices: int = 0


def choose_roi(manifest: Manifest, gtv_pattern: str) -> RoiChoice:
    """Choose the GTV by its name.

    Parameters
    ----------
    manifest : Manifest
        The RTSTRUCT's.
    gtv_pattern : str
        Regular expression for the whole ROI name, without regard to case or to the width and
        composition of its letters (Unicode NFKC): ``ＧＴＶ－１`` is GTV-1. Of several ROIs of
        such a name the one that is drawn is the GTV, if it is one: planning systems make ROIs by
        template.
    """
    rule = re.compile(gtv_pattern, re.IGNORECASE)
    found = [
        roi
        for roi in manifest.rois
        if rule.fullmatch(roi.name) or rule.fullmatch(normalize("NFKC", roi.name))
    ]
    drawn = [roi for roi in found if roi.drawn.is_drawn]
    if len(one := drawn if len(drawn) == 1 else found) == 1:
        return RoiChoice(NameVerdict.ONE, one[0])
    several = found or manifest.rois
    frames = {roi.frame_of_reference_uid for roi in several}
    together = Roi(
        number=None,
        name="",
        frame_of_reference_uid=frames.pop() if len(frames) == 1 else None,
        drawn=joined(roi.drawn for roi in several),
    )
    return RoiChoice(NameVerdict.SEVERAL if found else NameVerdict.NONE, together)


def choose_ct(
    ct: Sequence[CtInstance], manifest: Manifest, roi: Roi
) -> CtChoice | Ambiguous | None:
    """Choose the CT series that a ROI was drawn on.

    Parameters
    ----------
    ct : sequence of CtInstance
        What is here; localizers are left out.
    manifest : Manifest
        The RTSTRUCT's.
    roi : Roi
        The GTV.

    Returns
    -------
    CtChoice, Ambiguous or None
        `None` without a slice.
    """
    by_series: dict[str, list[CtInstance]] = defaultdict(list)
    for one in ct:
        if not one.is_localizer:
            by_series[one.series_instance_uid].append(one)
    if not by_series:
        return None
    listed = listed_in_its_frame(manifest, roi)
    named = _named(by_series, listed, roi)
    left, decided_by = set(by_series), None
    for evidence in Evidence:
        fitting = left & (named[evidence] or set())
        left = fitting or left
        if len(fitting) == 1:
            decided_by = evidence
            break
    if len(left) > 1:
        parts = [by_series[uid] for uid in left]
        is_split = are_one_stack([one.plane for one in part] for part in parts)
        return Ambiguous(len(left), sum(map(len, parts)) if is_split else 0)
    (series,) = left
    own = [one for one in listed if one.series_instance_uid == series] or listed
    localizers = {one.sop_instance_uid for one in ct if one.is_localizer}
    return CtChoice(
        slices=tuple(sorted(by_series[series], key=lambda one: one.sop_instance_uid)),
        decided_by=decided_by,
        answers={evidence: _answer(named[evidence], series) for evidence in Evidence},
        listed=tuple(sorted({uid for one in own for uid in one.sop_instance_uids} - localizers)),
        is_certain=(decided_by is Evidence.CONTOUR_IMAGES or named[Evidence.CONTOUR_IMAGES] is None)
        and _all_listed_are_here(listed, ct),
        continued_by=_continued_by(by_series, series, named),
    )


def _continued_by(
    by_series: Mapping[str, Sequence[CtInstance]],
    series: str,
    named: Mapping[Evidence, set[str] | None],
) -> tuple[CtInstance, ...]:
    """Return the slices of the other series that are named and that go on where one ends, or where
    another that does so ends.
    """
    asked = (Evidence.CONTOUR_IMAGES, Evidence.LISTED_SERIES, Evidence.LISTED_IMAGES)
    others = {uid for evidence in asked for uid in named[evidence] or ()} - {series}
    parts = {uid: [one.plane for one in by_series[uid]] for uid in (series, *others)}
    found: list[str] = []
    for uid in nearest_first(parts, series)[:_MOST_PARTS]:
        if are_one_stack([parts[one] for one in (series, *found, uid)]):
            found.append(uid)
    return tuple(one for uid in found for one in by_series[uid])


def listed_in_its_frame(manifest: Manifest, roi: Roi) -> list[ListedSeries]:
    """Return the series that are listed under the ROI's own frame, or all if there is none."""
    own = [
        one
        for one in manifest.series
        if one.frame_of_reference_uid == roi.frame_of_reference_uid is not None
    ]
    return own or list(manifest.series)


def _named(
    by_series: Mapping[str, Sequence[CtInstance]], listed: Sequence[ListedSeries], roi: Roi
) -> dict[Evidence, set[str] | None]:
    """Return which of the series here each kind of evidence names; `None` where it is silent."""
    series_of = {one.sop_instance_uid: uid for uid, ct in by_series.items() for one in ct}
    listed_series = {one.series_instance_uid for one in listed} - {None}
    images = {uid for one in listed for uid in one.sop_instance_uids}
    frame, bounds = roi.frame_of_reference_uid, roi.drawn.bounds_mm
    return {
        Evidence.CONTOUR_IMAGES: _or_silent(
            roi.drawn.sop_instance_uids,
            {series_of[uid] for uid in roi.drawn.sop_instance_uids if uid in series_of},
        ),
        Evidence.LISTED_SERIES: _or_silent(
            listed_series, {uid for uid in by_series if uid in listed_series}
        ),
        Evidence.LISTED_IMAGES: _or_silent(
            images, {series_of[uid] for uid in images if uid in series_of}
        ),
        Evidence.FRAME_OF_REFERENCE: _or_silent(
            frame,
            {
                uid
                for uid, ct in by_series.items()
                if all(one.frame_of_reference_uid == frame for one in ct)
            },
        ),
        Evidence.GEOMETRY: _or_silent(
            bounds,
            {uid for uid, ct in by_series.items() if holds([one.plane for one in ct], bounds)},
        ),
    }


def _or_silent(said: object, names: set[str]) -> set[str] | None:
    return names if said else None


def _answer(named: set[str] | None, series: str) -> Answer:
    if named is None:
        return Answer.SILENT
    if series in named:
        return Answer.NAMES_IT
    return Answer.NAMES_ANOTHER if named else Answer.NAMES_NONE_HERE


def _all_listed_are_here(listed: Sequence[ListedSeries], ct: Sequence[CtInstance]) -> bool:
    """Say whether one series is listed, or something of each of them is here."""
    named = {one.series_instance_uid for one in listed} - {None}
    return len(named) == 1 or named <= {one.series_instance_uid for one in ct}
