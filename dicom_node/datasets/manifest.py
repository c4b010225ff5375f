"""What an RTSTRUCT needs: the CT on which it was drawn, and where each of its ROIs lies.

Each ROI is read by itself: a contour that cannot be read is counted with its ROI and hides no
other's. One item of a sequence at a time becomes a small record, of which the parts are joined.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.charset import decode_bytes
from pydicom.dataset import Dataset

from dicom_node.datasets import tags
from dicom_node.datasets.elements import Elements, items, text, value_bytes
from dicom_node.datasets.identity import DamagedInstanceError, Identity, is_uid
from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
)

Bounds = tuple[float, float, float, float, float, float]
"""x0, x1, y0, y1, z0, z1 in mm, DICOM patient coordinates."""
Point = tuple[float, float, float]
"""x, y, z in mm, DICOM patient coordinates."""

_FEWEST_POINTS: Final = 3
_FLAT_MM: Final = 0.01


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
    """

    rois: tuple[Roi, ...]
    series: tuple[ListedSeries, ...]
    frame_of_reference_uids: tuple[str, ...]
    made_at: tuple[str, str, str, str]

    @property
    def referenced_sop_instance_uids(self) -> tuple[str, ...]:
        """CT instances that are listed, or named by a contour of any ROI; sorted, each once."""
        listed = {uid for one in self.series for uid in one.sop_instance_uids}
        return tuple(sorted(listed.union(*(roi.drawn.sop_instance_uids for roi in self.rois))))

    @property
    def planes_mm(self) -> frozenset[Point]:
        """A point in each plane that holds a contour of any ROI."""
        return frozenset(point for roi in self.rois for point in roi.drawn.planes_mm)


def read_manifest(
    elements: Elements, identity: Identity, encodings: Sequence[str] = ("iso8859",)
) -> Manifest:
    """Read what an RTSTRUCT lists and where its ROIs lie.

    Parameters
    ----------
    elements : mapping of int to element
        The whole dataset.
    identity : Identity
        Who it is, for the verdict.
    encodings : sequence of str
        Python's names of its character sets.

    Raises
    ------
    DamagedInstanceError
        If its sequences are missing or cannot be read.
    """
    if tags.STRUCTURE_SET_ROI_SEQUENCE not in elements or tags.ROI_CONTOUR_SEQUENCE not in elements:
        raise DamagedInstanceError(
            "an RTSTRUCT lacks its Structure Set ROI Sequence (3006,0020) or its ROI Contour "
            "Sequence (3006,0039): expected both (PS3.3 sections C.8.8.5 and C.8.8.6); export it "
            "again",
            identity,
        )
    try:
        return _read(elements, encodings)
    except (
        Exception
    ) as error:  # pydicom raises whatever the bytes provoke; the verdict is ours and is raised
        raise DamagedInstanceError(
            "the contours or the references of an RTSTRUCT cannot be read: send it again from an "
            "undamaged copy",
            identity,
        ) from error


def _read(elements: Elements, encodings: Sequence[str]) -> Manifest:
    dataset = Dataset(dict(elements))  # type: ignore[arg-type]
    dataset.set_original_encoding(False, True, None)
    drawn: dict[int | None, DrawnContours] = {}
    for item in items(dataset, tags.ROI_CONTOUR_SEQUENCE):
        number = _integer(item, tags.REFERENCED_ROI_NUMBER)
        drawn[number] = _joined(drawn.get(number, DrawnContours()), drawn_contours(item))
    frames = tuple(items(dataset, tags.REFERENCED_FRAME_OF_REFERENCE_SEQUENCE))
    return Manifest(
        rois=tuple(
            _roi(item, drawn, encodings) for item in items(dataset, tags.STRUCTURE_SET_ROI_SEQUENCE)
        ),
        series=tuple(one for frame in frames for one in _listed_series(frame)),
        frame_of_reference_uids=tuple(
            uid for frame in frames if (uid := _uid(frame, tags.FRAME_OF_REFERENCE_UID))
        ),
        made_at=(*(text(dataset, tag) for tag in tags.STRUCTURE_SET + tags.INSTANCE_CREATION),),  # type: ignore[arg-type]
    )


def _roi(item: Dataset, drawn: Mapping[int | None, DrawnContours], encodings: Sequence[str]) -> Roi:
    number = _integer(item, tags.ROI_NUMBER)
    name = decode_bytes(value_bytes(item, tags.ROI_NAME), encodings, set())
    nothing = DrawnContours()
    return Roi(
        number=number,
        name=name.strip(" \0"),
        frame_of_reference_uid=_uid(item, tags.REFERENCED_FRAME_OF_REFERENCE_UID),
        drawn=nothing if number is None else drawn.get(number, nothing),
    )


