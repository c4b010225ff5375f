"""A disk whose next steps fail as the kernel lets them fail, under real code."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.deaths import INDEXER

OPEN, WRITE, FSYNC_FILE, FSYNC_FOLDER = "open", "write", "fsync of a file", "fsync of a folder"
LINK, MAKE, REMOVE = "link", "mkdir", "unlink"

FAILS: Final = {
    errno.EIO: {WRITE, FSYNC_FILE, FSYNC_FOLDER},
    errno.ENOSPC: {OPEN, WRITE, FSYNC_FILE, FSYNC_FOLDER, LINK, MAKE},
    errno.EROFS: {OPEN, WRITE, FSYNC_FILE, FSYNC_FOLDER, LINK, MAKE, REMOVE},
    errno.EMFILE: {OPEN, FSYNC_FOLDER},
}
"""Which steps an error can come from; a folder is opened to be fsynced."""


class FailingDisk:
    """Counts the steps that change a folder, and lets some of them fail.

    Those of the indexer's thread are SQLite's own and are not seen here.

    Parameters
    ----------
    folder : Path
        The folder.
    monkeypatch : pytest.MonkeyPatch
        Puts the functions back at the end of the test.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        self._folder = folder
        self._number: int | None = None
        self._error = 0
        self._only_once = True
        make, write, fsync, link = os.open, os.write, os.fsync, os.link
        mkdir, unlink = os.mkdir, os.unlink

        def failing_open(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & os.O_CREAT:
                self._step(OPEN, path)
            return make(path, flags, *more, **named)

        def failing_fsync(descriptor: int) -> None:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            self._step(FSYNC_FOLDER if is_folder else FSYNC_FILE, _path_of(descriptor))
            fsync(descriptor)

        def failing_write(descriptor: int, content: Any) -> int:
            self._step(WRITE, _path_of(descriptor))
            return write(descriptor, content)

        def failing(step: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def run(path: Any, *more: Any, **named: Any) -> Any:
                self._step(step, path)
                return real(path, *more, **named)

            return run

        monkeypatch.setattr(os, "open", failing_open)
        monkeypatch.setattr(os, "write", failing_write)
        monkeypatch.setattr(os, "fsync", failing_fsync)
        monkeypatch.setattr(os, "link", failing(LINK, link))
        monkeypatch.setattr(os, "mkdir", failing(MAKE, mkdir))
        monkeypatch.setattr(os, "unlink", failing(REMOVE, unlink))

    def fail(self, error: int, number: int, *, only_once: bool) -> None:
        """Let the step of this number fail, counted from now, or all from it on that such an error
        can come from.
        """
        self.steps.clear()
        self._error, self._number, self._only_once = error, number, only_once

    def heal(self) -> None:
        """Let everything work again, and count from now."""
        self.steps.clear()
        self._number = None

    def _step(self, step: str, path: Any) -> None:
        inside = Path(os.fspath(path)).is_relative_to(self._folder)
        if not inside or threading.current_thread().name == INDEXER:
            return
        number = len(self.steps)
        self.steps.append(step)
        if self._number is None or step not in FAILS[self._error]:
            return
        if number == self._number or (number > self._number and not self._only_once):
            raise OSError(self._error, os.strerror(self._error))


def _path_of(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()
