"""Where the programs of real peers are."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

# Debian's Orthanc is an administrator's program
_ALSO = "/usr/sbin"


def peer_program(name: str) -> str | None:
    """Return the path of a peer's program, or None where it is not installed.

    pynetdicom installs programs of DCMTK's names that take other options: an environment that is
    active has them first on PATH.
    """
    scripts = Path(sys.prefix, "bin").resolve()
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), _ALSO]
    others = [one for one in folders if one and Path(one).resolve() != scripts]
    return shutil.which(name, path=os.pathsep.join(others))
