"""A disk that loses power: what was not fsynced is cut to nothing, names that no folder was fsynced
for are gone.

`Disk` watches a folder tree. Every ``os.fsync`` of this process is noted, with what the file or
folder held at that moment; `after_power_loss` makes a copy of the tree in which each file has the
bytes, and each folder the names, that were fsynced last.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest


class Disk:
    """What of a folder tree would survive a power cut.

    Parameters
    ----------
    root : Path
        The tree.
    monkeypatch : pytest.MonkeyPatch
        Puts ``os.fsync`` back at the end of the test.
    at_each_sync : callable, optional
        Called after each fsync of something in the tree.
    """

    def __init__(
        self,
        root: Path,
        monkeypatch: pytest.MonkeyPatch,
        at_each_sync: Callable[[], None] | None = None,
    ) -> None:
        self.root = root
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self.syncs = 0
        real = os.fsync

        def fsync(descriptor: int) -> None:
            real(descriptor)
            if self._note(descriptor):
                self.syncs += 1
                if at_each_sync is not None:
                    at_each_sync()

        monkeypatch.setattr(os, "fsync", fsync)

    def _note(self, descriptor: int) -> bool:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path != self.root and not path.is_relative_to(self.root):
            return False
        status = os.fstat(descriptor)
        if path.is_dir():
            self._names[status.st_ino] = {
                entry.name: entry.inode() for entry in os.scandir(path) if entry.inode()
            }
        else:
            self._bytes[status.st_ino] = path.read_bytes()
        return True

    def after_power_loss(self, target: Path, luck: Random | None = None) -> None:
        """Make a copy of the tree as a power cut at this moment may leave it.

        Parameters
        ----------
        target : Path
            The copy; it must not exist.
        luck : Random, optional
            Decides for each name or file that was not fsynced whether the kernel had written it all
            the same, whole, empty or torn; by default nothing that was not fsynced survives.
        """
        target.mkdir(parents=True)
        self._copy(self.root, target, luck)

    def _copy(self, source: Path, target: Path, luck: Random | None) -> None:
        synced = self._names.get(source.stat().st_ino, {})
        for entry in sorted(source.iterdir()):
            inode = entry.stat().st_ino
            is_kept = synced.get(entry.name) == inode
            if not is_kept and (luck is None or luck.random() < 0.5):
                continue
            if entry.is_dir():
                (target / entry.name).mkdir()
                self._copy(entry, target / entry.name, luck)
                continue
            content = self._bytes.get(inode)
            if content is None:
                now = entry.read_bytes()
                # empty, torn or whole, as it happens
                share = 0.0 if luck is None else luck.choice([0.0, 0.5, 1.0])
                content = now[: int(len(now) * share)]
            (target / entry.name).write_bytes(content)
