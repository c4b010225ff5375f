"""The files: received bytes kept durably, never overwritten. They are the truth; the registry is their index."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import uuid4

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from dicom_node.errors import (
    ArchiveError,
    ConflictingContentError,
    LowDiskError,
    NodeAlreadyRunningError,
    UnreadableDatasetError,
)

_PREAMBLE = b"\0" * 128 + b"DICM"
_GROUP_LENGTH_END = len(_PREAMBLE) + 12
_MAXIMUM_META_BYTES = 65536
_UNKNOWN = "unknown"

IMPLEMENTATION_CLASS_UID = UID("2.25.236389120973641250987103246127853172481")
IMPLEMENTATION_VERSION_NAME = "ANNULUS"


@dataclass(frozen=True)
class Part10:
    """One instance as a file (PS3.10 section 7): our meta information, then the dataset's bytes as received.

    Parameters
    ----------
    sop_class_uid, sop_instance_uid, transfer_syntax : str
        What the file meta information says.
    dataset : bytes
        The dataset, untouched.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    dataset: bytes

    @property
    def content_sha256(self) -> str:
        """SHA-256 of the dataset's bytes."""
        return hashlib.sha256(self.dataset).hexdigest()

    def header(self) -> bytes:
        """Return preamble, prefix and file meta information: the same bytes for the same instance."""
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = UID(self.sop_class_uid)
        meta.MediaStorageSOPInstanceUID = UID(self.sop_instance_uid)
        meta.TransferSyntaxUID = UID(self.transfer_syntax)
        meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
        meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
        buffer = DicomBytesIO()
        write_file_meta_info(buffer, meta, enforce_standard=True)
        return _PREAMBLE + buffer.getvalue()


def read_part10(path: Path) -> Part10:
    """Read an archived file back.

    Parameters
    ----------
    path : Path
        A file of the archive.

    Returns
    -------
    Part10
        Its meta information and the dataset's bytes.

    Raises
    ------
    UnreadableDatasetError
        If it is no Part 10 file.
    """
    content = path.read_bytes()
    if content[:132][128:] != b"DICM" or len(content) < _GROUP_LENGTH_END:
        raise UnreadableDatasetError(
            f"a file of the archive has no DICOM prefix within its {len(content)} bytes: restore it from a backup, or "
            "remove it and have the instance sent again"
        )
    start = _GROUP_LENGTH_END + int.from_bytes(content[_GROUP_LENGTH_END - 4 : _GROUP_LENGTH_END], "little")
    meta = _meta_elements(content[_GROUP_LENGTH_END : min(start, _MAXIMUM_META_BYTES)])
    return Part10(meta.get(0x0002, ""), meta.get(0x0003, ""), meta.get(0x0010, ""), content[start:])


def _meta_elements(meta: bytes) -> dict[int, str]:
    """Return the UIDs of file meta information, which is always Explicit VR Little Endian (PS3.10 section 7.1)."""
    values: dict[int, str] = {}
    position = 0
    while position + 8 <= len(meta):
        long_form = meta[position + 4 : position + 6] in {b"OB", b"UN", b"OW", b"SQ", b"UT"}
        start = position + (12 if long_form else 8)
        length = int.from_bytes(meta[position + 8 : start] if long_form else meta[position + 6 : start], "little")
        values[int.from_bytes(meta[position + 2 : position + 4], "little")] = (
            meta[start : start + length].decode("ascii", errors="replace").strip(" \0")
        )
        position = start + length
    return values


@dataclass(frozen=True)
class StoredFile:
    """Where an instance lies, relative to the archive's folder, and whether this call put it there."""

    relative_path: str
    content_sha256: str
    is_new: bool


@dataclass(frozen=True)
class ArchivedFile:
    """One file of the archive, as its path tells it."""

    path: Path
    relative_path: str
    center: str
    study_key: str
    instance_key: str


