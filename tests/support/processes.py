"""The processes of an installation under test: commands that are run to their end, and parts as the
kernel knows them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.installation import LocalInstallation
from deploy.local.processes import LocalSystem
from tests.support import ROOT


def run_module(
    environment: Mapping[str, str], *module_and_arguments: str, timeout_s: float = 1500
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m`` with a module and its arguments in an installation's environment, to its
    end.
    """
    return subprocess.run(
        [sys.executable, "-m", *module_and_arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


class KillableSystem(LocalSystem):
    """A system whose parts can end as in a crash."""

    def pid(self, name: str) -> int:
        """Return the process number of a part."""
        return self._parts[name].pid

    def kill(self, name: str) -> None:
        """End a part and its children at once (SIGKILL)."""
        self._end_group(self._parts.pop(name))


def part_of(work: LocalInstallation, name: str) -> int | None:
    """Return the process number of a part that runs."""
    return next((part.pid for part in work.folder.part_states() if part.name == name), None)


def scoring_process(dispatcher: int | None) -> int | None:
    """Return the process number of a scoring process of a dispatcher, if there is one."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(_stat(folder)[1])
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == dispatcher and b"spawn_main" in command:
            return int(folder.name)
    return None


def memory(pid: int, what: str) -> int:
    """Return one of the kernel's sizes of a process in bytes: ``VmRSS`` is what it has in memory,
    ``VmHWM`` the most that it has had there (proc(5)).
    """
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) * 1024


def resident_mb(work: LocalInstallation) -> float:
    """Return the resident memory of all parts and their children."""
    groups = {part.pid for part in work.folder.part_states() if part.pid is not None}
    pages = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(_stat(folder)[2]) in groups:
                pages += int((folder / "statm").read_text().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _stat(folder: Path) -> list[str]:
    """Return state, parent, process group and so on (proc(5), from the third field on)."""
    return (folder / "stat").read_text().rsplit(")", 1)[1].split()
