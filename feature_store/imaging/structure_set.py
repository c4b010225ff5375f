"""The RTSTRUCT: its ROIs, their contours, and the images that it lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import RTStructureSetStorage

from feature_store.errors import ContourError, UnreadableInstance
from feature_store.imaging.contour_items import (
    DrawnRoi,
    drawn_rois,
    interpreted_types,
    repeated_roi_numbers,
    whole_number,
)
from feature_store.imaging.ct_headers import UNREADABLE, CtHeaders

CLOSED_TYPES = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"})
"""Contour Geometric Types that enclose an area (PS3.3 C.8.8.6.3)."""
MALFORMED = "MALFORMED"
"""Our own geometric type of a contour whose data cannot be read as points; only the chosen ROI must
be free of it.
"""


class FrameDoubt(StrEnum):
    """Why a ROI lies on a CT by what its RTSTRUCT lists, and not by its Frame of Reference."""

    UNLISTED = "unlisted"
    """The RTSTRUCT does not list the ROI's frame, and does list the CT's."""
    MISSING = "missing"
    """The ROI or the CT names none."""
    OTHER = "other"
    """The CT names another than the RTSTRUCT."""


@dataclass(frozen=True, eq=False)
class Roi:
    """One region of interest of a structure set.

    Parameters
    ----------
    number : int
        ROI Number (3006,0022).
    name : str
        ROI Name (3006,0026), without surrounding blanks.
    contours : tuple of ndarray, each of shape (n, 3)
        Points (x, y, z) in mm in patient coordinates; read-only.
    frame_of_reference_uid : str or None
        Frame of Reference of the points.
    geometric_types : tuple of str
        One Contour Geometric Type for each contour; empty stands for ``CLOSED_PLANAR`` throughout.
    contour_items : int
        How many ROI Contour items the contours come from; the standard expects one.
    offset_contours : int
        How many contours were moved by their Contour Offset Vector (3006,0045).
    shares_its_number : bool
        Whether another ROI has the same ROI Number, so that their contours cannot be told apart.
    contour_images : tuple of tuple of str
        The images that each contour names as drawn on; empty where none names any.
    interpreted_types : tuple of str
        RT ROI Interpreted Types (3006,00A4) that its observations give it, sorted.
    frame_doubt : FrameDoubt or None
        Why it lies on a CT in spite of its frame; `None` where the frame says so, or nothing is
        said of a CT.

    Raises
    ------
    ContourError
        If an array is not (n, 3) or the geometric types are not one for each contour.
    """

    number: int
    name: str
    contours: tuple[npt.NDArray[np.float64], ...]
    frame_of_reference_uid: str | None
    geometric_types: tuple[str, ...] = field(default=())
    contour_items: int = 1
    offset_contours: int = 0
    shares_its_number: bool = False
    contour_images: tuple[tuple[str, ...], ...] = ()
    interpreted_types: tuple[str, ...] = ()
    frame_doubt: FrameDoubt | None = None

    def __post_init__(self) -> None:
        if not self.geometric_types:
            object.__setattr__(self, "geometric_types", ("CLOSED_PLANAR",) * len(self.contours))
        if len(self.geometric_types) != len(self.contours) or any(
            c.ndim != 2 or c.shape[1] != 3 for c in self.contours
        ):
            raise ContourError(
                "roi-points",
                f"ROI {self.name!r} needs points of shape (n, 3) and one geometric type for each "
                "contour.",
            )
        for points in self.contours:
            points.setflags(write=False)


@dataclass(frozen=True, eq=False)
class StructureSet:
    """An RTSTRUCT instance (PS3.3 C.8.8.5 Structure Set, C.8.8.6 ROI Contour).

    Parameters
    ----------
    sop_instance_uid, series_instance_uid, study_instance_uid : str
        Its identity.
    frame_of_reference_uid : str or None
        The Frame of Reference that all ROIs share, or the first that is referenced.
    rois : tuple of Roi
        In the order of the Structure Set ROI Sequence.
    referenced_sop_instance_uids : frozenset of str
        Images that it lists, for the series or for single contours.
    listed_frame_uids, listed_series_uids : frozenset of str
        Frames of Reference and series that it lists (Referenced Frame of Reference Sequence).
    approval : str
        Approval Status (300E,0002), empty where it is absent.
    """

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    frame_of_reference_uid: str | None
    rois: tuple[Roi, ...]
    referenced_sop_instance_uids: frozenset[str]
    listed_frame_uids: frozenset[str] = frozenset()
    listed_series_uids: frozenset[str] = frozenset()
    approval: str = ""

    def names(self, ct: CtHeaders) -> bool:
        """Say whether it lists a CT: its series and its instances, where it lists any."""
        series = {one.series_instance_uid for one in ct.slices}
        instances = {one.sop_instance_uid for one in ct.slices}
        listed = (
            (self.listed_series_uids, series),
            (self.referenced_sop_instance_uids, instances),
        )
        said = [not here.isdisjoint(named) for named, here in listed if named]
        return bool(said) and all(said)

    @property
    def roi_names(self) -> tuple[str, ...]:
        """Names of the ROIs, in order."""
        return tuple(roi.name for roi in self.rois)


def structure_set_of(dataset: Dataset) -> StructureSet:
    """Take ROIs and contours from an RTSTRUCT.

    Parameters
    ----------
    dataset : Dataset
        An instance of RT Structure Set Storage.

    Returns
    -------
    StructureSet
        A contour whose data cannot be read as points is kept, empty, with the type ``MALFORMED``:
        it matters only if its ROI is the one that is used.

    Raises
    ------
    UnreadableInstance
        If it is not RT Structure Set Storage, or has no usable identity or ROI list.
    """
    sop_class = dataset.get("SOPClassUID")
    if sop_class != RTStructureSetStorage:
        name = getattr(sop_class, "name", "no SOP class")
        raise UnreadableInstance(
            "not-rtstruct", f"Expected RT Structure Set Storage, found {name}."
        )
    try:
        return _structure_set(dataset)
    except UNREADABLE as error:
        raise UnreadableInstance(
            "rtstruct-content",
            "The RTSTRUCT lacks usable values for its UIDs or its list of ROIs (PS3.3 C.8.8.5, "
            "C.8.8.6). Export it again from the planning system.",
        ) from error


def _structure_set(dataset: Dataset) -> StructureSet:
    drawn, shared_numbers = drawn_rois(dataset), repeated_roi_numbers(dataset)
    types = interpreted_types(dataset)
    rois = []
    for item in dataset.StructureSetROISequence:
        number = whole_number(item, "ROINumber")
        if number is None:
            continue
        found = drawn.get(number, DrawnRoi((), 0))
        rois.append(
            Roi(
                number=number,
                name=_name(item),
                contours=tuple(
                    np.empty((0, 3)) if one.points is None else one.points for one in found.contours
                ),
                frame_of_reference_uid=str(item.get("ReferencedFrameOfReferenceUID") or "") or None,
                geometric_types=tuple(
                    MALFORMED if one.points is None else one.geometric_type
                    for one in found.contours
                ),
                contour_items=found.items,
                offset_contours=sum(one.is_offset for one in found.contours),
                shares_its_number=number in shared_numbers,
                contour_images=tuple(one.images for one in found.contours),
                interpreted_types=tuple(sorted(types.get(number, ()))),
            )
        )
    shared = {roi.frame_of_reference_uid for roi in rois}
    frames = dataset.get("ReferencedFrameOfReferenceSequence") or ()
    listed = [uid for frame in frames if (uid := str(frame.get("FrameOfReferenceUID") or ""))]
    series = list(_listed_series(dataset))
    return StructureSet(
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        frame_of_reference_uid=shared.pop() if len(shared) == 1 else next(iter(listed), None),
        rois=tuple(rois),
        referenced_sop_instance_uids=frozenset(_referenced_images(dataset, series)),
        listed_frame_uids=frozenset(listed),
        listed_series_uids=frozenset(
            uid for one in series if (uid := str(one.get("SeriesInstanceUID") or ""))
        ),
        approval=str(dataset.get("ApprovalStatus") or "").strip().upper(),
    )


def _name(item: Dataset) -> str:
    """Return the ROI Name as it is written: a backslash in it, which parts values (PS3.5 section
    6.2), is of the name.
    """
    value = item.get("ROIName")
    return (
        "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value or "")
    ).strip()


def _listed_series(dataset: Dataset) -> Iterable[Dataset]:
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            yield from study.get("RTReferencedSeriesSequence") or ()


def _referenced_images(dataset: Dataset, series: Iterable[Dataset]) -> Iterable[str]:
    contours = (
        contour
        for roi in dataset.get("ROIContourSequence") or ()
        for contour in roi.get("ContourSequence") or ()
    )
    for holder in chain(series, contours):
        for image in holder.get("ContourImageSequence") or ():
            if uid := image.get("ReferencedSOPInstanceUID"):
                yield str(uid)
