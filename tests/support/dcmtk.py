"""DCMTK's clients as the centres' PACS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ENVIRONMENT: Final = {**os.environ, "TCP_NODELAY": "1"}
"""DCMTK turns Nagle's algorithm off only where this variable is 1."""


def storescu_command(
    program: str, port: int, files: Sequence[Path], calling: str, *options: str
) -> list[str]:
    """Return the command that pushes files in this order on one association to our AE, and says
    how each is answered.
    """
    called = ["-aet", calling, "-aec", "ANNULUS", "127.0.0.1", str(port)]
    return [program, "-v", *options, *called, *map(str, files)]


def storescu(
    program: str, port: int, files: Sequence[Path], calling: str, *options: str
) -> subprocess.CompletedProcess[str]:
    """Push files in this order on one association; `program` may be dcmsend, which takes the
    same.
    """
    return subprocess.run(
        storescu_command(program, port, files, calling, *options),
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        env=ENVIRONMENT,
    )
