"""The supervisor: what ends starts again, what is stopped leaves nothing, and a second one is
refused.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.supervisor import AlreadyRunningError, Part, Supervisor, SystemFolder
from tests.support import ROOT
from tests.support.waiting import wait_until

SLEEP = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)")
FAIL = (sys.executable, "-c", "raise SystemExit(3)")
WITH_CHILD = (
    sys.executable,
    "-c",
    (
        "import subprocess, time; child = subprocess.Popen(['sleep', '600']); print(child.pid, "
        "flush=True); time.sleep(99)"
    ),
)


@contextmanager
def _running(folder: SystemFolder, *parts: Part) -> Iterator[Supervisor]:
    stop = threading.Event()
    with Supervisor(folder, parts, os.environ, folder.path) as supervisor:
        thread = threading.Thread(target=supervisor.run, args=(stop,))
        thread.start()
        try:
            yield supervisor
        finally:
            stop.set()
            thread.join()


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.slow
def test_a_killed_part_starts_again_and_stopping_leaves_nothing(tmp_path: Path) -> None:
    folder = SystemFolder(tmp_path)
    with _running(folder, Part("sleeper", SLEEP)):
        wait_until(
            lambda: bool(folder.part_states()) and folder.part_states()[0].pid is not None,
            20,
            "the part runs",
        )
        first = folder.part_states()[0].pid or 0
        os.kill(first, signal.SIGKILL)
        wait_until(
            lambda: folder.part_states()[0].pid not in {None, first}, 20, "the part runs again"
        )
        state = folder.part_states()[0]
        assert state.restarts == 1
        assert state.last_end is not None
        assert state.last_end.endswith("ended by signal 9")
        assert state.ends == [state.last_end.removesuffix(" ended by signal 9")]
        wait_until(
            lambda: "sleeper     | here" in folder.log.read_text(), 20, "its word is in the log"
        )
    assert not _alive(state.pid or 0)
    assert folder.part_states()[0].pid is None
    assert "sleeper ended by signal 9 and starts again in 1 s" in folder.log.read_text()


def test_what_a_dead_part_leaves_behind_is_ended_too(tmp_path: Path) -> None:
    folder = SystemFolder(tmp_path)
    with _running(folder, Part("parent", WITH_CHILD)):
        wait_until(
            lambda: folder.log.exists() and "parent      | " in folder.log.read_text(),
            20,
            "its child runs",
        )
        child = int(folder.log.read_text().split("parent      | ")[1].split()[0])
        os.kill(folder.part_states()[0].pid or 0, signal.SIGKILL)
        wait_until(lambda: not _alive(child), 20, "the child is gone")


@pytest.mark.slow
def test_the_pause_doubles_while_a_part_keeps_failing(tmp_path: Path) -> None:
    folder = SystemFolder(tmp_path)
    with _running(folder, Part("failing", FAIL)):
        wait_until(
            lambda: folder.log.exists() and "in 2 s" in folder.log.read_text(),
            20,
            "the second pause",
        )
    assert folder.part_states()[0].last_end is not None
    assert "exit code 3" in (folder.part_states()[0].last_end or "")


@pytest.mark.slow
def test_a_part_waits_for_what_it_needs(tmp_path: Path) -> None:
    folder, needed = SystemFolder(tmp_path), tmp_path / "needed"
    with _running(folder, Part("first", SLEEP), Part("second", SLEEP, may_start=needed.exists)):
        wait_until(
            lambda: len(folder.part_states()) == 2 and folder.part_states()[0].pid is not None,
            20,
            "both parts are known",
        )
        time.sleep(0.7)
        assert folder.part_states()[1].pid is None
        needed.touch()
        wait_until(lambda: folder.part_states()[1].pid is not None, 20, "the second part runs")


def test_a_second_supervisor_is_refused_and_the_first_is_seen(tmp_path: Path) -> None:
    folder = SystemFolder(tmp_path)
    assert folder.supervisor_pid() is None
    with _running(folder):
        assert folder.supervisor_pid() == os.getpid()
        with (
            pytest.raises(AlreadyRunningError, match="is up already"),
            Supervisor(folder, (), os.environ, tmp_path),
        ):
            pass
    assert folder.supervisor_pid() is None


def test_parts_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, threading; from pathlib import Path; from deploy.local.supervisor import *\n"
        f"folder = SystemFolder(Path({str(tmp_path)!r}))\n"
        f"with Supervisor(folder, [Part('sleeper', {SLEEP!r})], os.environ, folder.path) as one:\n"
        "    one.run(threading.Event())\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    folder = SystemFolder(tmp_path)
    wait_until(
        lambda: bool(folder.part_states()) and folder.part_states()[0].pid is not None,
        20,
        "the part runs",
    )
    part = folder.part_states()[0].pid or 0
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: not _alive(part), 20, "the part is gone")
