"""Waiting for what a thread or another process does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

PATIENCE = 1.0
"""How many times longer than it says a wait may last. The tests of installations set it higher, for
they run beside each other; where the bound of a wait is what is tested, it stays."""
_EVERY_S = 0.02


def wait_until(
    condition: Callable[[], bool],
    timeout_s: float,
    what: str,
    *,
    process: subprocess.Popen[bytes] | None = None,
    evidence: Callable[[], str] | None = None,
) -> None:
    """Wait until a condition holds that something else brings about.

    Parameters
    ----------
    condition : callable
        Says whether it is so.
    timeout_s : float
        Seconds, `PATIENCE` times, after which the wait is given up.
    what : str
        What is waited for, in words.
    process : Popen, optional
        Without which it cannot come about any more.
    evidence : callable, optional
        Returns what a failure should show, such as a log.

    Raises
    ------
    AssertionError
        If the time is up, or the process has ended.
    """
    longest_s = PATIENCE * timeout_s
    deadline = time.monotonic() + longest_s
    while not condition():
        if process is not None and process.poll() is not None:
            found = f"the process ended with exit code {process.returncode} before: {what}"
        elif time.monotonic() > deadline:
            found = f"not within {longest_s:g} s: {what}"
        else:
            time.sleep(_EVERY_S)
            continue
        raise AssertionError(f"{found}. {evidence()[-4000:]}" if evidence else found)
