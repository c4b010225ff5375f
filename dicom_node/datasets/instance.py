"""What arrives: the facts that the node needs of a CT slice or an RTSTRUCT, read from the bytes as
received.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes, python_encoding

from dicom_node.datasets import tags
from dicom_node.datasets.dataset_window import DatasetBytes, DatasetWindow
from dicom_node.datasets.element_stream import UNDEFINED_LENGTH, ElementStream
from dicom_node.datasets.elements import Elements, numbers, scan, text, unsigned_short, value_bytes
from dicom_node.datasets.identity import DamagedInstanceError, Identity, is_uid
from dicom_node.datasets.manifest import Manifest
from dicom_node.datasets.manifest_scan import SEQUENCES, read_manifest
from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
    IMPLICIT_VR_LITTLE_ENDIAN,
    RT_STRUCTURE_SET_STORAGE,
    TRANSFER_SYNTAXES,
)
from dicom_node.errors import UnreadableDatasetError
from dicom_node.wording import counted

MAXIMUM_RTSTRUCT_BYTES: Final = 1 << 28
"""Longest RTSTRUCT whose contours are read."""

_LONGEST_PATIENT_ID: Final = 64
_LONGEST_TIME: Final = 26  # of VR DT, the longest of dates and times
_MOST_FRAMES: Final = 1 << 31
_MISSPELT: Final = re.compile(r"ISO[ _-]?(2022)?[ _-]?IR[ _-]?(\d{1,3})")
_AS_CORRECTED: Final = re.compile(r"ISO[ -]IR \d+|ISO.2022.IR.\d+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

_LOCALIZERS: Final = frozenset(("LOCALIZER", "SCOUT", "TOPOGRAM"))
"""Values of Image Type of a localizer: the standard's, and what some systems write instead."""

_WANTED = frozenset(
    (
        tags.SPECIFIC_CHARACTER_SET,
        tags.IMAGE_TYPE,
        tags.SOP_CLASS_UID,
        tags.SOP_INSTANCE_UID,
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
        *tags.STRUCTURE_SET,
        *tags.INSTANCE_CREATION,
        tags.APPROVAL_STATUS,
    )
)
_LOCATED = SEQUENCES | {tags.PIXEL_DATA}


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
    frame_of_reference_uid : str or None
        Frame of Reference UID (0020,0052).
    plane : Plane or None
        Where a CT slice lies; `None` when the dataset does not say so.
    is_localizer : bool
        Whether a CT instance is a localizer (scout) by its Image Type (PS3.3 C.8.2.1.1.1): it is
        no slice of the volume.
    """

    identity: Identity
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
        If it is cut off, holds less pixel data or fewer contours than it must, or a value that is
        none of its kind.
    """
    if transfer_syntax not in TRANSFER_SYNTAXES:
        raise UnreadableDatasetError(
            "An instance came in a transfer syntax that is not kept: expected Implicit or Explicit "
            "VR Little Endian; send it uncompressed."
        )
    implicit = transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
    window = DatasetBytes(dataset) if isinstance(dataset, bytes) else dataset
    elements, damage = scan(window, _WANTED, _LOCATED, implicit=implicit)
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
        frame_of_reference_uid=_frame_of_reference(elements, identity),
        plane=_plane(elements, identity) if is_ct else None,
        is_localizer=is_ct and _is_localizer(elements),
    )
    if identity.sop_class_uid != RT_STRUCTURE_SET_STORAGE:
        return ReceivedInstance(header, None)
    if len(window) > MAXIMUM_RTSTRUCT_BYTES:
        raise DamagedInstanceError(
            f"An RTSTRUCT has {counted(len(window), 'byte')}, expected at most "
            f"{MAXIMUM_RTSTRUCT_BYTES}: export fewer or coarser structures.",
            identity,
        )
    manifest = read_manifest(ElementStream(window), elements, identity, _encodings(elements))
    _check_times(manifest, identity)
    return ReceivedInstance(header, manifest)


def _identity(elements: Elements) -> Identity:
    return Identity(
        sop_instance_uid=text(elements, tags.SOP_INSTANCE_UID),
        sop_class_uid=text(elements, tags.SOP_CLASS_UID),
        study_instance_uid=text(elements, tags.STUDY_INSTANCE_UID),
        series_instance_uid=text(elements, tags.SERIES_INSTANCE_UID),
        patient_id=_patient_id(elements),
    )


def _encodings(elements: Elements) -> list[str]:
    """Return the encodings of the Specific Character Set (PS3.3 section C.12.1.1.2)."""
    named = [
        _defined_term(one.strip())
        for one in text(elements, tags.SPECIFIC_CHARACTER_SET).split("\\")
    ]
    # pydicom would take the name of any codec of Python for a character set.
    if not all(one in python_encoding for one in named):
        raise DamagedInstanceError(
            "The Specific Character Set (0008,0005) of an instance is not a defined term: expected "
            "one of PS3.3 section C.12.1.1.2, such as ISO_IR 100 or ISO_IR 192; mend the instance "
            "at its source and send it again."
        )
    return convert_encodings(named)


