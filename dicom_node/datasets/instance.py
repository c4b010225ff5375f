"""What arrives: the facts that the node needs of a CT slice or an RTSTRUCT, read from the bytes as received."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from dicom_node.datasets.elements import Elements, items, numbers, scan, text, unsigned_short, value_bytes
from dicom_node.datasets.quick_scan import DatasetWindow, Element
from dicom_node.errors import DamagedInstanceError, UnreadableDatasetError

VERIFICATION: Final = "1.2.840.10008.1.1"
CT_IMAGE_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.2"
RT_STRUCTURE_SET_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.481.3"
COMPREHENSIVE_3D_SR_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.88.34"
COMPREHENSIVE_SR_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.88.33"
ENCAPSULATED_PDF_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.104.1"
STORAGE_COMMITMENT: Final = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"

TRANSFER_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
"""What is accepted: pixel data that every later step reads without a decoder (PS3.5 annexes A.1, A.2)."""

Bounds = tuple[float, float, float, float, float, float]
"""x0, x1, y0, y1, z0, z1 in mm, DICOM patient coordinates."""

_UID = re.compile(r"(?=.{3,64}\Z)[0-9]+(?:\.[0-9]+)+")
MAXIMUM_RTSTRUCT_BYTES: Final = 1 << 28
"""Longest RTSTRUCT whose contours are read into memory."""

_SPECIFIC_CHARACTER_SET = 0x00080005
_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_INSTANCE_CREATION = (0x00080012, 0x00080013)
_MODALITY = 0x00080060
_PATIENT_ID = 0x00100020
_STUDY_INSTANCE_UID = 0x0020000D
_SERIES_INSTANCE_UID = 0x0020000E
_FRAME_OF_REFERENCE_UID = 0x00200052
_IMAGE_POSITION = 0x00200032
_IMAGE_ORIENTATION = 0x00200037
_PIXEL_SPACING = 0x00280030
_SAMPLES_PER_PIXEL = 0x00280002
_NUMBER_OF_FRAMES = 0x00280008
_ROWS = 0x00280010
_COLUMNS = 0x00280011
_BITS_ALLOCATED = 0x00280100
_PIXEL_DATA = 0x7FE00010
_STRUCTURE_SET = (0x30060008, 0x30060009)
_REFERENCED_FRAME_OF_REFERENCE_SEQUENCE = 0x30060010
_RT_REFERENCED_STUDY_SEQUENCE = 0x30060012
_RT_REFERENCED_SERIES_SEQUENCE = 0x30060014
_CONTOUR_IMAGE_SEQUENCE = 0x30060016
_STRUCTURE_SET_ROI_SEQUENCE = 0x30060020
_REFERENCED_FRAME_OF_REFERENCE_UID = 0x30060024
_ROI_CONTOUR_SEQUENCE = 0x30060039
_CONTOUR_SEQUENCE = 0x30060040
_CONTOUR_DATA = 0x30060050
_REFERENCED_SOP_CLASS_UID = 0x00081150
_REFERENCED_SOP_INSTANCE_UID = 0x00081155

_WANTED = frozenset(
    (
        _SPECIFIC_CHARACTER_SET,
        _SOP_CLASS_UID,
        _SOP_INSTANCE_UID,
        _MODALITY,
        _PATIENT_ID,
        _STUDY_INSTANCE_UID,
        _SERIES_INSTANCE_UID,
        _FRAME_OF_REFERENCE_UID,
        _IMAGE_POSITION,
        _IMAGE_ORIENTATION,
        _PIXEL_SPACING,
        _SAMPLES_PER_PIXEL,
        _NUMBER_OF_FRAMES,
        _ROWS,
        _COLUMNS,
        _BITS_ALLOCATED,
    )
)


def is_uid(value: str) -> bool:
    """Say whether `value` can be a UID: digits and dots, at most 64 characters (PS3.5 section 9.1).

    Components with a leading zero break the standard but exist in the field, and do no harm here.
    """
    return _UID.fullmatch(value) is not None


@dataclass(frozen=True)
class Identity:
    """Who an instance is.

    Parameters
    ----------
    sop_instance_uid, sop_class_uid, study_instance_uid, series_instance_uid : str
        The UIDs of the dataset.
    patient_id : str
        Patient ID (0010,0020); may be empty.

    Raises
    ------
    UnreadableDatasetError
        If a UID is missing or is none (PS3.5 section 9.1).
    """

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str

    def __post_init__(self) -> None:
        for name, value in (
            ("SOP Instance UID (0008,0018)", self.sop_instance_uid),
            ("SOP Class UID (0008,0016)", self.sop_class_uid),
            ("Study Instance UID (0020,000D)", self.study_instance_uid),
            ("Series Instance UID (0020,000E)", self.series_instance_uid),
        ):
            if not is_uid(value):
                raise UnreadableDatasetError(
                    f"the {name} of a received instance is {'missing' if not value else 'no UID'}: expected digits and "
                    "dots, at most 64 characters (PS3.5 section 9.1); mend the instance at its source and send it again"
                )


@dataclass(frozen=True)
class Plane:
    """Where a slice lies (PS3.3 section C.7.6.2).

    Parameters
    ----------
    position : tuple of float
        Centre of the first pixel, x, y, z in mm.
    orientation : tuple of float
        Direction cosines of a row and of a column.
    spacing : tuple of float
        Distance between rows and between columns in mm.
    rows, columns : int
        Pixels.
    """

    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float, float, float]
    spacing: tuple[float, float]
    rows: int
    columns: int

    @property
    def normal(self) -> tuple[float, float, float]:
        """The unit vector across the slice: row x column."""
        (a, b, c), (d, e, f) = self.orientation[:3], self.orientation[3:]
        return (b * f - c * e, c * d - a * f, a * e - b * d)


@dataclass(frozen=True)
class InstanceHeader:
    """The facts that the node needs of one instance.

    Parameters
    ----------
    identity : Identity
        Who it is.
    modality : str
        Modality (0008,0060).
    frame_of_reference_uid : str or None
        Frame of Reference UID (0020,0052).
    plane : Plane or None
        Where a CT slice lies; `None` when the dataset does not say so.
    """

    identity: Identity
    modality: str
    frame_of_reference_uid: str | None
    plane: Plane | None


@dataclass(frozen=True)
class Manifest:
    """What an RTSTRUCT needs: it lists the CT instances on which it was drawn (PS3.3 section C.8.8.5).

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


