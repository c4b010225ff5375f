"""Names of files that survive a loss of power once they are said to be given, also on a disk that
has failed before.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

from dicom_node.archive.incoming_file import IncomingFile, as_archive_error
from dicom_node.durable_files import sync


class DurableNames:
    """Gives received files their names in a folder and those below.

    Parameters
    ----------
    folder : Path
        The node's folder; nothing above it is brought to the disk.
    durable : bool
        Whether the disk is waited for.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._folder = folder
        self._is_durable = durable
        self._durable: set[Path] = set()
        self._failures: Counter[Path] = Counter()
        self._unproven: set[Path] = set()

    def make(self, folder: Path) -> None:
        """Make a folder, which survives a loss of power when this returns."""
        folder.mkdir(parents=True, exist_ok=True)
        self._make_durable(folder)

    def publish(self, path: Path, incoming: IncomingFile) -> bool:
        """Link a complete file under its name unless the name is taken; say whether it was.

        A hard link publishes the file in one step and, unlike a rename, never replaces one. When
        its folder cannot be brought to the disk, the link is taken back: an fsync tells of its
        failure once, and only a new link makes the next one write the folder again.

        Raises
        ------
        LowDiskError, ArchiveError
            If the name cannot be given.
        """
        is_new = False
        try:
            if path.parent not in self._durable:
                self.make(path.parent)
            before = self._failures[path.parent]
            if path in self._unproven:
                path.unlink(missing_ok=True)
                self._unproven.discard(path)
            if not path.exists():
                incoming.seal()
                is_new = _link(incoming.path, path)
            if self._is_durable:
                self._sync_folder(path.parent, before)
        except OSError as error:
            if is_new:
                self._take_back(path)
            raise as_archive_error(error) from error
        return is_new

    def prove(self, path: Path) -> bool:
        """Bring a file that was published without waiting to the disk; say whether it can be known
        to be there.

        Raises
        ------
        OSError
            If it cannot be brought there.
        """
        if self._is_durable:
            return True
        if self._failures[path]:
            return False  # what could not be brought there once may say so once only
        try:
            sync(path)
            sync(path.parent)
        except OSError:
            self._failures[path] += 1
            raise
        return True

    def forget(self, path: Path) -> None:
        """Remember no more that a folder is on the disk."""
        self._durable.discard(path)

    def _take_back(self, path: Path) -> None:
        """Remove a name that may not be on the disk, now or when it comes again."""
        try:
            path.unlink()
        except OSError:
            self._unproven.add(path)

    def _sync_folder(self, folder: Path, failures_before: int) -> None:
        """Bring the names in a folder to the disk.

        Raises
        ------
        OSError
            If that fails, or has failed for anybody since `failures_before`, who alone was told.
        """
        try:
            sync(folder)
        except OSError:
            self._failures[folder] += 1
            raise
        if self._failures[folder] != failures_before:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _make_durable(self, folder: Path) -> None:
        """Fsync the folders above a new folder once per process, so that its own name survives a
        loss of power; one that does not is taken away, so that it is made anew.
        """
        for parent in (folder, *folder.parents):
            if parent in self._durable or not parent.is_relative_to(self._folder):
                break
            if self._is_durable:
                try:
                    self._sync_folder(parent.parent, self._failures[parent.parent])
                except OSError:
                    with suppress(OSError):
                        parent.rmdir()
                    raise
            self._durable.add(parent)


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    return True
