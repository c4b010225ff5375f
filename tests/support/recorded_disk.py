"""A disk as a list of what was done to it, and what a crash may leave of it.

The model is what POSIX promises and no more: what a file holds is on the disk after its fsync, a
name after the fsync of its folder; everything else may be there or not, in any combination. A
rename is one step, as on every file system with a journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

ROOT: Final = 0
"""The number of the folder in which all of it happens; it is on the disk from the beginning."""

_SECTORS: Final = (512, 4096)


@dataclass(frozen=True)
class Write:
    """Bytes that a file got."""

    file: int
    offset: int
    content: bytes


@dataclass(frozen=True)
class Cut:
    """The new length of a file."""

    file: int
    length: int


@dataclass(frozen=True)
class Name:
    """A name that a file or folder got in a folder; another may have had it before."""

    folder: int
    name: str
    what: int


@dataclass(frozen=True)
class Forget:
    """A name that was taken away."""

    folder: int
    name: str


@dataclass(frozen=True)
class Move:
    """A rename."""

    folder: int
    name: str
    to_folder: int
    to_name: str
    what: int


Operation = Write | Cut | Name | Forget | Move


@dataclass(frozen=True)
class Done:
    """An operation, and the moment at which it was done."""

    operation: Operation
    at: int


@dataclass(frozen=True)
class Sync:
    """An fsync of a file or folder: what was done before it began is on the disk when it ends."""

    what: int
    began: int
    ended: int


@dataclass(frozen=True)
class Recording:
    """What was done to a disk.

    Parameters
    ----------
    folders : frozenset of int
        Numbers of the folders; all others are files.
    done : tuple of Done
        In the order of their moments.
    syncs : tuple of Sync
        The fsyncs that succeeded.
    promises : tuple of (int, str)
        At which moment a peer began to be told that something is kept, and what.
    """

    folders: frozenset[int]
    done: tuple[Done, ...]
    syncs: tuple[Sync, ...]
    promises: tuple[tuple[int, str], ...] = ()

    def without_syncs(self, *, of_folders: bool) -> Recording:
        """Return what this would be if folders, or else files, had never been fsynced."""
        left = tuple(one for one in self.syncs if (one.what in self.folders) != of_folders)
        return replace(self, syncs=left)

    @cached_property
    def on_disk_at(self) -> tuple[float, ...]:
        """When each operation was on the disk for certain; infinite for never."""
        by_what: dict[int, list[Sync]] = {}
        for one in self.syncs:
            by_what.setdefault(one.what, []).append(one)
        return tuple(
            min(
                (
                    sync.ended
                    for what in _belongs_to(one.operation)
                    for sync in by_what.get(what, ())
                    if sync.began > one.at
                ),
                default=float("inf"),
            )
            for one in self.done
        )

    def promised(self, moment: int) -> frozenset[str]:
        """Return what had been promised until a moment."""
        return frozenset(what for at, what in self.promises if at <= moment)


Piece = int | tuple[int, int]
"""The number of an operation, with the bytes that were kept of it where it is a torn write."""


@dataclass(frozen=True)
class State:
    """What a crash may leave.

    Parameters
    ----------
    moment : int
        When it came.
    fate : str
        What became of what was not on the disk for certain.
    left : mapping of int to tuple
        File or folder -> the operations on it that were kept, in order.
    """

    moment: int
    fate: str
    left: Mapping[int, tuple[Piece, ...]]


def crash_states(recording: Recording, every: int = 1) -> Iterator[State]:
    """Yield what a crash may leave after each call: everything that is not on the disk for certain
    lost, all of it kept, each alone lost, each alone kept, all names lost and all bytes kept, all
    bytes lost and all names kept, and the last write torn.

    Parameters
    ----------
    recording : Recording
        What was done.
    every : int
        After which calls: 1 is all of them, 2 every other one. The moment after each promise is
        always among them.
    """
    moments = {one.at for one in recording.done} | {one.ended for one in recording.syncs}
    promises = {at for at, _ in recording.promises}
    known: set[tuple[tuple[int, ...], frozenset[str]]] = set()
    for moment in sorted({*sorted(moments)[::every], *promises, max(moments)}):
        here = [number for number, one in enumerate(recording.done) if one.at <= moment]
        open_ = [number for number in here if recording.on_disk_at[number] > moment]
        same = ((len(here), *open_), recording.promised(moment))
        if same not in known:
            known.add(same)
            yield from _states(recording, moment, here, open_)


def _states(
    recording: Recording, moment: int, here: Sequence[int], open_: Sequence[int]
) -> Iterator[State]:
    may_be_lost = frozenset(open_)
    of = [_belongs_to(one.operation) for one in recording.done]
    by_what: dict[int, list[int]] = {}
    for number in here:
        for what in of[number]:
            by_what.setdefault(what, []).append(number)

    def left(
        what: int, lost: frozenset[int], torn: tuple[int, int] | None = None
    ) -> tuple[Piece, ...]:
        kept = [number for number in by_what[what] if number not in lost]
        return tuple(torn if torn and number == torn[0] else number for number in kept)

    def all_left(lost: frozenset[int]) -> dict[int, tuple[Piece, ...]]:
        return {what: left(what, lost) for what in by_what}

    most, least = all_left(frozenset()), all_left(may_be_lost)
    yield State(moment, "all kept", most)
    if not may_be_lost:
        return
    yield State(moment, "all lost", least)
    bytes_ = frozenset(n for n in open_ if isinstance(recording.done[n].operation, Write | Cut))
    yield State(moment, "bytes lost, names kept", all_left(bytes_))
    yield State(moment, "names lost, bytes kept", all_left(may_be_lost - bytes_))
    for number in open_:
        alone, others = frozenset({number}), may_be_lost - {number}
        without = {what: left(what, alone) for what in of[number]}
        with_it = {what: left(what, others) for what in of[number]}
        yield State(moment, "one lost", {**most, **without})
        yield State(moment, "one kept", {**least, **with_it})
    last = here[-1]
    for kept in _torn(recording.done[last].operation) if last in may_be_lost else ():
        (file,) = of[last]
        whole = left(file, frozenset(), (last, kept))
        alone_torn = left(file, may_be_lost - {last}, (last, kept))
        yield State(moment, "torn, all else kept", {**most, file: whole})
        yield State(moment, "torn, all else lost", {**least, file: alone_torn})


def _torn(operation: Operation) -> set[int]:
    """Return how many bytes of a write may be kept: half of them, and up to a block's end."""
    if not isinstance(operation, Write):
        return set()
    length = len(operation.content)
    ends = {(operation.offset // size + 1) * size - operation.offset for size in _SECTORS}
    return {one for one in {length // 2, *ends} if 0 < one < length}


def _belongs_to(operation: Operation) -> tuple[int, ...]:
    match operation:
        case Write(file=what) | Cut(file=what):
            return (what,)
        case Name(folder=what) | Forget(folder=what):
            return (what,)
        case Move(folder=one, to_folder=other):
            return (one,) if one == other else (one, other)


class Contents:
    """What files and folders hold in the states of one recording; what was made once is kept.

    Parameters
    ----------
    recording : Recording
        Whose states are looked at.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._digests: dict[tuple[int, tuple[Piece, ...]], bytes] = {}
        self._names: dict[tuple[int, tuple[Piece, ...]], dict[str, int]] = {}

    def digest(self, state: State, ignored_ending: str) -> bytes:
        """Return the same bytes for states that hold the same under the same names."""
        found = hashlib.sha256()
        for path, what in self._tree(state):
            if not path.endswith(ignored_ending):
                found.update(path.encode(errors="surrogateescape") + b"\0")
                if what not in self._recording.folders:
                    found.update(self._digest(what, state.left.get(what, ())))
        return found.digest()

    def files(self, state: State) -> Iterator[tuple[str, bytes | None]]:
        """Yield each path with the bytes of its file, or `None` for a folder; a folder comes before
        what it holds.
        """
        for path, what in self._tree(state):
            is_folder = what in self._recording.folders
            yield path, None if is_folder else self._bytes(state.left.get(what, ()))

    def _tree(self, state: State) -> Iterator[tuple[str, int]]:
        waiting = [("", ROOT)]
        while waiting:
            at, folder = waiting.pop()
            for name, what in sorted(self._named(folder, state.left.get(folder, ())).items()):
                yield at + name, what
                if what in self._recording.folders:
                    waiting.append((f"{at}{name}/", what))

    def _named(self, folder: int, pieces: tuple[Piece, ...]) -> dict[str, int]:
        if (folder, pieces) not in self._names:
            names: dict[str, int] = {}
            for number in pieces:
                assert isinstance(number, int)
                match self._recording.done[number].operation:
                    case Name(name=name, what=what):
                        names[name] = what
                    case Forget(name=name):
                        names.pop(name, None)
                    case Move() as move:
                        if move.folder == folder:
                            names.pop(move.name, None)
                        if move.to_folder == folder:
                            names[move.to_name] = move.what
            self._names[folder, pieces] = names
        return self._names[folder, pieces]

    def _digest(self, file: int, pieces: tuple[Piece, ...]) -> bytes:
        if (file, pieces) not in self._digests:
            self._digests[file, pieces] = hashlib.sha256(self._bytes(pieces)).digest()
        return self._digests[file, pieces]

    def _bytes(self, pieces: tuple[Piece, ...]) -> bytes:
        found = bytearray()
        for piece in pieces:
            number, kept = (piece, None) if isinstance(piece, int) else piece
            match self._recording.done[number].operation:
                case Write(offset=offset, content=content):
                    content = content[:kept]
                    found.extend(bytes(max(offset - len(found), 0)))
                    found[offset : offset + len(content)] = content
                case Cut(length=length):
                    del found[length:]
                    found.extend(bytes(length - len(found)))
        return bytes(found)