class Archive:
    """The node's folder: ``archive/CENTER/STUDY_KEY/INSTANCE_KEY.dcm`` and ``quarantine/`` with the same shape.

    Parameters
    ----------
    folder : Path
        The node's folder; made if it does not exist.
    minimum_free_bytes : int
        Below this much free space nothing more is accepted.
    """

    def __init__(self, folder: Path, minimum_free_bytes: int = 0) -> None:
        self.folder = folder
        self.instances = folder / "archive"
        self.quarantined = folder / "quarantine"
        self._temporary = self.instances / ".tmp"
        self._minimum_free_bytes = minimum_free_bytes
        self._durable: set[Path] = set()
        self._lock: IO[str] | None = None
        for path in (self._temporary, self.quarantined):
            path.mkdir(parents=True, exist_ok=True)
            self._make_durable(path)

    def open(self, key_fingerprint: str) -> None:
        """Take the folder for this process, check that its pseudonyms are ours, and remove what a crash left.

        Parameters
        ----------
        key_fingerprint : str
            `dicom_node.pseudonym.key_fingerprint` of the pseudonym key.

        Raises
        ------
        NodeAlreadyRunningError
            If another node has the folder open.
        ArchiveError
            If the archive was made with another pseudonym key.
        """
        lock = (self.folder / "node.lock").open("w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise NodeAlreadyRunningError(
                f"another node has the folder {self.folder} open: stop it first, or give this one another folder"
            ) from error
        self._lock = lock
        marker = self.instances / ".key-fingerprint"
        if not marker.exists():
            self._write_once(marker, key_fingerprint.encode())
        if marker.read_text(encoding="ascii") != key_fingerprint:
            self.close()
            raise ArchiveError(
                f"the archive in {self.folder} was made with another pseudonym key: set ANNULUS_PSEUDONYM_KEY to the "
                "key it was made with, or start with a new folder"
            )
        for left in self._temporary.iterdir():
            left.unlink()

    def close(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def store(self, center: str, study_key: str, instance_key: str, instance: Part10) -> StoredFile:
        """Keep an instance; when this returns, it survives a loss of power.

        Parameters
        ----------
        center, study_key, instance_key : str
            The centre's name and the pseudonyms under which it is kept.
        instance : Part10
            The instance.

        Returns
        -------
        StoredFile
            Where it lies; not new if the same content was there already.

        Raises
        ------
        ConflictingContentError
            If other content lies there already; nothing is changed.
        LowDiskError
            If there is too little space.
        ArchiveError
            If the file cannot be written.
        """
        path = self.instances / center / study_key / f"{instance_key}.dcm"
        if not path.exists():
            self._check_space(len(instance.dataset))
        is_new = self._write_once(path, instance.header(), instance.dataset)
        content_sha256 = instance.content_sha256
        if not is_new:
            kept = read_part10(path)
            if kept.content_sha256 != content_sha256:
                raise ConflictingContentError(
                    "an instance was sent again under the same SOP Instance UID with other content: the first content "
                    "stays in use and the second is quarantined; give the changed object a new UID at its source"
                )
        return StoredFile(str(path.relative_to(self.instances)), content_sha256, is_new)

    def quarantine(self, center: str, study_key: str | None, instance_key: str | None, instance: Part10) -> Path:
        """Keep bytes that were not accepted, for whoever mends them; the same bytes are kept once.

        Parameters
        ----------
        center : str
            The centre that sent them.
        study_key, instance_key : str or None
            Pseudonyms, as far as they are known.
        instance : Part10
            What was received.

        Returns
        -------
        Path
            The file.
        """
        name = f"{instance_key or _UNKNOWN}-{instance.content_sha256[:16]}.dcm"
        path = self.quarantined / center / (study_key or _UNKNOWN) / name
        if not path.exists():
            self._check_space(len(instance.dataset))
        self._write_once(path, instance.header(), instance.dataset)
        return path

    def files(self) -> Iterator[ArchivedFile]:
        """Yield every instance file of the archive, in the order of their paths."""
        for path in sorted(self.instances.glob("*/*/*.dcm")):
            relative = path.relative_to(self.instances)
            yield ArchivedFile(path, str(relative), relative.parts[0], relative.parts[1], path.stem)

    def set_aside(self, file: ArchivedFile) -> Path:
        """Move a file that cannot be an instance any more from the archive to the quarantine."""
        target = self.quarantined / file.center / file.study_key / f"{file.instance_key}-unreadable.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        file.path.replace(target)
        self._make_durable(target.parent)
        _fsync(target.parent)
        _fsync(file.path.parent)
        return target

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.instances).free
        if free - needed < self._minimum_free_bytes:
            raise LowDiskError(
                f"the archive has {free} bytes of free disk left, expected at least {self._minimum_free_bytes} beside "
                f"the {needed} of an instance: nothing more is accepted until space is made"
            )

    def _write_once(self, path: Path, *parts: bytes) -> bool:
        """Write a file durably unless the path exists; say whether it was written.

        A hard link publishes the complete file under its name in one step and, unlike a rename, never replaces one.
        """
        temporary = self._temporary / uuid4().hex
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._make_durable(path.parent)
            if path.exists():
                _fsync(path.parent)
                return False
            try:
                with temporary.open("xb") as file:
                    for part in parts:
                        file.write(part)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
            _fsync(path.parent)
        except FileExistsError:
            _fsync(path.parent)
            return False
        except OSError as error:
            kind = LowDiskError if error.errno in {errno.ENOSPC, errno.EDQUOT} else ArchiveError
            raise kind(f"the archive cannot be written ({error.strerror}): check its disk and permissions") from error
        return True

    def _make_durable(self, folder: Path) -> None:
        """Fsync the folders above a new folder once per process, so that its own name survives a loss of power."""
        for parent in (folder, *folder.parents):
            if parent in self._durable or not parent.is_relative_to(self.folder):
                break
            _fsync(parent.parent)
            self._durable.add(parent)


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class InstanceLocks:
    """A fixed set of locks, one of which guards each instance, so that two senders of one instance take turns."""

    def __init__(self, count: int = 64) -> None:
        self._locks = tuple(threading.Lock() for _ in range(count))

    def of(self, instance_key: str) -> threading.Lock:
        """Return the lock that guards the instance."""
        return self._locks[int.from_bytes(hashlib.sha256(instance_key.encode()).digest()[:4], "big") % len(self._locks)]
