"""What stays goes into the gaps, what is as large as a slice goes behind them."""

from __future__ import annotations

import os
import subprocess
import sys

from flows.dispatch.dispatcher import worker_environment
from tests.support import ROOT

END_OF_HEAP = """
import ctypes, sys
from flows.dispatch.heap_gaps import leave_gaps

sbrk = ctypes.CDLL(None).sbrk
sbrk.restype, sbrk.argtypes = ctypes.c_void_p, [ctypes.c_long]
leave_gaps()
leave_gaps()  # is done once
before = sbrk(0)
small = [bytearray(100 * 1024) for _ in range(200)]
small_end = sbrk(0)
large = [bytearray(512 * 1024) for _ in range(40)]
print(small_end - before, sbrk(0) - small_end)
"""


def test_what_is_small_goes_into_the_gaps_and_what_is_large_does_not() -> None:
    done = subprocess.run(
        [sys.executable, "-c", END_OF_HEAP],
        cwd=ROOT,
        env={**os.environ, **worker_environment(1)},
        capture_output=True,
        text=True,
        check=True,
    )
    by_small, by_large = map(int, done.stdout.split())
    assert by_small == 0
    assert by_large > 15e6
