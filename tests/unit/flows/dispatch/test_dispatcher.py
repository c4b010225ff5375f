"""What a worker is started with."""

from __future__ import annotations

import os

import pytest

from flows.dispatch.dispatcher import worker_environment
from tests.support.fresh_interpreter import printed_by

TOUCH_TWICE = """
import resource
import numpy as np
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.full(200 << 20, 7, dtype=np.uint8)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_worker_asks_the_kernel_once_and_in_small_pages_for_the_memory_of_its_studies() -> None:
    first, again = map(int, printed_by(TOUCH_TWICE, environment=worker_environment(1)))
    assert first > 50_000
    assert again < 5


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    shares = [worker_environment(workers)["ANNULUS_CORES"] for workers in (1, 3, 8, 20)]
    assert shares == ["8", "2", "1", "1"]
