"""Simulations spread over the machine's cores: each has its own seeds, so the answer is that of one
process.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

Over = Callable[..., Iterable[Any]]
"""Applies a function to each of its jobs, as `map` does."""


@contextmanager
def processes() -> Iterator[Over]:
    """Give a `map` whose jobs run beside each other, one process a core."""
    # Fresh processes: a fork would copy the threads' locks
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        yield pool.map
