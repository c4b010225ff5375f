"""The files of one Delta table: what is in its folder or under its URL, and bringing them to the
disk.

`deltalake` syncs nothing: a commit that it calls done is in the memory of the machine, and a power
cut takes it. On a local disk, a write is done here only when its data files, its entry of the log
and the folders of both are on the disk, and those of every commit before it, because a log with a
gap cannot be read. An object store promises that by itself.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.fs
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler

LOG = "_delta_log"
OLDER_LOG = "_older_log"
"""Entries that only older versions need, see `older_log`."""
LAST_CHECKPOINT = f"{LOG}/_last_checkpoint"
_COMMIT = re.compile(rf"{LOG}/(\d{{20}})\.json")
_OLDER = re.compile(rf"{OLDER_LOG}/(\d{{20}})\.json")
_ON_DISK = "_on_disk"
"""Names the newest version that somebody was told is on the disk; it is not synced itself, so that
it may name an older one, never one that was not there.
"""
_CHECKPOINT = re.compile(rf"{LOG}/(\d{{20}})\.checkpoint.*\.parquet")
_SYNCED: dict[Path, int] = {}
"""The newest version of each table that this process has brought to the disk."""


@dataclass(frozen=True)
class Listing:
    """What is in the folder of a table.

    Parameters
    ----------
    commits, checkpoints : mapping of int to str
        Files of the log by the version that they end with.
    older : mapping of int to str
        Commits that were moved beside the log.
    data : frozenset of str
        Parquet files of rows, relative to the table.
    sizes : mapping of str to int
        Bytes of every file, the log's too.
    """

    commits: Mapping[int, str]
    checkpoints: Mapping[int, str]
    older: Mapping[int, str]
    data: frozenset[str]
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class TableFolder:
    """The folder, or the prefix in an object store, of one Delta table.

    Parameters
    ----------
    uri : str
        Folder or URL.
    storage_options : mapping of str to str
        Access to an object store, as `deltalake` takes it.
    """

    uri: str
    storage_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def local(self) -> Path | None:
        """The folder; `None` in an object store."""
        return None if "://" in self.uri else Path(self.uri)

    @property
    def name(self) -> str:
        """The table's name."""
        return self.uri.rstrip("/").rsplit("/", 1)[-1]

    def opened(self) -> DeltaTable:
        """Return the table at its newest version."""
        return DeltaTable(self.uri, storage_options=dict(self.storage_options) or None)

    def files(self) -> pyarrow.fs.FileSystem:
        """Return a file system whose root is the table."""
        if self.local is not None:
            return pyarrow.fs.SubTreeFileSystem(
                str(self.local.absolute()), pyarrow.fs.LocalFileSystem()
            )
        handler = DeltaStorageHandler(self.uri, dict(self.storage_options) or None)
        return pyarrow.fs.PyFileSystem(handler)

    def listing(self) -> Listing:
        """Return what is there.

        Raises
        ------
        OSError
            If the folder or the object store cannot be looked through.
        """
        # Not allow_not_found: the handler of object stores knows it only for the folder itself.
        if self.local is not None and not self.local.is_dir():
            # a file in the place of the store, or of a folder above it, hides every table
            nearest = next(one for one in (self.local, *self.local.parents) if one.exists())
            if not nearest.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "Not a directory", nearest.name)
            return Listing({}, {}, {}, frozenset(), {})
        # The log first: what others commit meanwhile has its rows before its entry.
        sizes = self._sizes(LOG)
        rows = self._sizes("")
        sizes |= {path: size for path, size in rows.items() if not path.startswith(f"{LOG}/")}
        return Listing(
            commits=dict(_by_version(_COMMIT, sizes)),
            checkpoints=dict(_by_version(_CHECKPOINT, sizes)),
            older=dict(_by_version(_OLDER, sizes)),
            data=frozenset(
                path
                for path in sizes
                if path.endswith(".parquet") and not path.startswith(("_", "."))
            ),
            sizes=sizes,
        )

    def sizes_of(self, paths: Iterable[str]) -> dict[str, int]:
        """Return the bytes of those of some files that are there now."""
        found = self.files().get_file_info(list(paths))
        return {one.path.lstrip("/"): int(one.size) for one in found if one.is_file}

    def _sizes(self, under: str) -> dict[str, int]:
        selector = pyarrow.fs.FileSelector(under, recursive=True, allow_not_found=True)
        found = self.files().get_file_info(selector)
        return {one.path.lstrip("/"): int(one.size) for one in found if one.is_file}

    def is_whole(self, version: int) -> bool:
        """Say whether a local log still ends with this version and more than its name is there.

        A power cut leaves an empty file where a commit was not synced, which `deltalake` reads as a
        commit that did nothing.
        """
        if self.local is None:
            return True
        try:
            return (self.local / commit_file(version)).stat().st_size > 0
        except FileNotFoundError:
            return (self.local / checkpoint_file(version)).exists()

    def has_checkpoint(self, version: int) -> bool:
        """Say whether a local log is summed up at a version; in an object store that is not asked
        for.
        """
        return self.local is None or (self.local / checkpoint_file(version)).exists()

    def may_have_more(self, version: int) -> bool:
        """Say whether there may be versions after this one; a folder of many entries is not listed
        to know that there are none.
        """
        return self.local is None or (self.local / commit_file(version + 1)).exists()

    def is_whole_until(self, version: int) -> bool:
        """Say whether every entry of a local log that makes a version, since the summary before it,
        is there with more than its name.
        """
        if self.local is None:
            return True
        for one in range(version, -1, -1):
            if not self.is_whole(one):
                return False
            if (self.local / checkpoint_file(one)).exists():
                return True
        return True

    def actions(self, version: int) -> list[dict[str, Any]]:
        """Return the actions of one commit, also of one that was moved beside the log.

        Raises
        ------
        FileNotFoundError
            If there is no such entry.
        ValueError
            If the entry is torn or empty.
        """
        files = self.files()
        try:
            with files.open_input_stream(commit_file(version)) as stream:
                content = stream.read().decode()
        except FileNotFoundError:
            if self.local is None:
                raise
            with files.open_input_stream(commit_file(version, OLDER_LOG)) as stream:
                content = stream.read().decode()
        actions = [json.loads(line) for line in content.splitlines() if line.strip()]
        if not actions or not all(map(_is_action, actions)):
            raise ValueError(f"{commit_file(version)} says nothing.")
        return actions

    def bring_to_disk(self, version: int) -> None:
        """Bring every commit up to a version to the local disk: data, log and folders.

        Parameters
        ----------
        version : int
            The version that must not be lost any more.

        Raises
        ------
        OSError
            If the disk does not take it.
        """
        if self.local is None:
            return
        root = self.local.absolute()
        since = _SYNCED.get(root)
        if since is None:
            # whoever wrote before may have died before it synced
            self.bring_all_to_disk()
        elif since < version:
            _sync_files(
                root, [path for one in range(since + 1, version + 1) for path in self._of(one)]
            )
        _SYNCED[root] = max(version, _SYNCED.get(root, version))
        mark = root / f"{_ON_DISK}.{os.getpid()}"
        mark.write_text(str(_SYNCED[root]))
        mark.replace(root / _ON_DISK)

    def newest_on_disk(self) -> int:
        """Return the newest version that is known to have been on the local disk, whole; -1 if none
        is.
        """
        if self.local is None:
            return -1
        try:
            return int((self.local / _ON_DISK).read_text())
        except (FileNotFoundError, ValueError):
            return -1

    def bring_all_to_disk(self) -> None:
        """Bring every file of the table to the local disk, whoever wrote it."""
        if self.local is not None:
            root = self.local.absolute()
            _sync_files(root, [path for path in root.rglob("*") if path.is_file()])

    def bring_checkpoint_to_disk(self, version: int) -> None:
        """Bring the checkpoint of a version to the local disk, and what points to it."""
        if self.local is not None:
            root = self.local.absolute()
            _sync_files(root, [root / checkpoint_file(version), root / LAST_CHECKPOINT])

    def forget_synced(self) -> None:
        """Have the next write bring all files to the disk, as the log was replaced."""
        if self.local is not None:
            _SYNCED.pop(self.local.absolute(), None)
            (self.local / _ON_DISK).unlink(missing_ok=True)

    def _of(self, version: int) -> Iterator[Path]:
        """Yield the files that a commit brought, its entry of the log last."""
        assert self.local is not None  # noqa: S101 - asked of a local table only
        try:
            actions = self.actions(version)
        except FileNotFoundError:
            return  # cleaned away since, below a checkpoint
        root = self.local.absolute()
        yield from (root / unquote(action["add"]["path"]) for action in actions if "add" in action)
        yield root / commit_file(version)


