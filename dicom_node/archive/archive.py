"""The files: received bytes kept durably, never overwritten. They are the truth; the registry is
their index.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dicom_node.archive.incoming_file import IncomingFile, as_archive_error
from dicom_node.archive.part10 import FileMeta, content_sha256
from dicom_node.durable_files import sync, write_durably
from dicom_node.errors import (
    ArchiveError,
    ConflictingContentError,
    LowDiskError,
    NodeAlreadyRunningError,
)

_UNKNOWN = "unknown"


@dataclass(frozen=True)
class ArchivedFile:
    """One file of the archive, as its path tells it."""

    path: Path
    relative_path: str
    center: str
    study_key: str
    instance_key: str


class Archive:
    """The node's folder: ``archive/CENTER/STUDY_KEY/INSTANCE_KEY.dcm`` and ``quarantine/`` with the
    same shape.

    Parameters
    ----------
    folder : Path
        The node's folder; made if it does not exist.
    minimum_free_bytes : int
        Below this much free space nothing more is accepted.
    durable : bool
        Whether what is kept survives a loss of power; without, only the death of the process.
    """

    def __init__(self, folder: Path, minimum_free_bytes: int = 0, *, durable: bool = True) -> None:
        self.folder = folder
        self.instances = folder / "archive"
        self.quarantined = folder / "quarantine"
        self._temporary = self.instances / ".tmp"
        self._minimum_free_bytes = minimum_free_bytes
        self._is_durable = durable
        self._durable: set[Path] = set()
        self._lock: IO[str] | None = None
        for path in (self._temporary, self.quarantined):
            path.mkdir(parents=True, exist_ok=True)
            self._make_durable(path)

    def open(self, key_fingerprint: str) -> None:
        """Take the folder for this process, check that its pseudonyms are ours, and remove what a
        crash left.

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
                f"another node has the folder {self.folder} open: stop it first, or give this one "
                "another folder"
            ) from error
        self._lock = lock
        marker = self.instances / ".key-fingerprint"
        if not marker.exists():
            write_durably(marker, key_fingerprint.encode())
        if marker.read_text(encoding="ascii") != key_fingerprint:
            self.close()
            raise ArchiveError(
                f"the archive in {self.folder} was made with another pseudonym key: set "
                "ANNULUS_PSEUDONYM_KEY to the key it was made with, or start with a new folder"
            )
        for left in self._temporary.iterdir():
            left.unlink()

    def close(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def begin(self, meta: FileMeta) -> IncomingFile:
        """Open a temporary file for an instance that is about to come.

        Parameters
        ----------
        meta : FileMeta
            Its file meta information.

        Returns
        -------
        IncomingFile
            Takes the dataset piece by piece; its owner discards it.

        Raises
        ------
        LowDiskError
            If there is too little space.
        ArchiveError
            If the file cannot be made.
        """
        self.check_space()
        return IncomingFile(self._temporary, meta, self.check_space, durable=self._is_durable)

    def publish(
        self, center: str, study_key: str, instance_key: str, incoming: IncomingFile
    ) -> str:
        """Give a received instance its name; when this returns, it survives a loss of power.

        Parameters
        ----------
        center, study_key, instance_key : str
            The centre's name and the pseudonyms under which it is kept.
        incoming : IncomingFile
            The instance.

        Returns
        -------
        str
            Where it lies, relative to the folder of the instances; there may have been the same
            content before.

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
        is_new = self._publish(path, incoming)
        if not is_new and content_sha256(path) != incoming.content_sha256:
            raise ConflictingContentError(
                "an instance was sent again under the same SOP Instance UID with other content: "
                "the first content stays in use and the second is quarantined; give the changed "
                "object a new UID at its source"
            )
        return f"{center}/{study_key}/{instance_key}.dcm"

    def quarantine(
        self, center: str, study_key: str | None, instance_key: str | None, incoming: IncomingFile
    ) -> Path:
        """Keep bytes that were not accepted, for whoever mends them; the same bytes are kept once.

        Parameters
        ----------
        center : str
            The centre that sent them.
        study_key, instance_key : str or None
            Pseudonyms, as far as they are known.
        incoming : IncomingFile
            What was received.

        Returns
        -------
        Path
            The file.
        """
        name = f"{instance_key or _UNKNOWN}-{incoming.content_sha256[:16]}.dcm"
        path = self.quarantined / center / (study_key or _UNKNOWN) / name
        self._publish(path, incoming)
        return path

    def holds(self, relative_path: str, expected_sha256: str) -> bool:
        """Say whether a file is here with this content, and bring it to the disk if that was not
        waited for.

        Parameters
        ----------
        relative_path : str
            Where it lies in the archive.
        expected_sha256 : str
            SHA-256 of its dataset.
        """
        path = self.instances / relative_path
        if not path.exists() or content_sha256(path) != expected_sha256:
            return False
        if not self._is_durable:
            sync(path)
            sync(path.parent)
        return True

    def files(self) -> Iterator[ArchivedFile]:
        """Yield every instance file of the archive, in the order of their paths."""
        for path in sorted(self.instances.glob("*/*/*.dcm")):
            relative = path.relative_to(self.instances)
            yield ArchivedFile(path, str(relative), relative.parts[0], relative.parts[1], path.stem)

    def file_of(self, center: str, study_key: str, instance_key: str) -> ArchivedFile:
        """Return where an instance lies; whether it does is not looked at."""
        relative = f"{center}/{study_key}/{instance_key}.dcm"
        return ArchivedFile(self.instances / relative, relative, center, study_key, instance_key)

    def set_aside(self, file: ArchivedFile) -> Path:
        """Move a file that cannot be an instance any more from the archive to the quarantine."""
        target = (
            self.quarantined / file.center / file.study_key / f"{file.instance_key}-unreadable.dcm"
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        file.path.replace(target)
        self._make_durable(target.parent)
        sync(target.parent)
        sync(file.path.parent)
        return target

    def free_bytes(self) -> int:
        """Return how much space this process may still use on the archive's file system."""
        disk = os.statvfs(self.instances)
        return disk.f_bavail * disk.f_frsize

    def check_space(self) -> None:
        """Refuse what would fill the disk, early enough that everything else still works.

        Raises
        ------
        LowDiskError
            If less than the minimum is free.
        ArchiveError
            If the file system does not say how much that is.
        """
        if not self._minimum_free_bytes:
            return
        try:
            free = self.free_bytes()
        except OSError as error:
            raise as_archive_error(error) from error
        if free < self._minimum_free_bytes:
            raise LowDiskError(
                f"the archive has {free} bytes of free disk left, expected at least "
                f"{self._minimum_free_bytes}: nothing more is accepted until space is made"
            )

    def _publish(self, path: Path, incoming: IncomingFile) -> bool:
        """Link a complete file under its name unless the name is taken; say whether it was.

        A hard link publishes the file in one step and, unlike a rename, never replaces one.
        """
        try:
            if path.parent not in self._durable:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._make_durable(path.parent)
            is_new = not path.exists()
            if is_new:
                incoming.seal()
                is_new = _link(incoming.path, path)
            if self._is_durable:
                sync(path.parent)
        except OSError as error:
            raise as_archive_error(error) from error
        return is_new

    def _make_durable(self, folder: Path) -> None:
        """Fsync the folders above a new folder once per process, so that its own name survives a
        loss of power.
        """
        for parent in (folder, *folder.parents):
            if parent in self._durable or not parent.is_relative_to(self.folder):
                break
            if self._is_durable:
                sync(parent.parent)
            self._durable.add(parent)


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    return True


class InstanceLocks:
    """A fixed set of locks, one of which guards each instance, so that two senders of one instance
    take turns.
    """

    def __init__(self, count: int = 64) -> None:
        self._locks = tuple(threading.Lock() for _ in range(count))

    def of(self, instance_key: str) -> threading.Lock:
        """Return the lock that guards the instance."""
        return self._locks[
            int.from_bytes(hashlib.sha256(instance_key.encode()).digest()[:4], "big")
            % len(self._locks)
        ]
