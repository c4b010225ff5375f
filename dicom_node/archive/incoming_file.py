"""An instance on its way in: a temporary file that takes the dataset piece by piece and knows its
digest.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from dicom_node.archive.part10 import FileMeta
from dicom_node.datasets.dataset_window import DatasetWindow
from dicom_node.errors import ArchiveError, LowDiskError

_log = logging.getLogger(__name__)

_NO_SPACE: Final = {errno.ENOSPC, errno.EDQUOT}
_NO_HANDLE: Final = {errno.EMFILE, errno.ENFILE}
_CHECK_SPACE_EVERY: Final = 1 << 25


class IncomingFile:
    """A Part 10 file in the making; memory does not grow with its size.

    Parameters
    ----------
    folder : Path
        Where the temporary file lies; on the archive's own file system.
    meta : FileMeta
        Its file meta information.
    check_space : callable
        Raises `LowDiskError` when there is too little space; asked every 32 MiB.
    durable : bool
        Whether `seal` waits for the disk.

    Raises
    ------
    LowDiskError, ArchiveError
        If the file cannot be made.
    """

    def __init__(
        self, folder: Path, meta: FileMeta, check_space: Callable[[], None], *, durable: bool
    ) -> None:
        self.meta = meta
        self.path = folder / uuid4().hex
        self.length = 0
        self._digest = hashlib.sha256()
        self._check_space = check_space
        self._unchecked = 0
        self._is_durable = durable
        self._descriptor = -1
        header = meta.header()
        self._start = len(header)
        try:
            self._descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)
            self._write_all(memoryview(header))
        except OSError as error:
            self.discard()
            raise as_archive_error(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()

    @property
    def content_sha256(self) -> str:
        """SHA-256 of the dataset's bytes so far."""
        return self._digest.hexdigest()

    def write(self, piece: bytes | memoryview) -> None:
        """Append a piece of the dataset.

        Raises
        ------
        LowDiskError
            If the disk is full, or would be soon.
        ArchiveError
            If it cannot be written.
        """
        length = len(piece)
        self.length += length
        self._unchecked += length
        if self._unchecked >= _CHECK_SPACE_EVERY:
            self._unchecked = 0
            self._check_space()
        self._digest.update(piece)
        try:
            self._write_all(piece)
        except OSError as error:
            raise as_archive_error(error) from error

    def seal(self) -> None:
        """Bring the bytes to the disk."""
        if self._is_durable:
            os.fsync(self._descriptor)

    def dataset(self) -> DatasetWindow:
        """Return the dataset's bytes so far, to be read piece by piece."""
        return DatasetWindow(self._descriptor, self._start, self.length)

    def discard(self) -> None:
        """Close and remove the temporary file; what was published under another name stays.

        One that cannot be removed, as on a disk that has become read-only, is left to the next
        start: the answer to the peer is right all the same.
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            try:
                os.close(descriptor)
            finally:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            _log.error(
                "A temporary file could not be removed (%s), the next start does it; check the "
                "archive's disk.",
                error.strerror,
            )

    def _write_all(self, piece: bytes | memoryview) -> None:
        written = os.write(self._descriptor, piece)
        while written < len(piece):
            written += os.write(self._descriptor, piece[written:])


def as_archive_error(error: OSError) -> ArchiveError:
    """Return the error of the node that stands for an error of the file system."""
    if error.errno in _NO_HANDLE:
        return ArchiveError(
            f"The archive cannot be used ({error.strerror}): let the node's process open more "
            "files (LimitNOFILE of its systemd unit, or ulimit -n)."
        )
    kind = LowDiskError if error.errno in _NO_SPACE else ArchiveError
    return kind(f"the archive cannot be written ({error.strerror}): check its disk and permissions")
