"""What an RTSTRUCT needs: the CT on which it was drawn, and where each of its ROIs lies.

Each ROI is known by itself: a contour that cannot be read is counted with its ROI and hides no
other's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Bounds = tuple[float, float, float, float, float, float]
"""x0, x1, y0, y1, z0, z1 in mm, DICOM patient coordinates."""
Point = tuple[float, float, float]
"""x, y, z in mm, DICOM patient coordinates."""
_DATE: Final = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)


@dataclass(frozen=True)
class DrawnContours:
    """What is drawn of a ROI (PS3.3 section C.8.8.6).

    Parameters
    ----------
    contours : int
        Contours, those that cannot be read among them.
    malformed : int
        Contours whose data are no triplets of finite numbers.
    bounds_mm : tuple of float or None
        Bounds of the others, their offsets added; `None` without any. Fewer than three points are
        a remnant, which has none.
    planes_mm : tuple of Point
        A point in each plane that holds a contour, each plane once; the point of one across a
        patient axis has zeros along the other two.
    sop_instance_uids : tuple of str
        CT instances that the contours name, sorted, each once.
    """

    contours: int = 0
    malformed: int = 0
    bounds_mm: Bounds | None = None
    planes_mm: tuple[Point, ...] = ()
    sop_instance_uids: tuple[str, ...] = ()

    @property
    def is_drawn(self) -> bool:
        """Whether there is more than remnants; a contour that cannot be read may be more."""
        return self.bounds_mm is not None or self.malformed > 0


@dataclass(frozen=True)
class Roi:
    """One region of interest of an RTSTRUCT.

    Parameters
    ----------
    number : int or None
        ROI Number (3006,0022).
    name : str
        ROI Name (3006,0026), without surrounding blanks.
    frame_of_reference_uid : str or None
        Referenced Frame of Reference UID (3006,0024): that of its own contours.
    drawn : DrawnContours
        What is drawn of it.
    """

    number: int | None
    name: str
    frame_of_reference_uid: str | None
    drawn: DrawnContours = DrawnContours()


@dataclass(frozen=True)
class ListedSeries:
    """A series that an RTSTRUCT lists (RT Referenced Series Sequence, PS3.3 section C.8.8.5.4).

    Parameters
    ----------
    series_instance_uid : str or None
        The series.
    frame_of_reference_uid : str or None
        The frame under which it is listed.
    sop_instance_uids : tuple of str
        Its CT instances that are listed (Contour Image Sequence), sorted, each once.
    """

    series_instance_uid: str | None
    frame_of_reference_uid: str | None
    sop_instance_uids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """What an RTSTRUCT needs (PS3.3 sections C.8.8.5 and C.8.8.6).

    Parameters
    ----------
    rois : tuple of Roi
        In the order of the Structure Set ROI Sequence.
    series : tuple of ListedSeries
        The series that it lists, without those of other modalities.
    frame_of_reference_uids : tuple of str
        The frames that it lists (Referenced Frame of Reference Sequence).
    made_at : tuple of str
        Structure Set Date and Time, then Instance Creation Date and Time: larger is newer.
    other_classes : tuple of str
        SOP Classes, other than CT Image Storage, of images that are listed or named, sorted.
    approval : str
        Approval Status (300E,0002; PS3.3 section C.8.8.16); empty where it is none of its terms.
    """

    rois: tuple[Roi, ...]
    series: tuple[ListedSeries, ...]
    frame_of_reference_uids: tuple[str, ...]
    made_at: tuple[str, str, str, str]
    other_classes: tuple[str, ...] = ()
    approval: str = ""

    @property
    def referenced_sop_instance_uids(self) -> tuple[str, ...]:
        """CT instances that are listed, or named by a contour of any ROI; sorted, each once."""
        listed = {uid for one in self.series for uid in one.sop_instance_uids}
        return tuple(sorted(listed.union(*(roi.drawn.sop_instance_uids for roi in self.rois))))

    @property
    def planes_mm(self) -> frozenset[Point]:
        """A point in each plane that holds a contour of any ROI."""
        return frozenset(point for roi in self.rois for point in roi.drawn.planes_mm)


def _joined(first: DrawnContours, second: DrawnContours) -> DrawnContours:
    return DrawnContours(
        contours=first.contours + second.contours,
        malformed=first.malformed + second.malformed,
        bounds_mm=around(first.bounds_mm, second.bounds_mm),
        planes_mm=tuple(sorted({*first.planes_mm, *second.planes_mm})),
        sop_instance_uids=tuple(sorted({*first.sop_instance_uids, *second.sop_instance_uids})),
    )


def joined(parts: Iterable[DrawnContours]) -> DrawnContours:
    """Return what is drawn of several ROIs together."""
    together = DrawnContours()
    for one in parts:
        together = _joined(together, one)
    return together


def around(first: Bounds | None, second: Bounds | None) -> Bounds | None:
    """Return the bounds of both."""
    if first is None or second is None:
        return first or second
    x0, y0, z0 = (min(first[low], second[low]) for low in (0, 2, 4))
    x1, y1, z1 = (max(first[high], second[high]) for high in (1, 3, 5))
    return (x0, x1, y0, y1, z0, z1)


def newness(made_at: Iterable[str]) -> tuple[str, ...]:
    """Return what orders RTSTRUCTs, larger for the newer.

    Parameters
    ----------
    made_at : iterable of str
        Structure Set Date and Time, Instance Creation Date and Time, as they were written.

    Returns
    -------
    tuple of str
        The same without separators, as in ACR-NEMA's 2024.05.17, and empty where they are none.
        Where no Structure Set Date is known, which may be empty (PS3.3 section C.8.8.5, type 2),
        Instance Creation stands for it.
    """
    signs = str.maketrans("", "", ".:-/ ")
    date, time, created, created_at = (one.translate(signs) for one in made_at)
    creation = _moment(created, created_at)
    structure_set = _moment(date, time)
    return (*(structure_set if structure_set[0] else creation), *creation)


def approval_term(written: str) -> str:
    """Return an Approval Status (300E,0002) as its term, and nothing for what is none."""
    term = written.strip().upper()
    return term if term in {"APPROVED", "UNAPPROVED", "REJECTED"} else ""


def _moment(date: str, time: str) -> tuple[str, str]:
    if not _DATE.fullmatch(date):
        return "", ""
    return date, time if time.isdecimal() else ""
