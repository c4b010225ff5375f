"""What an RTSTRUCT needs: the CT instances on which it was drawn, and where its contours lie."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from dicom_node.datasets import tags
from dicom_node.datasets.elements import Elements, items, text
from dicom_node.datasets.identity import DamagedInstanceError, Identity
from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
)

Bounds = tuple[float, float, float, float, float, float]
"""x0, x1, y0, y1, z0, z1 in mm, DICOM patient coordinates."""


@dataclass(frozen=True)
class Manifest:
    """What an RTSTRUCT needs: it lists the CT instances on which it was drawn (PS3.3 section
    C.8.8.5).

    Parameters
    ----------
    referenced_sop_instance_uids : tuple of str
        CT instances listed for the series or for a contour, sorted, each once.
    frame_of_reference_uid : str or None
        The frame in which the contours are drawn.
    contour_bounds_mm : tuple of float or None
        Bounds of all contours, x0, x1, y0, y1, z0, z1; `None` without contours.
    made_at : tuple of str
        Structure Set Date and Time, then Instance Creation Date and Time: larger is newer.
    """

    referenced_sop_instance_uids: tuple[str, ...]
    frame_of_reference_uid: str | None
    contour_bounds_mm: Bounds | None
    made_at: tuple[str, str, str, str]


def read_manifest(elements: Elements, identity: Identity) -> Manifest:
    """Read what an RTSTRUCT lists and where its contours lie.

    Parameters
    ----------
    elements : mapping of int to element
        The whole dataset.
    identity : Identity
        Who it is, for the verdict.

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
        return _read(elements)
    except (
        Exception
    ) as error:  # pydicom raises whatever the bytes provoke; the verdict is ours and is raised
        raise DamagedInstanceError(
            "the contours or the references of an RTSTRUCT cannot be read: send it again from an "
            "undamaged copy",
            identity,
        ) from error


def _read(elements: Elements) -> Manifest:
    dataset = Dataset(dict(elements))  # type: ignore[arg-type]
    dataset.set_original_encoding(False, True, None)
    images: list[Dataset] = []
    frames = [
        text(roi, tags.REFERENCED_FRAME_OF_REFERENCE_UID)
        for roi in items(dataset, tags.STRUCTURE_SET_ROI_SEQUENCE)
    ]
    for frame in items(dataset, tags.REFERENCED_FRAME_OF_REFERENCE_SEQUENCE):
        frames.append(text(frame, tags.FRAME_OF_REFERENCE_UID))
        for study in items(frame, tags.RT_REFERENCED_STUDY_SEQUENCE):
            for series in items(study, tags.RT_REFERENCED_SERIES_SEQUENCE):
                images += items(series, tags.CONTOUR_IMAGE_SEQUENCE)
    points: list[float] = []
    for roi in items(dataset, tags.ROI_CONTOUR_SEQUENCE):
        for contour in items(roi, tags.CONTOUR_SEQUENCE):
            images += items(contour, tags.CONTOUR_IMAGE_SEQUENCE)
            if data := text(contour, tags.CONTOUR_DATA):
                points += map(float, data.split("\\"))
    frames.append(text(dataset, tags.FRAME_OF_REFERENCE_UID))
    return Manifest(
        referenced_sop_instance_uids=tuple(
            sorted({uid for image in images if (uid := _referenced_ct(image))})
        ),
        frame_of_reference_uid=next(filter(None, frames), None),
        contour_bounds_mm=_bounds(points),
        made_at=(*(text(dataset, tag) for tag in tags.STRUCTURE_SET + tags.INSTANCE_CREATION),),  # type: ignore[arg-type]
    )


def _referenced_ct(image: Dataset) -> str | None:
    if text(image, tags.REFERENCED_SOP_CLASS_UID) not in {CT_IMAGE_STORAGE, ""}:
        return None
    return text(image, tags.REFERENCED_SOP_INSTANCE_UID) or None


def _bounds(points: list[float]) -> Bounds | None:
    if not points:
        return None
    if len(points) % 3:
        raise ValueError("a contour's coordinates are no triplets")
    x, y, z = points[0::3], points[1::3], points[2::3]
    return (min(x), max(x), min(y), max(y), min(z), max(z))
