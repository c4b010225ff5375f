"""The processes of an installation under test, as the kernel knows them."""

from __future__ import annotations

import os
from pathlib import Path

from deploy.local.installation import LocalInstallation
from deploy.local.processes import LocalSystem


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


def worker_of(work: LocalInstallation) -> int | None:
    """Return a scoring process of the dispatcher."""
    dispatcher = part_of(work, "dispatcher")
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == dispatcher and b"spawn_main" in command:
            return int(stat.parent.name)
    return None


def resident_mb(work: LocalInstallation) -> float:
    """Return the resident memory of all parts and their children."""
    groups = {part.pid for part in work.folder.part_states() if part.pid is not None}
    pages = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rsplit(")", 1)[1].split()[2]) in groups:
                pages += int((stat.parent / "statm").read_text().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
