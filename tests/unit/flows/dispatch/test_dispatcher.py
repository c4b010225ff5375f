"""How long a held study waits, and what a worker is started with."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flows.dispatch.dispatcher import WORKER_ENVIRONMENT, retry_after_s

TOUCH_TWICE = """
import resource
import numpy as np
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.full(200 << 20, 7, dtype=np.uint8)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [(0, 5.0), (1, 5.0), (2, 10.0), (3, 20.0), (8, 640.0), (9, 900.0), (10_000, 900.0)],
)
def test_the_wait_doubles_up_to_the_longest(attempts: int, expected: float) -> None:
    assert retry_after_s(attempts, 5.0, 900.0) == expected


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
