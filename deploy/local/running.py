"""The system that runs of a settings file, found though the file cannot be read any more, or names
another folder by now: by the supervisor's own command line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from deploy.local.supervisor import SystemFolder

SUPERVISE = ("-m", "deploy", "supervise", "--settings")
"""What stands between the interpreter and the settings file."""


def running_folder(settings_file: Path) -> SystemFolder | None:
    """Return the folder of the system that runs of a settings file, `None` when none of this user
    does.

    Parameters
    ----------
    settings_file : Path
        The file, absolute.
    """
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if tuple(words[1:-2]) != SUPERVISE:
                continue
            named = (process / "cwd").readlink() / words[-2]
            if os.path.realpath(named) != os.path.realpath(settings_file):
                continue
            for folder in _locked_folders(process):
                if folder.supervisor_pid() == int(process.name):
                    return folder
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
    return None


def _locked_folders(process: Path) -> Iterator[SystemFolder]:
    for descriptor in (process / "fd").iterdir():
        opened = descriptor.readlink()
        if opened.name == SystemFolder.lock_name:
            yield SystemFolder(opened.parent)
