"""One instance as a file (PS3.10 section 7): our meta information, then the dataset's bytes as
received.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dicom_node.datasets.sop_classes import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.errors import UnreadableDatasetError
from dicom_node.wording import counted

_PREAMBLE: Final = b"\0" * 128 + b"DICM"
_GROUP_LENGTH_END: Final = len(_PREAMBLE) + 12
_GROUP_LENGTH: Final = b"\2\0\0\0UL\4\0"
MAXIMUM_META_BYTES: Final = 65536
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class FileMeta:
    """What the file meta information of an instance says.

    Parameters
    ----------
    sop_class_uid, sop_instance_uid, transfer_syntax : str
        Media Storage SOP Class UID, Media Storage SOP Instance UID, Transfer Syntax UID.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str

    def header(self) -> bytes:
        """Return preamble, prefix and file meta information: the same bytes for the same
        instance.
        """
        elements = b"".join(
            (
                _long(0x0001, b"OB", b"\0\1"),
                _short(0x0002, b"UI", self.sop_class_uid),
                _short(0x0003, b"UI", self.sop_instance_uid),
                _short(0x0010, b"UI", self.transfer_syntax),
                _short(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
                _short(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
            )
        )
        group_length = _GROUP_LENGTH + len(elements).to_bytes(4, "little")
        return _PREAMBLE + group_length + elements


def read_meta(path: Path) -> tuple[FileMeta, int]:
    """Return the meta information of an archived file, and where its dataset begins.

    Raises
    ------
    UnreadableDatasetError
        If it is no Part 10 file.
    """
    with path.open("rb") as file:
        head = file.read(MAXIMUM_META_BYTES)
    if head[:132][128:] != b"DICM" or len(head) < _GROUP_LENGTH_END:
        raise UnreadableDatasetError(
            "A file of the archive has no DICOM prefix within its "
            f"{counted(path.stat().st_size, 'byte')}: restore it from a backup, or remove it and "
            "have the instance sent again."
        )
    start = _start_of_dataset(head)
    return _meta_of(head[_GROUP_LENGTH_END:start]), start


def parse_meta(head: bytes | bytearray) -> tuple[FileMeta, int] | None:
    """Return the meta information at the beginning of a Part 10 stream, and where its dataset
    begins.

    Parameters
    ----------
    head : bytes
        The stream as far as it has come.

    Returns
    -------
    tuple of FileMeta and int, or None
        `None` when more of the stream is needed; never beyond `MAXIMUM_META_BYTES`.

    Raises
    ------
    UnreadableDatasetError
        If it is no Part 10 stream.
    """
    if len(head) < _GROUP_LENGTH_END:
        return None
    start = _start_of_dataset(head)
    if head[128:140] != b"DICM" + _GROUP_LENGTH or start > MAXIMUM_META_BYTES:
        raise UnreadableDatasetError(
            "An object came that is not a DICOM file: expected 128 bytes of preamble, DICM, and "
            "file meta information that begins with its length (PS3.10 section 7.1)."
        )
    return None if len(head) < start else (_meta_of(bytes(head[_GROUP_LENGTH_END:start])), start)


def content_sha256(path: Path) -> str:
    """Return the SHA-256 of the dataset of an archived file, read piece by piece.

    Raises
    ------
    UnreadableDatasetError
        If it is no Part 10 file.
    """
    _, start = read_meta(path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _start_of_dataset(head: bytes | bytearray) -> int:
    return _GROUP_LENGTH_END + int.from_bytes(
        head[_GROUP_LENGTH_END - 4 : _GROUP_LENGTH_END], "little"
    )


def _meta_of(elements: bytes) -> FileMeta:
    meta = _meta_elements(elements)
    return FileMeta(meta.get(0x0002, ""), meta.get(0x0003, ""), meta.get(0x0010, ""))


def _meta_elements(meta: bytes) -> dict[int, str]:
    """Return the UIDs of file meta information, which is always Explicit VR Little Endian (PS3.10
    section 7.1).
    """
    values: dict[int, str] = {}
    position = 0
    while position + 8 <= len(meta):
        long_form = meta[position + 4 : position + 6] in {
            b"OB",
            b"UN",
            b"OW",
            b"SQ",
            b"UT",
            b"UR",
            b"UC",
        }
        start = position + (12 if long_form else 8)
        length = int.from_bytes(
            meta[position + 8 : start] if long_form else meta[position + 6 : start], "little"
        )
        values[int.from_bytes(meta[position + 2 : position + 4], "little")] = (
            meta[start : start + length].decode("ascii", errors="replace").strip(" \0")
        )
        position = start + length
    return values


def _short(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", errors="replace")
    value += (b" " if vr == b"SH" else b"\0") * (len(value) % 2)
    return b"\2\0" + element.to_bytes(2, "little") + vr + len(value).to_bytes(2, "little") + value


def _long(element: int, vr: bytes, value: bytes) -> bytes:
    return (
        b"\2\0"
        + element.to_bytes(2, "little")
        + vr
        + b"\0\0"
        + len(value).to_bytes(4, "little")
        + value
    )