def _is_action(line: Any) -> bool:
    """Say whether a line of a commit can be one of its actions."""
    if not isinstance(line, dict) or not all(isinstance(one, dict) for one in line.values()):
        return False
    added = line.get("add")
    return added is None or (
        isinstance(added.get("path"), str) and isinstance(added.get("size"), int)
    )


def commit_file(version: int, log: str = LOG) -> str:
    """Return the name of a commit's entry in the log, relative to the table."""
    return f"{log}/{version:020d}.json"


def checkpoint_file(version: int) -> str:
    """Return the name of a checkpoint of the log, relative to the table."""
    return f"{LOG}/{version:020d}.checkpoint.parquet"


def _by_version(pattern: re.Pattern[str], paths: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    for path in sorted(paths):
        if found := pattern.fullmatch(path):
            yield int(found[1]), path


def _sync_files(root: Path, paths: list[Path]) -> None:
    """Sync files, then every folder between them and the one that holds the table's store."""
    folders = {root, root.parent, root.parent.parent}
    for path in paths:
        try:
            sync(path)
        except FileNotFoundError:
            continue  # removed by a clean-up meanwhile: no version that counts needs it
        folders |= {parent for parent in path.parents if parent.is_relative_to(root)}
    for folder in sorted(folders, reverse=True):
        sync(folder)


def sync(path: Path) -> None:
    """Bring the bytes of a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