def _listed_series(frame: Dataset) -> Iterable[ListedSeries]:
    frame_uid = _uid(frame, tags.FRAME_OF_REFERENCE_UID)
    for study in items(frame, tags.RT_REFERENCED_STUDY_SEQUENCE):
        for series in items(study, tags.RT_REFERENCED_SERIES_SEQUENCE):
            images = _images(series)
            # a series whose images are all of another modality is no CT
            if images or not any(True for _ in items(series, tags.CONTOUR_IMAGE_SEQUENCE)):
                yield ListedSeries(_uid(series, tags.SERIES_INSTANCE_UID), frame_uid, images)


def drawn_contours(item: Dataset) -> DrawnContours:
    """Return what one item of the ROI Contour Sequence (3006,0039) holds.

    Parameters
    ----------
    item : Dataset
        The item; of its contours one at a time is looked at.
    """
    contours = malformed = 0
    bounds: Bounds | None = None
    planes: set[Point] = set()
    images: set[str] = set()
    for contour in items(item, tags.CONTOUR_SEQUENCE):
        contours += 1
        images.update(_images(contour))
        axes = _coordinates(contour)
        if axes is None:
            malformed += 1
        elif len(axes[0]) >= _FEWEST_POINTS:
            found = _bounds(axes)
            bounds = _around(bounds, found)
            planes.add(_plane(found, (axes[0][0], axes[1][0], axes[2][0])))
    return DrawnContours(contours, malformed, bounds, tuple(sorted(planes)), tuple(sorted(images)))


def _joined(first: DrawnContours, second: DrawnContours) -> DrawnContours:
    return DrawnContours(
        contours=first.contours + second.contours,
        malformed=first.malformed + second.malformed,
        bounds_mm=_around(first.bounds_mm, second.bounds_mm),
        planes_mm=tuple(sorted({*first.planes_mm, *second.planes_mm})),
        sop_instance_uids=tuple(sorted({*first.sop_instance_uids, *second.sop_instance_uids})),
    )


def joined(parts: Iterable[DrawnContours]) -> DrawnContours:
    """Return what is drawn of several ROIs together."""
    together = DrawnContours()
    for one in parts:
        together = _joined(together, one)
    return together


def _coordinates(contour: Dataset) -> list[list[float]] | None:
    """Return the x, y and z of a contour's points in mm, or `None` if its data are none."""
    try:
        numbers = [float(part) for part in text(contour, tags.CONTOUR_DATA).split("\\")]
        moved = text(contour, tags.CONTOUR_OFFSET_VECTOR)
        offset = [float(part) for part in moved.split("\\")] if moved else [0.0, 0.0, 0.0]
    except ValueError:
        return None
    if len(numbers) % 3 or len(offset) != 3 or not all(map(math.isfinite, numbers + offset)):
        return None
    return [[value + offset[axis] for value in numbers[axis::3]] for axis in range(3)]


def _bounds(axes: Sequence[Sequence[float]]) -> Bounds:
    (x0, x1), (y0, y1), (z0, z1) = ((min(values), max(values)) for values in axes)
    return (x0, x1, y0, y1, z0, z1)


def _around(first: Bounds | None, second: Bounds | None) -> Bounds | None:
    if first is None or second is None:
        return first or second
    x0, y0, z0 = (min(first[low], second[low]) for low in (0, 2, 4))
    x1, y1, z1 = (max(first[high], second[high]) for high in (1, 3, 5))
    return (x0, x1, y0, y1, z0, z1)


def _plane(bounds: Bounds, point: Point) -> Point:
    """Return the point that stands for a contour's plane."""
    flat = [axis for axis in range(3) if bounds[2 * axis + 1] - bounds[2 * axis] <= _FLAT_MM]
    if len(flat) != 1:
        x, y, z = (round(value, 2) for value in point)
        return (x, y, z)
    x, y, z = (round(point[axis], 2) if axis in flat else 0.0 for axis in range(3))
    return (x, y, z)


def _images(holder: Dataset) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                uid
                for image in items(holder, tags.CONTOUR_IMAGE_SEQUENCE)
                if text(image, tags.REFERENCED_SOP_CLASS_UID) in {CT_IMAGE_STORAGE, ""}
                and (uid := _uid(image, tags.REFERENCED_SOP_INSTANCE_UID))
            }
        )
    )


def _uid(dataset: Dataset, tag: int) -> str | None:
    """Return a UID, or `None` for what is none, which names nothing."""
    found = text(dataset, tag)
    return found if is_uid(found) else None


def _integer(dataset: Dataset, tag: int) -> int | None:
    try:
        return int(text(dataset, tag))
    except ValueError:
        return None