@dataclass(frozen=True)
class ReceivedInstance:
    """One instance as read: its header and, of an RTSTRUCT, its manifest."""

    header: InstanceHeader
    manifest: Manifest | None


def read_instance(dataset: bytes | DatasetWindow, transfer_syntax: str) -> ReceivedInstance:
    """Read the facts of an instance, and refuse what is damaged.

    Parameters
    ----------
    dataset : bytes or DatasetWindow
        The dataset as received, without file meta information; pixel data in it is not read.
    transfer_syntax : str
        One of `TRANSFER_SYNTAXES`.

    Returns
    -------
    ReceivedInstance
        The header, and the manifest of an RTSTRUCT.

    Raises
    ------
    UnreadableDatasetError
        If it is no dataset, or lacks a usable identity.
    DamagedInstanceError
        If it is cut off, or holds less pixel data or fewer contours than it must.
    """
    if transfer_syntax not in TRANSFER_SYNTAXES:
        raise UnreadableDatasetError(
            "an instance came in a transfer syntax that is not kept: expected Implicit or Explicit VR Little Endian; "
            "send it uncompressed"
        )
    implicit = transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
    elements, damage = scan(dataset, _WANTED, implicit=implicit)
    try:
        identity = _identity(elements)
    except UnreadableDatasetError as error:
        if damage:
            raise DamagedInstanceError(damage) from error
        raise
    if damage:
        raise DamagedInstanceError(damage, identity)
    is_ct = identity.sop_class_uid == CT_IMAGE_STORAGE
    if is_ct:
        _check_pixel_data(elements, identity)
    header = InstanceHeader(
        identity=identity,
        modality=text(elements, _MODALITY),
        frame_of_reference_uid=text(elements, _FRAME_OF_REFERENCE_UID) or None,
        plane=_plane(elements) if is_ct else None,
    )
    if identity.sop_class_uid != RT_STRUCTURE_SET_STORAGE:
        return ReceivedInstance(header, None)
    if len(dataset) > MAXIMUM_RTSTRUCT_BYTES:
        raise DamagedInstanceError(
            f"an RTSTRUCT has {len(dataset)} bytes, expected at most {MAXIMUM_RTSTRUCT_BYTES}: export fewer or coarser "
            "structures",
            identity,
        )
    whole, _ = scan(dataset, (), implicit=implicit)
    return ReceivedInstance(header, _manifest(whole, identity))


def _identity(elements: Elements) -> Identity:
    encodings = convert_encodings(text(elements, _SPECIFIC_CHARACTER_SET).split("\\"))
    return Identity(
        sop_instance_uid=text(elements, _SOP_INSTANCE_UID),
        sop_class_uid=text(elements, _SOP_CLASS_UID),
        study_instance_uid=text(elements, _STUDY_INSTANCE_UID),
        series_instance_uid=text(elements, _SERIES_INSTANCE_UID),
        patient_id=decode_bytes(value_bytes(elements, _PATIENT_ID), encodings, set()).strip(" \0"),
    )


