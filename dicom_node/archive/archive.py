"""The files: received bytes kept durably, never overwritten. They are the truth; the registry is
their index.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO

from dicom_node.archive.durable_names import DurableNames
from dicom_node.archive.incoming_file import IncomingFile, as_archive_error
from dicom_node.archive.key_check import check_fingerprint
from dicom_node.archive.part10 import FileMeta, content_sha256, read_meta
from dicom_node.datasets.instance_versions import file_name, key_of, version_of
from dicom_node.durable_files import sync
from dicom_node.errors import (
    ArchiveError,
    ConflictingContentError,
    LowDiskError,
    NodeAlreadyRunningError,
)
from dicom_node.wording import counted

_UNKNOWN = "unknown"
_SET_ASIDE = "-unreadable"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class ArchivedFile:
    """One file of the archive, as its path tells it."""

    path: Path
    relative_path: str
    center: str
    study_key: str
    instance_key: str

    @property
    def version(self) -> int:
        """Which content of the instance it is: 0 is the first."""
        return version_of(self.relative_path)


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
        self._durable_names = DurableNames(folder, durable=durable)
        self._lock: IO[str] | None = None
        for path in (self._temporary, self.quarantined):
            self._durable_names.make(path)

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
                f"Another node has the folder {self.folder} open: stop it first, or give this one "
                "another folder."
            ) from error
        self._lock = lock
        try:
            check_fingerprint(self.folder, key_fingerprint)
        except ArchiveError:
            self.close()
            raise
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
        self,
        center: str,
        study_key: str,
        instance_key: str,
        incoming: IncomingFile,
        *,
        replace: bool = False,
        passed_over: int = 0,
    ) -> str:
        """Give a received instance its name; when this returns, it survives a loss of power.

        Parameters
        ----------
        center, study_key, instance_key : str
            The centre's name and the pseudonyms under which it is kept.
        incoming : IncomingFile
            The instance.
        replace : bool
            Whether other content than is here is kept beside it, as the instance's newer one.
        passed_over : int
            How many versions its older contents have had, here or in another study: their names are
            not taken, though they may be free.

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
        folder = self.instances / center / study_key
        for version in count():
            path = folder / file_name(instance_key, version)
            if version < passed_over and not path.exists():
                continue
            if version and not replace and not path.exists():
                raise ConflictingContentError(
                    "An instance was sent again under the same SOP Instance UID with other "
                    "content: the first content stays in use and the second is quarantined; give "
                    "the changed object a new UID at its source, or accept the newer one with "
                    "`python -m flows accept`."
                )
            is_new = self._durable_names.publish(path, incoming)
            if is_new or content_sha256(path) == incoming.content_sha256:
                break
        return str(path.relative_to(self.instances))

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
        self._durable_names.publish(path, incoming)
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
        is_here = path.exists() and content_sha256(path) == expected_sha256
        return is_here and self._durable_names.prove(path)

    def files(self) -> Iterator[ArchivedFile]:
        """Yield every instance file of the archive, in the order of their paths."""
        # Of text alone: a start goes through all of them before anything is received.
        for center in _names_in(str(self.instances)):
            for study_key in _names_in(f"{self.instances}/{center}"):
                for name in _names_in(f"{self.instances}/{center}/{study_key}"):
                    if name.endswith(".dcm"):
                        yield self.file_at(f"{center}/{study_key}/{name}")

    def file_at(self, relative_path: str) -> ArchivedFile:
        """Return the instance file that lies at a path; whether it does is not looked at."""
        center, study_key, name = relative_path.split("/")
        path = self.instances / relative_path
        return ArchivedFile(path, relative_path, center, study_key, key_of(name))

    def refused(self, center: str) -> Iterator[ArchivedFile]:
        """Yield what lies in the quarantine of a centre and names its instance, the oldest
        first.
        """
        folder = self.quarantined / center
        found = [path for path in folder.glob("*/*-*.dcm") if not path.stem.endswith(_SET_ASIDE)]
        for path in sorted(found, key=lambda one: (one.stat().st_mtime, one.name)):
            key = path.stem.partition("-")[0]
            yield ArchivedFile(path, path.name, center, path.parent.name, key)

    def accept(self, refused: ArchivedFile, passed_over: int) -> str:
        """Keep bytes of the quarantine as the newer content of their instance; return where they
        lie then, as `publish` does.
        """
        meta, start = read_meta(refused.path)
        with self.begin(meta) as incoming, refused.path.open("rb") as file:
            file.seek(start)
            while piece := file.read(_CHUNK_BYTES):
                incoming.write(piece)
            return self.publish(
                refused.center,
                refused.study_key,
                refused.instance_key,
                incoming,
                replace=True,
                passed_over=passed_over,
            )

    def file_of(self, center: str, study_key: str, instance_key: str) -> ArchivedFile:
        """Return where an instance lies; whether it does is not looked at."""
        relative = f"{center}/{study_key}/{instance_key}.dcm"
        return ArchivedFile(self.instances / relative, relative, center, study_key, instance_key)

    def set_aside(self, file: ArchivedFile) -> Path:
        """Move a file that cannot be an instance any more from the archive to the quarantine."""
        name = f"{file.instance_key}{_SET_ASIDE}.dcm"
        target = self.quarantined / file.center / file.study_key / name
        self._durable_names.make(target.parent)
        file.path.replace(target)
        sync(target.parent)
        sync(file.path.parent)
        return target

    def forget(self, path: Path) -> bool:
        """Remove a file or a folder of the archive or the quarantine for good, and say whether it
        was there; for people who are erased only.
        """
        if not path.exists():
            return False
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        self._durable_names.forget(path)
        sync(path.parent)
        return True

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
                f"The archive has {counted(free, 'byte')} of free disk left, expected at least "
                f"{self._minimum_free_bytes}: nothing more is accepted until space is made."
            )

    def forget_refused(self, older_than_s: float) -> int:
        """Remove from the quarantine what was refused so long ago, and return how many files.

        What had been answered with success and was set aside later stays.

        Parameters
        ----------
        older_than_s : float
            Seconds since it came.
        """
        before = time.time() - older_than_s
        removed = 0
        for path in self.quarantined.glob("*/*/*.dcm"):
            with suppress(OSError):
                if not path.stem.endswith(_SET_ASIDE) and path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
        return removed


def _names_in(folder: str) -> list[str]:
    """Return the names in a folder in order; none where it is no folder, or may not be read."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - a Path for each costs more than reading
    except (NotADirectoryError, FileNotFoundError, PermissionError):
        return []


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
