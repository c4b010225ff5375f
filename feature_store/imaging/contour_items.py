"""The contours of an RTSTRUCT as points: ROI Contour items (PS3.3 C.8.8.6) by ROI Number.

The standard gives each ROI one ROI Contour item. Some systems write several with one Referenced ROI
Number: their contours are joined, in order. Contour Offset Vector (3006,0045) is added to each
point, whether a Contour Slab Thickness stands beside it or not (C.8.8.6.2: the central plane of a
slab is offset from the contour's points by it). It was retired in 2021 and is rare.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from feature_store.imaging.ct_headers import UNREADABLE

_CLOSED = {"CLOSEDPLANAR": "CLOSED_PLANAR", "CLOSEDPLANARXOR": "CLOSEDPLANAR_XOR"}
_CONTOUR_DATA = Tag(0x3006, 0x0050)


@dataclass(frozen=True, eq=False)
class DrawnContour:
    """One contour as it is written.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 3), or None
        Points (x, y, z) in mm in patient coordinates, its offset added; None if the data are not
        triplets of numbers, not as many as announced, or the offset is not three finite numbers.
    geometric_type : str
        Contour Geometric Type (3006,0042), empty if it is absent.
    offset_mm : tuple of 3 float
        Contour Offset Vector (3006,0045), zero if it is absent.
    images : tuple of str
        SOP Instance UIDs of the images that it names as drawn on (Contour Image Sequence).
    """

    points: npt.NDArray[np.float64] | None
    geometric_type: str
    offset_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    images: tuple[str, ...] = ()

    @property
    def is_offset(self) -> bool:
        """Whether its points were moved."""
        return any(self.offset_mm)


@dataclass(frozen=True, eq=False)
class DrawnRoi:
    """What is drawn of one ROI.

    Parameters
    ----------
    contours : tuple of DrawnContour
        In the order in which they are written.
    items : int
        How many ROI Contour items they come from; the standard expects one.
    """

    contours: tuple[DrawnContour, ...]
    items: int


def interpreted_types(dataset: Dataset) -> dict[int, set[str]]:
    """Return what observations take each ROI for (PS3.3 C.8.8.8), by Referenced ROI Number."""
    found: dict[int, set[str]] = {}
    for item in dataset.get("RTROIObservationsSequence") or ():
        number, said = whole_number(item, "ReferencedROINumber"), item.get("RTROIInterpretedType")
        if number is not None and isinstance(said, str) and said.strip():
            found.setdefault(number, set()).add(said.strip().upper())
    return found


def drawn_rois(dataset: Dataset) -> dict[int, DrawnRoi]:
    """Return what is drawn of each ROI of an RTSTRUCT, by Referenced ROI Number (3006,0084)."""
    drawn: dict[int, DrawnRoi] = {}
    for item in dataset.get("ROIContourSequence") or ():
        number = whole_number(item, "ReferencedROINumber")
        if number is None:
            continue
        before = drawn.get(number, DrawnRoi((), 0))
        contours = tuple(map(drawn_contour, item.get("ContourSequence") or ()))
        drawn[number] = DrawnRoi(before.contours + contours, before.items + 1)
    return drawn


def repeated_roi_numbers(dataset: Dataset) -> frozenset[int]:
    """Return the ROI Numbers (3006,0022) that more than one ROI carries, whose contours cannot be
    told apart (PS3.3 C.8.8.5: unique within the structure set).
    """
    counted = Counter(
        whole_number(item, "ROINumber") for item in dataset.get("StructureSetROISequence") or ()
    )
    return frozenset(
        number for number, count in counted.items() if number is not None and count > 1
    )


def whole_number(item: Dataset, keyword: str) -> int | None:
    """Return a whole number of an item; `None` where it has none, so that it belongs to no ROI."""
    try:
        return int(item.get(keyword))
    except UNREADABLE:
        return None


def drawn_contour(item: Dataset) -> DrawnContour:
    """Return one contour of an item of the Contour Sequence (3006,0040)."""
    kind = _geometric_type(str(item.get("ContourGeometricType") or ""))
    try:
        numbers = _contour_data(item)
        announced = item.get("NumberOfContourPoints")
        offset = np.array(item.get("ContourOffsetVector") or (0, 0, 0), dtype=np.float64)
        is_sound = numbers.size % 3 == 0 and (
            announced is None or int(announced) * 3 == numbers.size
        )
    except UNREADABLE:
        return DrawnContour(None, kind)
    if not is_sound or offset.shape != (3,) or not np.isfinite(offset).all():
        return DrawnContour(None, kind)
    x, y, z = offset.tolist()
    images = tuple(
        str(image.get("ReferencedSOPInstanceUID") or "")
        for image in item.get("ContourImageSequence") or ()
    )
    return DrawnContour(numbers.reshape(-1, 3) + offset, kind, (x, y, z), images)


def _geometric_type(written: str) -> str:
    """Return the defined term of PS3.3 C.8.8.6.3; the two for closed contours are also written with
    the underscore of the other, since one has none after CLOSED.
    """
    term = written.strip().upper()
    return _CLOSED.get(term.replace("_", "").replace(" ", ""), term)


def _contour_data(item: Dataset) -> npt.NDArray[np.float64]:
    """Return the numbers of Contour Data (3006,0050).

    More than 65534 bytes of them come as VR UN in an explicit VR transfer syntax (PS3.5 section
    6.2.2), which is read as bytes.

    Raises
    ------
    ValueError
        If they are not decimal strings.
    """
    element: Any = item.get_item(_CONTOUR_DATA)  # None where it is absent
    content: Any = None if element is None else element.value
    if content is not None and not isinstance(content, bytes):
        return np.array(content, dtype=np.float64)
    text = (content or b"").rstrip(b" \0")
    if b"_" in text:  # Python takes 1_0 for 10
        raise ValueError("Contour Data (3006,0050) are not decimal strings.")
    return np.array(text.split(b"\\") if text else (), dtype=np.float64)
