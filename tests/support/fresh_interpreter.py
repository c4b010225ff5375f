"""Programs that need an interpreter of their own, such as those that look at what is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.support import ROOT


def printed_by(
    program: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> list[str]:
    """Return the lines that a program prints in an interpreter of its own.

    Parameters
    ----------
    program : str
        Python source; its folder is the checkout.
    arguments : str
        Its ``sys.argv[1:]``.
    environment : mapping of str to str, optional
        What its environment has beside ours, or instead.
    timeout_s : float
        Longest time, seconds.

    Raises
    ------
    AssertionError
        If it ends with an error, with what it said.
    """
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
