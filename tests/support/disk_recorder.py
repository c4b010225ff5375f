"""From the system calls of a process to what they did to a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.recorded_disk import (
    ROOT,
    Cut,
    Done,
    Forget,
    Move,
    Name,
    Operation,
    Recording,
    Sync,
    Write,
)
from tests.support.system_calls import SystemCall

_OPENS: Final = {"openat", "open", "creat"}
_SENDS: Final = {"sendto", "sendmsg"}
_HARMLESS: Final = {"sync_file_range"}
"""Calls that promise nothing: what they bring to the disk may be lost all the same."""


def record_disk(
    calls: Iterable[SystemCall], root: Path, promised: Callable[[bytes], Iterable[str]]
) -> Recording:
    """Return what calls did to a folder that was empty before.

    Parameters
    ----------
    calls : iterable of SystemCall
        In the order in which they ended.
    root : Path
        The folder.
    promised : callable
        Says what a peer is told by bytes that are sent to it that is kept.

    Raises
    ------
    ValueError
        If a call changed the folder in a way that is not understood here.
    """
    recorder = _Recorder(root)
    promises: list[tuple[int, str]] = []
    for call in calls:
        if call.name in _SENDS or (call.name == "write" and _is_socket(call)):
            told = b"".join(call.texts)
            promises += [(call.began, what) for what in promised(told)]
        elif call.result >= 0:
            recorder.take(call)
    promises.sort()
    return Recording(
        frozenset(recorder.names), tuple(recorder.done), tuple(recorder.syncs), tuple(promises)
    )


def _is_socket(call: SystemCall) -> bool:
    return call.descriptors[0][1].startswith("socket:")


@dataclass
class _Open:
    """An open file: where the next write goes."""

    what: int
    position: int = 0
    appends: bool = False


class _Recorder:
    """The folder as it is while the calls go on."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._made = ROOT
        self._open: dict[str, _Open] = {}
        self._lengths: dict[int, int] = {}
        self.names: dict[int, dict[str, int]] = {ROOT: {}}
        self.done: list[Done] = []
        self.syncs: list[Sync] = []

    def take(self, call: SystemCall) -> None:
        name = call.name
        if name in _OPENS:
            self._take_open(call)
        elif name in {"mkdir", "mkdirat"}:
            self._make(call, self._paths(call)[0], is_folder=True)
        elif name in {"link", "linkat", "rename", "renameat", "renameat2"}:
            self._rename_or_link(call, *self._paths(call))
        elif name in {"unlink", "unlinkat", "rmdir"}:
            if (path := self._paths(call)[0]) is not None:
                self._note(call, Forget(*self._place(path)))
        elif call.descriptors and self._inside(call.descriptors[0][1]) is not None:
            self._take_descriptor(call, self._open[call.descriptors[0][0]])
        elif any(self._inside(os.fsdecode(one)) is not None for one in call.texts[:2]):
            raise ValueError(f"{name} changes the folder in a way that is not understood")

    def _take_open(self, call: SystemCall) -> None:
        path = self._paths(call)[0]
        if path is None:
            return
        what = self._find(path)
        if what is None:
            what = self._make(call, path, is_folder=False)
        elif "O_TRUNC" in call.arguments or call.name == "creat":
            self._note(call, Cut(what, 0))
        self._open[str(call.result)] = _Open(what, appends="O_APPEND" in call.arguments)

    def _take_descriptor(self, call: SystemCall, opened: _Open) -> None:
        what = opened.what
        match call.name:
            case "fsync" | "fdatasync":
                self.syncs.append(Sync(what, call.began, call.ended))
            case "write":
                at = self._lengths.get(what, 0) if opened.appends else opened.position
                self._note(call, Write(what, at, call.texts[0][: call.result]))
                opened.position = at + call.result
            case "pwrite64":
                content = call.texts[0][: call.result]
                self._note(call, Write(what, call.numbers[-1], content))
            case "ftruncate":
                self._note(call, Cut(what, call.numbers[-1]))
            case "lseek":
                opened.position = call.result
            case other if other not in _HARMLESS:
                raise ValueError(f"{other} changes a file in a way that is not understood")

    def _rename_or_link(self, call: SystemCall, old: str | None, new: str | None) -> None:
        if old is None and new is None:
            return
        if old is None or new is None or (what := self._find(old)) is None:
            raise ValueError(f"{call.name} brings in what is not known")
        if call.name.startswith("link"):
            self._note(call, Name(*self._place(new), what))
        else:
            self._note(call, Move(*self._place(old), *self._place(new), what))

    def _make(self, call: SystemCall, path: str | None, *, is_folder: bool) -> int:
        if path is None:
            return -1
        self._made += 1
        if is_folder:
            self.names[self._made] = {}
        self._note(call, Name(*self._place(path), self._made))
        return self._made

    def _note(self, call: SystemCall, operation: Operation) -> None:
        self.done.append(Done(operation, call.ended))
        match operation:
            case Write(what, offset, content):
                self._lengths[what] = max(self._lengths.get(what, 0), offset + len(content))
            case Cut(what, length):
                self._lengths[what] = length
            case Name(folder, name, what):
                self.names[folder][name] = what
            case Forget(folder, name):
                self.names[folder].pop(name)
            case Move(folder, name, to_folder, to_name, what):
                self.names[folder].pop(name)
                self.names[to_folder][to_name] = what

    def _paths(self, call: SystemCall) -> list[str | None]:
        """Return the paths that a call names, below the folder; `None` for one outside."""
        beginnings = [path for _, path in call.descriptors] or [os.fspath(Path.cwd())]
        found: list[str | None] = []
        for number, one in enumerate(call.texts):
            beginning = beginnings[min(number, len(beginnings) - 1)]
            found.append(self._inside(os.path.join(beginning, os.fsdecode(one))))  # noqa: PTH118
        return found

    def _inside(self, path: str) -> str | None:
        whole = os.path.normpath(path)
        if whole == self._root:
            return ""
        inside = whole.removeprefix(self._root + "/")
        return None if inside == whole else inside

    def _place(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        found = self._find(folder)
        if found is None:
            raise ValueError("a name was given in a folder that is not known")
        return found, name

    def _find(self, path: str) -> int | None:
        what: int | None = ROOT
        for part in filter(None, re.split("/", path)):
            what = self.names.get(what, {}).get(part) if what is not None else None
        return what
