"""Entries of a local table's log from before its newest ones, kept in a folder beside it.

Each commit lists the whole log twice, so that a write would cost the more, the more versions there
are. Entries that only older versions need are therefore moved to another folder, from which they
come back as soon as such a version is asked for. What is named stays where every program finds it.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from feature_store.tables.table_folder import LOG, OLDER_LOG, TableFolder, sync

KEPT = 100
"""Versions before the checkpoint that was written last whose entries stay, checkpoints among them,
so that a torn one costs nothing.
"""
_NO_LINKS = {errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""What shares and disks answer on which a file has one name only."""
_ENTRY = re.compile(r"(\d{20})\.(?:json|checkpoint.*\.parquet)")


def move_older(folder: TableFolder, checkpoint: int, named: Collection[int]) -> int:
    """Move the entries of a log that its newest versions do not need, and return how many.

    Interrupted anywhere, each entry is in one of the folders or in both.

    Parameters
    ----------
    folder : TableFolder
        The table; in an object store nothing is moved, as there only what is new is listed.
    checkpoint : int
        The version of a checkpoint that is on the disk.
    named : collection of int
        Versions whose entries stay.

    Raises
    ------
    OSError
        If the disk does not take it.
    """
    if folder.local is None or checkpoint < KEPT:
        return 0
    log, older = folder.local / LOG, folder.local / OLDER_LOG
    there = _entries(log)
    needed = set().union(*(_needed(there, version) for version in named if version >= 0))
    moved = [
        path
        for version, paths in there.items()
        if version < checkpoint - KEPT and version not in needed
        for path in paths
    ]
    if not moved:
        return 0
    older.mkdir(exist_ok=True)
    for path in moved:
        sync(path)
        _link(path, older / path.name)
    sync(older)
    sync(folder.local)
    for path in moved:
        path.unlink(missing_ok=True)
    sync(log)
    return len(moved)


def bring_back(folder: TableFolder, version: int) -> None:
    """Bring back what a version needs, if it was moved.

    Raises
    ------
    OSError
        If the folder of the log cannot be written to.
    """
    if folder.local is None or not (folder.local / OLDER_LOG).is_dir():
        return
    log, moved = folder.local / LOG, _entries(folder.local / OLDER_LOG)
    there = _entries(log)
    everything = {one: [*moved.get(one, ()), *there.get(one, ())] for one in {*moved, *there}}
    for number in sorted(_needed(everything, version) & moved.keys()):
        _bring(moved[number], log)


def bring_all_back(folder: TableFolder) -> None:
    """Have the whole log in its folder again, and nothing beside it.

    Raises
    ------
    OSError
        If the disk does not take it.
    """
    if folder.local is None or not (folder.local / OLDER_LOG).is_dir():
        return
    log = folder.local / LOG
    for paths in _entries(folder.local / OLDER_LOG).values():
        _bring(paths, log)
    sync(log)
    shutil.rmtree(folder.local / OLDER_LOG)
    sync(folder.local)


def _entries(log: Path) -> dict[int, list[Path]]:
    """Return commits and checkpoints by their version, the oldest first."""
    found: dict[int, list[Path]] = {}
    for path in sorted(log.iterdir()):
        if match := _ENTRY.fullmatch(path.name):
            found.setdefault(int(match[1]), []).append(path)
    return found


def _needed(entries: dict[int, list[Path]], version: int) -> set[int]:
    """Return the versions whose entries make a version: from the checkpoint before it on."""
    return {*_down_to_checkpoint(entries, version)}


def _down_to_checkpoint(entries: dict[int, list[Path]], version: int) -> Iterator[int]:
    for number in range(version, -1, -1):
        yield number
        if any(path.suffix == ".parquet" for path in entries.get(number, ())):
            return


def _bring(paths: list[Path], log: Path) -> None:
    for path in paths:
        if not (log / path.name).exists():
            _link(path, log / path.name)


def _link(path: Path, place: Path) -> None:
    """Have a file under another name too, in one step, whatever had that name."""
    if place.exists() and place.samefile(path):
        return
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        _link_or_copy(path, temporary)
        temporary.replace(place)
    except FileNotFoundError:
        return  # another process has moved it in the same moment


def _link_or_copy(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copy2(path, place)
        sync(place)
