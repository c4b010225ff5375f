"""dicom3tools' verifier of DICOM objects."""

from __future__ import annotations

import subprocess
from pathlib import Path


def errors_in(program: str, path: Path, *options: str, name: str | None = None) -> list[str]:
    """Return what dciodvfy calls errors in a file; `name` is the object that it must take it
    for.
    """
    done = subprocess.run([program, *options, str(path)], check=False, capture_output=True)
    said = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    assert name is None or name in said, said
    return [line for line in said if line.startswith("Error")]
