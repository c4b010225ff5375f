"""What a worker is started with."""

from __future__ import annotations

import os
import subprocess
import sys

from flows.dispatch.dispatcher import WORKER_ENVIRONMENT

TOUCH_TWICE = """
import resource
import numpy as np
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.full(200 << 20, 7, dtype=np.uint8)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_worker_asks_the_kernel_once_for_the_memory_of_all_its_studies() -> None:
    run = subprocess.run(
        [sys.executable, "-c", TOUCH_TWICE],
        env={**os.environ, **WORKER_ENVIRONMENT},
        capture_output=True,
        check=True,
    )
    first, again = map(int, run.stdout.split())
    assert first > 50
    assert again < 5