def _defined_term(named: str) -> str:
    """Return the defined term of a character set, also where it is misspelt in a way that whoever
    reads the file with pydicom takes for the same.
    """
    found = _MISSPELT.fullmatch(named.upper())
    if found is None:
        return "ISO_IR 192" if named.upper() in {"UTF-8", "UTF8"} else named
    of_2022, number = found.groups()
    term = f"ISO 2022 IR {number}" if of_2022 else f"ISO_IR {number}"
    is_same = _AS_CORRECTED.fullmatch(named) or number in {"6", "100"} or _is_codec_of(named, term)
    return term if is_same else named


def _is_codec_of(named: str, term: str) -> bool:
    try:
        return codecs.lookup(named).name == codecs.lookup(python_encoding.get(term, "")).name
    except LookupError:
        return False


def _is_localizer(elements: Elements) -> bool:
    return not _LOCALIZERS.isdisjoint(text(elements, tags.IMAGE_TYPE).upper().split("\\"))


def _patient_id(elements: Elements) -> str:
    encodings = _encodings(elements)
    try:
        given = decode_bytes(value_bytes(elements, tags.PATIENT_ID), encodings, set()).strip(" \0")
    except (LookupError, ValueError) as error:
        raise _no_patient_id() from error
    if len(given) > _LONGEST_PATIENT_ID or _CONTROL.search(given):
        raise _no_patient_id()
    return given


def _no_patient_id() -> DamagedInstanceError:
    return DamagedInstanceError(
        f"The Patient ID (0010,0020) of an instance is not usable: expected at most "
        f"{_LONGEST_PATIENT_ID} characters of its Specific Character Set, without control "
        "characters (PS3.5 section 6.2, LO); mend the instance at its source and send it again."
    )


def _frame_of_reference(elements: Elements, identity: Identity) -> str | None:
    uid = text(elements, tags.FRAME_OF_REFERENCE_UID)
    if uid and not is_uid(uid):
        raise DamagedInstanceError(_no_uid("Frame of Reference UID (0020,0052)"), identity)
    return uid or None


def _no_uid(what: str) -> str:
    return (
        f"The {what} of a received instance is not a UID: expected digits and dots, at most 64 "
        "characters (PS3.5 section 9.1); mend the instance at its source and send it again."
    )


def _check_times(manifest: Manifest, identity: Identity) -> None:
    """Refuse an RTSTRUCT of which it cannot be told whether it is the newest."""
    if any(len(one) > _LONGEST_TIME or _CONTROL.search(one) for one in manifest.made_at):
        raise DamagedInstanceError(
            "A date or time of an RTSTRUCT is not valid: expected VR DA and TM (PS3.5 section 6.2) "
            "in (3006,0008), (3006,0009), (0008,0012) and (0008,0013); export it again.",
            identity,
        )


def _numbers(
    elements: Elements, tag: int, count: int, what: str, identity: Identity
) -> tuple[float, ...] | None:
    try:
        return numbers(elements, tag, count)
    except ValueError as error:
        raise DamagedInstanceError(
            f"The {what} of a CT slice cannot be read: expected {counted(count, 'decimal string')} "
            "(PS3.5 section 6.2); mend the instance at its source and send it again.",
            identity,
        ) from error


def _plane(elements: Elements, identity: Identity) -> Plane | None:
    position = _numbers(elements, tags.IMAGE_POSITION, 3, "Image Position (0020,0032)", identity)
    orientation = _numbers(
        elements, tags.IMAGE_ORIENTATION, 6, "Image Orientation (0020,0037)", identity
    )
    spacing = _numbers(elements, tags.PIXEL_SPACING, 2, "Pixel Spacing (0028,0030)", identity)
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
    (frames,) = _numbers(
        elements, tags.NUMBER_OF_FRAMES, 1, "Number of Frames (0028,0008)", identity
    ) or (1.0,)
    if not (frames.is_integer() and 0 < frames < _MOST_FRAMES):
        raise DamagedInstanceError(
            "The Number of Frames (0028,0008) of a CT slice is not a number of frames: expected 1.",
            identity,
        )
    expected = (rows * columns * samples * int(frames) * bits + 7) // 8
    pixels = elements.get(tags.PIXEL_DATA)
    found = pixels.head.length if pixels and pixels.head.length != UNDEFINED_LENGTH else 0
    if not expected:
        raise DamagedInstanceError(
            f"A CT slice is said to have {rows} x {columns} pixels of {samples} samples "
            f"of {bits} bits: expected at least one of each; send it again from an undamaged copy.",
            identity,
        )
    if found < expected:
        raise DamagedInstanceError(
            f"A CT slice holds {counted(found, 'byte')} of pixel data, expected {expected} for "
            f"{rows} x {columns} pixels of {bits} bits: send it again from an undamaged "
            "copy.",
            identity,
        )