def _plane(elements: Elements) -> Plane | None:
    position = numbers(elements, _IMAGE_POSITION, 3)
    orientation = numbers(elements, _IMAGE_ORIENTATION, 6)
    spacing = numbers(elements, _PIXEL_SPACING, 2)
    if position is None or orientation is None or spacing is None:
        return None
    return Plane(
        position=(position[0], position[1], position[2]),
        orientation=(*orientation[:3], *orientation[3:]),  # type: ignore[arg-type]
        spacing=(spacing[0], spacing[1]),
        rows=unsigned_short(elements, _ROWS, 0),
        columns=unsigned_short(elements, _COLUMNS, 0),
    )


def _check_pixel_data(elements: Elements, identity: Identity) -> None:
    """Compare the length of the native pixel data with what the header announces (PS3.5 section 8.1.1)."""
    rows, columns = unsigned_short(elements, _ROWS, 0), unsigned_short(elements, _COLUMNS, 0)
    samples, bits = unsigned_short(elements, _SAMPLES_PER_PIXEL, 1), unsigned_short(elements, _BITS_ALLOCATED, 16)
    frames = numbers(elements, _NUMBER_OF_FRAMES, 1) or (1.0,)
    expected = (rows * columns * samples * int(frames[0]) * bits + 7) // 8
    pixels = elements.get(_PIXEL_DATA)
    found = pixels.length if isinstance(pixels, (Element, RawDataElement)) else 0
    if not expected or found < expected:
        raise DamagedInstanceError(
            f"a CT slice holds {found} bytes of pixel data, expected {expected} for {rows} x {columns} pixels of "
            f"{bits} bits: send it again from an undamaged copy",
            identity,
        )


def _manifest(elements: Elements, identity: Identity) -> Manifest:
    if _STRUCTURE_SET_ROI_SEQUENCE not in elements or _ROI_CONTOUR_SEQUENCE not in elements:
        raise DamagedInstanceError(
            "an RTSTRUCT lacks its Structure Set ROI Sequence (3006,0020) or its ROI Contour Sequence (3006,0039): "
            "expected both (PS3.3 sections C.8.8.5 and C.8.8.6); export it again",
            identity,
        )
    try:
        return _read_manifest(elements)
    except Exception as error:  # pydicom raises whatever the bytes provoke; the verdict is ours and is raised
        raise DamagedInstanceError(
            "the contours or the references of an RTSTRUCT cannot be read: send it again from an undamaged copy",
            identity,
        ) from error


def _read_manifest(elements: Elements) -> Manifest:
    dataset = Dataset(dict(elements))  # type: ignore[arg-type]
    dataset.set_original_encoding(False, True, None)
    images: list[Dataset] = []
    frames = [text(roi, _REFERENCED_FRAME_OF_REFERENCE_UID) for roi in items(dataset, _STRUCTURE_SET_ROI_SEQUENCE)]
    for frame in items(dataset, _REFERENCED_FRAME_OF_REFERENCE_SEQUENCE):
        frames.append(text(frame, _FRAME_OF_REFERENCE_UID))
        for study in items(frame, _RT_REFERENCED_STUDY_SEQUENCE):
            for series in items(study, _RT_REFERENCED_SERIES_SEQUENCE):
                images += items(series, _CONTOUR_IMAGE_SEQUENCE)
    points: list[float] = []
    for roi in items(dataset, _ROI_CONTOUR_SEQUENCE):
        for contour in items(roi, _CONTOUR_SEQUENCE):
            images += items(contour, _CONTOUR_IMAGE_SEQUENCE)
            if data := text(contour, _CONTOUR_DATA):
                points += map(float, data.split("\\"))
    frames.append(text(dataset, _FRAME_OF_REFERENCE_UID))
    return Manifest(
        referenced_sop_instance_uids=tuple(sorted({uid for image in images if (uid := _referenced_ct(image))})),
        frame_of_reference_uid=next(filter(None, frames), None),
        contour_bounds_mm=_bounds(points),
        made_at=(*(text(dataset, tag) for tag in _STRUCTURE_SET + _INSTANCE_CREATION),),  # type: ignore[arg-type]
    )


def _referenced_ct(image: Dataset) -> str | None:
    if text(image, _REFERENCED_SOP_CLASS_UID) not in {CT_IMAGE_STORAGE, ""}:
        return None
    return text(image, _REFERENCED_SOP_INSTANCE_UID) or None


def _bounds(points: list[float]) -> Bounds | None:
    if not points:
        return None
    if len(points) % 3:
        raise ValueError("a contour's coordinates are no triplets")
    x, y, z = points[0::3], points[1::3], points[2::3]
    return (min(x), max(x), min(y), max(y), min(z), max(z))
