"""Commands as a user who owns one folder, and may write nothing of the software: checkout and
environment are mounted read-only, in a mount namespace of the command's own.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

USER = 10001
"""The number of the user in the container image."""
_PROGRAMS = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def can_be_somebody_else() -> bool:
    """Say whether this machine lets us mount and change the user."""
    probe = ["unshare", "--mount", "setpriv", f"--reuid={USER}", "--clear-groups", "true"]
    return os.geteuid() == 0 and subprocess.run(probe, check=False).returncode == 0


def as_unprivileged(command: list[str], home: Path) -> subprocess.Popen[str]:
    """Start a command as an unprivileged user in the checkout, with HOME unset, a umask of 077 and
    the locale C.

    Parameters
    ----------
    command : list of str
        The command.
    home : Path
        A folder that is the user's own, for temporary files and for what is mounted.
    """
    environment = {"PATH": _PROGRAMS, "LC_ALL": "C", "TMPDIR": str(home)}
    user = f"setpriv --reuid={USER} --regid={USER} --clear-groups --"
    script = "; ".join(
        ["set -e", *_mounts(home), "umask 077", f"exec {user} {shlex.join(command)}"]
    )
    return subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _mounts(home: Path) -> list[str]:
    """Return the commands that mount the software read-only where it lies, its interpreter too
    where other users could not reach it.
    """
    found = []
    base = Path(sys.base_prefix).resolve()
    hidden = [folder for folder in reversed(base.parents) if not folder.stat().st_mode & 0o001]
    if hidden:
        kept = home / "interpreter"
        kept.mkdir(exist_ok=True)
        found += [
            shlex.join(["mount", "--bind", str(base), str(kept)]),
            shlex.join(["mount", "-t", "tmpfs", "-o", "mode=755", "none", str(hidden[0])]),
            shlex.join(["mkdir", "-p", str(base)]),
            shlex.join(["mount", "--bind", str(kept), str(base)]),
        ]
    for folder in (base, Path(sys.prefix).resolve(), ROOT.resolve()):
        found += [
            shlex.join(["mount", "--bind", str(folder), str(folder)]),
            shlex.join(["mount", "-o", "remount,bind,ro", str(folder)]),
        ]
    return [*found, shlex.join(["cd", str(ROOT)])]
