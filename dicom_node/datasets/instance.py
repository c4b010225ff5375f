"""What arrives: the facts that the node needs of a CT slice or an RTSTRUCT, read from the bytes as
received.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataelem import RawDataElement

from dicom_node.datasets import tags
from dicom_node.datasets.elements import Elements, numbers, scan, text, unsigned_short, value_bytes
from dicom_node.datasets.identity import DamagedInstanceError, Identity
from dicom_node.datasets.manifest import Manifest, read_manifest
from dicom_node.datasets.quick_scan import DatasetWindow, Element
from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
    IMPLICIT_VR_LITTLE_ENDIAN,
    RT_STRUCTURE_SET_STORAGE,
    TRANSFER_SYNTAXES,
)
from dicom_node.errors import UnreadableDatasetError

MAXIMUM_RTSTRUCT_BYTES: Final = 1 << 28
"""Longest RTSTRUCT whose contours are read into memory."""


_LOCALIZERS: Final = frozenset(("LOCALIZER", "SCOUT", "TOPOGRAM"))
"""Values of Image Type of a localizer: the standard's, and what some systems write instead."""

_WANTED = frozenset(
    (
        tags.SPECIFIC_CHARACTER_SET,
        tags.IMAGE_TYPE,
        tags.SOP_CLASS_UID,
        tags.SOP_INSTANCE_UID,
        tags.MODALITY,
        tags.PATIENT_ID,
        tags.STUDY_INSTANCE_UID,
        tags.SERIES_INSTANCE_UID,
        tags.FRAME_OF_REFERENCE_UID,
        tags.IMAGE_POSITION,
        tags.IMAGE_ORIENTATION,
        tags.PIXEL_SPACING,
        tags.SAMPLES_PER_PIXEL,
        tags.NUMBER_OF_FRAMES,
        tags.ROWS,
        tags.COLUMNS,
        tags.BITS_ALLOCATED,
    )
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
    is_localizer : bool
        Whether a CT instance is a localizer (scout) by its Image Type (PS3.3 C.8.2.1.1.1): it is
        no slice of the volume.
    """

    identity: Identity
    modality: str
    frame_of_reference_uid: str | None
    plane: Plane | None
    is_localizer: bool = False


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
            "an instance came in a transfer syntax that is not kept: expected Implicit or Explicit "
            "VR Little Endian; send it uncompressed"
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
        modality=text(elements, tags.MODALITY),
        frame_of_reference_uid=text(elements, tags.FRAME_OF_REFERENCE_UID) or None,
        plane=_plane(elements) if is_ct else None,
        is_localizer=is_ct and _is_localizer(elements),
    )
    if identity.sop_class_uid != RT_STRUCTURE_SET_STORAGE:
        return ReceivedInstance(header, None)
    if len(dataset) > MAXIMUM_RTSTRUCT_BYTES:
        raise DamagedInstanceError(
            f"an RTSTRUCT has {len(dataset)} bytes, expected at most {MAXIMUM_RTSTRUCT_BYTES}: "
            "export fewer or coarser structures",
            identity,
        )
    whole, _ = scan(dataset, (), implicit=implicit)
    return ReceivedInstance(header, read_manifest(whole, identity, _encodings(elements)))


def _identity(elements: Elements) -> Identity:
    return Identity(
        sop_instance_uid=text(elements, tags.SOP_INSTANCE_UID),
        sop_class_uid=text(elements, tags.SOP_CLASS_UID),
        study_instance_uid=text(elements, tags.STUDY_INSTANCE_UID),
        series_instance_uid=text(elements, tags.SERIES_INSTANCE_UID),
        patient_id=decode_bytes(
            value_bytes(elements, tags.PATIENT_ID), _encodings(elements), set()
        ).strip(" \0"),
    )


def _encodings(elements: Elements) -> list[str]:
    return convert_encodings(text(elements, tags.SPECIFIC_CHARACTER_SET).split("\\"))


def _is_localizer(elements: Elements) -> bool:
    return not _LOCALIZERS.isdisjoint(text(elements, tags.IMAGE_TYPE).upper().split("\\"))


def _plane(elements: Elements) -> Plane | None:
    position = numbers(elements, tags.IMAGE_POSITION, 3)
    orientation = numbers(elements, tags.IMAGE_ORIENTATION, 6)
    spacing = numbers(elements, tags.PIXEL_SPACING, 2)
    if position is None or orientation is None or spacing is None:
        return None
    return Plane(
        position=(position[0], position[1], position[2]),
        orientation=(*orientation[:3], *orientation[3:]),  # type: ignore[arg-type]
        spacing=(spacing[0], spacing[1]),
        rows=unsigned_short(elements, tags.ROWS, 0),
        columns=unsigned_short(elements, tags.COLUMNS, 0),
    )


def _check_pixel_data(elements: Elements, identity: Identity) -> None:
    """Compare the length of the native pixel data with what the header announces (PS3.5 section
    8.1.1).
    """
    rows, columns = (
        unsigned_short(elements, tags.ROWS, 0),
        unsigned_short(elements, tags.COLUMNS, 0),
    )
    samples, bits = (
        unsigned_short(elements, tags.SAMPLES_PER_PIXEL, 1),
        unsigned_short(elements, tags.BITS_ALLOCATED, 16),
    )
    frames = numbers(elements, tags.NUMBER_OF_FRAMES, 1) or (1.0,)
    expected = (rows * columns * samples * int(frames[0]) * bits + 7) // 8
    pixels = elements.get(tags.PIXEL_DATA)
    found = pixels.length if isinstance(pixels, (Element, RawDataElement)) else 0
    if not expected or found < expected:
        raise DamagedInstanceError(
            f"a CT slice holds {found} bytes of pixel data, expected {expected} for {rows} x "
            f"{columns} pixels of {bits} bits: send it again from an undamaged copy",
            identity,
        )
