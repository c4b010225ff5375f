"""A process that takes studies in and is killed at one of the steps that change the disk, whichever
of its threads makes it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from dicom_node.intake.intake import Intake
from dicom_node.intake.object_on_its_way import ObjectOnItsWay
from dicom_node.registry.database import Database
from tests.support.intake_bench import Bench, StoreRequest, take

INDEXER = "index"
"""Name of the indexer's thread."""

TRANSACTION, STATEMENT, COMMIT = "transaction", "statement", "commit"
FILE, FSYNC, LINK = "file", "fsync", "link"
_ANSWERED, _RELEASED = "answered", "released"

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Step:
    """One step that changes the disk: in which thread, and of which kind."""

    thread: str
    kind: str


@dataclass(frozen=True)
class Life:
    """What a process did until it was killed, or to its end.

    Parameters
    ----------
    steps : tuple of Step
        Its steps; the last of a killed one was not made any more.
    answered : int
        How many objects were answered with success.
    indexed : int
        How many of them were on associations whose release was answered.
    is_killed : bool
        Whether it was killed.
    """

    steps: tuple[Step, ...]
    answered: int
    indexed: int
    is_killed: bool


def live(folder: Path, associations: Sequence[Sequence[StoreRequest]], steps: int) -> Life:
    """Take associations in, one after the other, in a process that is killed after so many steps.

    Parameters
    ----------
    folder : Path
        The node's folder; the process's log lies beside it.
    associations : sequence of sequence of StoreRequest
        What comes on each of them.
    steps : int
        How many steps it makes at most.
    """
    log = folder.with_suffix(".log")
    process = _processes.Process(target=_take_in, args=(folder, log, associations, steps))
    process.start()
    process.join(60)
    assert process.exitcode in {0, -signal.SIGKILL}
    made: list[Step] = []
    answered = indexed = 0
    for line in log.read_text(encoding="ascii").splitlines():
        match line.split():
            case [thread, kind]:
                made.append(Step(thread, kind))
            case [word] if word == _ANSWERED:
                answered += 1
            case _:
                indexed = answered
    return Life(tuple(made), answered, indexed, process.exitcode != 0)


class _Killer:
    """Counts steps of all threads, writes them down, and kills the process before the first that is
    one too many.
    """

    def __init__(self, log: Path, steps: int) -> None:
        self._left = steps
        self._turn = threading.Lock()
        self._log = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self._write = os.write

    def note(self, words: str) -> None:
        self._write(self._log, f"{words}\n".encode())

    def step(self, kind: str) -> None:
        with self._turn:
            self.note(f"{threading.current_thread().name} {kind}")
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1

    def before(self, kind: str, action: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            self.step(kind)
            return action(*arguments, **named)

        return run

    def after(self, words: str, expected: object, action: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            result = action(*arguments, **named)
            assert result is expected
            self.note(words)
            return result

        return run


def _take_in(
    folder: Path, log: Path, associations: Sequence[Sequence[StoreRequest]], steps: int
) -> None:
    bench = Bench(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        _watch(monkeypatch, _Killer(log, steps))
        for requests in associations:
            take(bench.intake, "alpha", *requests)
        os._exit(0)  # no orderly end either


def _watch(monkeypatch: pytest.MonkeyPatch, killer: _Killer) -> None:
    make, write = os.open, Database.write

    def dying_open(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            killer.step(FILE)
        return make(path, flags, *more, **named)

    @contextmanager
    def dying_write(database: Database, **options: bool) -> Iterator[Connection]:
        killer.step(TRANSACTION)
        with write(database, **options) as connection:
            yield connection
            killer.step(COMMIT)

    def dying_statement(connection: Connection, *_: object) -> None:
        if not connection.get_execution_options().get("annulus_reads_only"):
            killer.step(STATEMENT)

    monkeypatch.setattr(os, "open", dying_open)
    monkeypatch.setattr(os, "write", killer.before(FILE, os.write))
    monkeypatch.setattr(os, "fsync", killer.before(FSYNC, os.fsync))
    monkeypatch.setattr(os, "link", killer.before(LINK, os.link))
    monkeypatch.setattr(Path, "mkdir", killer.before(FILE, Path.mkdir))
    monkeypatch.setattr(Path, "unlink", killer.before(FILE, Path.unlink))
    monkeypatch.setattr(Database, "write", dying_write)
    event.listen(Engine, "before_cursor_execute", dying_statement)
    monkeypatch.setattr(
        ObjectOnItsWay, "finish", killer.after(_ANSWERED, None, ObjectOnItsWay.finish)
    )
    monkeypatch.setattr(Intake, "flush", killer.after(_RELEASED, True, Intake.flush))
