"""Clocks: the machine's, and one that nobody can set while the node runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Returns the current time, aware, in UTC; tests give their own."""


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def steady_clock() -> Clock:
    """Return a clock that starts at the present time and then runs on, whoever sets the machine's.

    A quiet period must not end because the clock was set forward, nor last for hours because it was
    set back.
    """
    start, began = utc_now(), time.monotonic()
    return lambda: start + timedelta(seconds=time.monotonic() - began)
