"""How many cores one process may use, and work that is done on them side by side.

Compiled kernels, numpy and PyWavelets let go of the interpreter's lock, so threads are enough. What
is computed does not depend on their number: every piece of work is the same alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

CORES_VARIABLE = "ANNULUS_CORES"
"""Cores that this process may use for one study; by default all that it may run on."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def cores() -> int:
    """Return how many cores this process may use: what ``ANNULUS_CORES`` says, and no more than the
    system lets it run on.
    """
    there = len(os.sched_getaffinity(0))
    asked = os.environ.get(CORES_VARIABLE, "")
    return min(there, int(asked)) if asked.isdecimal() and int(asked) else there


def side_by_side(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Return the results of a function for each item, in their order, computed on all cores.

    Parameters
    ----------
    work : callable
        Must not depend on the other items.
    items : iterable
        What takes long comes first.
    """
    todo = list(items)
    threads = min(cores(), len(todo))
    if threads < 2:
        return [work(item) for item in todo]
    with ThreadPoolExecutor(threads, "annulus-core") as pool:
        return list(pool.map(work, todo))


def both(first: Callable[[], _Item], second: Callable[[], _Result]) -> tuple[_Item, _Result]:
    """Return the results of two functions that do not depend on each other, as `side_by_side`."""
    if cores() < 2:
        return first(), second()
    with ThreadPoolExecutor(1, "annulus-core") as pool:
        other = pool.submit(first)
        found = second()
        return other.result(), found


def parts(n: int) -> list[tuple[int, int]]:
    """Cut 0 to `n` into a part for each core, each from its first to before its last."""
    count = max(1, min(cores(), n))
    return list(pairwise(n * number // count for number in range(count + 1)))
