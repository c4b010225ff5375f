"""Keeps the parts of one installation running on this machine: starts them in order, restarts what
ends, stops all.

A part is a process group of its own. When it ends, what is left of its group is ended too, and it
is started again after a pause that doubles with each quick end. The kernel ends the parts when the
supervisor itself is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, ClassVar, Self

from dicom_node.durable_files import write_durably

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
STEADY_AFTER_S = 60.0
"""A part that lived so long is steady: its next end is followed by the first pause again."""
STOP_GRACE_S = 70.0
_LOOK_EVERY_S = 0.5
_LOG_BYTES, _LOG_FILES = 10_000_000, 5
_ENDS_KEPT = 10


class AlreadyRunningError(RuntimeError):
    """Another supervisor looks after this folder."""


@dataclass(frozen=True)
class Part:
    """One process that is to run as long as the system does.

    Parameters
    ----------
    name : str
        What the log and the status call it.
    command : tuple of str
        Program and arguments.
    may_start : callable
        Says whether what the part needs is there; it is asked until it is.
    """

    name: str
    command: tuple[str, ...]
    may_start: Callable[[], bool] = lambda: True


@dataclass
class PartState:
    """What `status` shows of a part."""

    name: str
    pid: int | None = None
    since: str | None = None
    restarts: int = 0
    last_end: str | None = None
    ends: list[str] = field(default_factory=list)
    """When it ended last, the latest last."""


@dataclass(frozen=True)
class SystemFolder:
    """The files by which a supervisor and its status know each other.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path
    lock_name: ClassVar[str] = "supervisor.lock"

    @property
    def settings(self) -> Path:
        """The settings that the running system was started with; not there when none runs."""
        return self.path / "settings.toml"

    @property
    def log(self) -> Path:
        """The one log of all parts."""
        return self.path / "annulus.log"

    @property
    def states(self) -> Path:
        """The states of the parts, rewritten at each change."""
        return self.path / "parts.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.path / self.lock_name

    def supervisor_pid(self) -> int | None:
        """Return the process number of the living supervisor, `None` when there is none."""
        if not self.lock.exists():
            return None
        with self.lock.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
        return None

    def last_log_line(self) -> str:
        """Return the last line of the log."""
        lines = (
            self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        )
        return lines[-1] if lines else "it said nothing"

    def part_states(self) -> list[PartState]:
        """Return what the supervisor last wrote of its parts."""
        try:
            return [
                PartState(**part) for part in json.loads(self.states.read_text(encoding="utf-8"))
            ]
        except FileNotFoundError:
            return []


@dataclass
class _Running:
    part: Part
    state: PartState
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    due: float = 0.0
    reader: threading.Thread | None = field(default=None, repr=False)


class Supervisor:
    """Runs parts until it is told to stop.

    Parameters
    ----------
    folder : SystemFolder
        Where log, lock and states are.
    parts : sequence of Part
        In the order in which they are started; they are stopped in the opposite order.
    environment : mapping of str to str
        The whole environment of every part.
    directory : Path
        The working directory of every part.

    Raises
    ------
    AlreadyRunningError
        On entering, if another supervisor holds the folder.
    """

    def __init__(
        self,
        folder: SystemFolder,
        parts: Sequence[Part],
        environment: Mapping[str, str],
        directory: Path,
    ) -> None:
        self._folder, self._environment, self._directory = folder, environment, directory
        self._running = [_Running(part, PartState(part.name)) for part in parts]
        self._log = logging.getLogger("annulus.system")
        self._lock: IO[str] | None = None
        folder.path.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        lock = self._folder.lock.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AlreadyRunningError(f"The system in {self._folder.path} is up already.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        handler = RotatingFileHandler(self._folder.log, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES)
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._log.handlers[:] = [handler]
        self._log.setLevel(logging.INFO)
        self._log.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        for one in reversed(self._running):
            self._stop(one)
        self._folder.settings.unlink(missing_ok=True)
        self._say("everything is stopped")
        for handler in self._log.handlers:
            handler.close()
        if self._lock is not None:
            self._lock.close()

    def run(self, stop: threading.Event) -> None:
        """Look after the parts until `stop` is set."""
        while not stop.is_set():
            for one in self._running:
                self._look_after(one)
            stop.wait(_LOOK_EVERY_S)

    def _look_after(self, one: _Running) -> None:
        now = time.monotonic()
        if one.process is not None:
            code = one.process.poll()
            if code is None:
                return
            self._end_group(one)
            if now - one.started >= STEADY_AFTER_S:
                one.pause_s = FIRST_PAUSE_S
            words = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self._say(f"{one.part.name} {words} and starts again in {one.pause_s:.0f} s")
            one.due, one.pause_s = now + one.pause_s, min(2 * one.pause_s, LONGEST_PAUSE_S)
            ended = _now()
            one.state.pid, one.state.last_end = None, f"{ended} {words}"
            one.state.restarts += 1
            one.state.ends = [*one.state.ends, ended][-_ENDS_KEPT:]
            self._write_states()
        elif now >= one.due and one.part.may_start():
            self._start(one)

    def _start(self, one: _Running) -> None:
        # setpriv lets the kernel end the part when the supervisor is killed and cannot do it.
        one.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *one.part.command],
            cwd=self._directory,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        one.started = time.monotonic()
        one.state.pid, one.state.since = one.process.pid, _now()
        one.reader = threading.Thread(
            target=self._copy_output, args=(one.part.name, one.process.stdout), daemon=True
        )
        one.reader.start()
        self._say(f"{one.part.name} started as process {one.process.pid}")
        self._write_states()

    def _stop(self, one: _Running) -> None:
        if one.process is None:
            return
        one.process.send_signal(signal.SIGTERM)
        try:
            one.process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            self._say(f"{one.part.name} did not end within {STOP_GRACE_S:.0f} s and is killed")
        self._end_group(one)
        one.state.pid = None
        self._say(f"{one.part.name} stopped")
        self._write_states()

    def _end_group(self, one: _Running) -> None:
        if one.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()
        if one.reader is not None:
            one.reader.join(5)
        one.process = None

    def _copy_output(self, name: str, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._log.info("%-11s | %s", name, line.decode(errors="replace").rstrip())

    def _say(self, words: str) -> None:
        self._log.info("%-11s | %s %s", "supervisor", _now(), words)

    def _write_states(self) -> None:
        states = json.dumps([asdict(one.state) for one in self._running], indent=1)
        write_durably(self._folder.states, states.encode())


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
