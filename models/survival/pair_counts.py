"""The pairs behind every concordance, counted in n log n by a Fenwick tree and compiled.

Patients are in the order of their time, deaths before censorings on the same day; `rank` is the
place of a patient's score among the distinct scores, from 1. One walk from the last day to the
first gives what each death is compared with; a second one from the first day, which only standard
errors need, gives each patient the deaths that he outlived.

The entries `concordances` and `patients_pairs` stand with all that they call in this file, because
numba's cache of compiled code sees a change only in the file of the function that is called.

References
----------
.. [1] Fenwick PM. Softw Pract Exp 1994;24:327-336 (the tree of counts).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Counts = NDArray[np.int32]
Mask = NDArray[np.bool_]


@compiled
def _deaths_end(day_starts: Integers, event: Mask, day: int) -> int:
    """Return where the deaths of a day end; who is censored on it outlived them."""
    end = day_starts[day]
    while end < day_starts[day + 1] and event[end]:
        end += 1
    return int(end)


@compiled
def _add(tree: Any, here: Any, place: Any, weight: Any) -> None:  # whole or real numbers
    here[place] += weight
    while place < tree.size:
        tree[place] += weight
        place += place & -place


@compiled
def _up_to(tree: Any, place: Any) -> Any:
    total = tree[0]  # always 0, of the tree's type
    while place > 0:
        total += tree[place]
        place -= place & -place
    return total


@compiled
def _concordance(
    counts: Counts, day_starts: Integers, event: Mask, rank: Integers, tree: Counts, here: Counts
) -> float:
    tree[:] = 0
    here[:] = 0
    total = 0
    double_credit = 0
    later = 0
    for day in range(day_starts.size - 2, -1, -1):
        start, stop = day_starts[day], day_starts[day + 1]
        end = _deaths_end(day_starts, event, day)
        for i in range(end, stop):
            if counts[i] > 0:
                later += counts[i]
                _add(tree, here, rank[i], counts[i])
        for i in range(start, end):
            if counts[i] > 0:
                total += counts[i] * later
                double_credit += counts[i] * (2 * _up_to(tree, rank[i] - 1) + here[rank[i]])
        for i in range(start, end):
            if counts[i] > 0:
                later += counts[i]
                _add(tree, here, rank[i], counts[i])
    return double_credit / (2.0 * total) if total > 0 else math.nan


@compiled
def concordances(
    counts: Counts, day_starts: Integers, event: Mask, rank: Integers, result: Array
) -> None:
    """Write Harrell's C of each of B resamples into `result`; NaN where nobody can be compared.

    All counts are whole numbers, so each is exact.

    Parameters
    ----------
    counts : ndarray of int32, shape (B, n)
        How often each patient was drawn.
    day_starts : ndarray of int, shape (k + 1,)
        First patient of each distinct day, and n.
    event : ndarray of bool, shape (n,)
        Who died.
    rank : ndarray of int, shape (n,)
        Rank of the score, from 1.
    result : ndarray, shape (B,)
        Where they go.
    """
    levels = rank.max()
    tree, here = np.empty(levels + 1, dtype=np.int32), np.empty(levels + 1, dtype=np.int32)
    for b in range(counts.shape[0]):
        result[b] = _concordance(counts[b], day_starts, event, rank, tree, here)


@compiled
def patients_pairs(
    weight: Array,
    day_starts: Integers,
    event: Mask,
    rank: Integers,
    credit: Array,
    pairs: Array,
    kinds: Integers,
) -> None:
    """Write each patient's pairs, and those that were ranked rightly.

    Parameters
    ----------
    weight : ndarray, shape (n,)
        Of each death; a death of weight 0 is not compared.
    day_starts, event, rank : ndarray
        As of `concordances`.
    credit, pairs : ndarray, shape (n,)
        Of zeros: where each patient's rightly ranked and comparable pairs go, weighted.
    kinds : ndarray of int, shape (4,)
        Of zeros: concordant and discordant pairs, those tied by score, and those that died on the
        same day.
    """
    levels = rank.max()
    tree, here = np.zeros(levels + 1, dtype=np.int64), np.zeros(levels + 1, dtype=np.int64)
    later = 0
    for day in range(day_starts.size - 2, -1, -1):
        start, stop = day_starts[day], day_starts[day + 1]
        end = _deaths_end(day_starts, event, day)
        for i in range(end, stop):
            _add(tree, here, rank[i], 1)
        later += stop - end
        counted = 0
        for i in range(start, end):
            if weight[i] > 0:
                below, tied = _up_to(tree, rank[i] - 1), here[rank[i]]
                credit[i] += weight[i] * (below + 0.5 * tied)
                pairs[i] += weight[i] * later
                kinds[0] += below
                kinds[1] += later - below - tied
                kinds[2] += tied
                counted += 1
        kinds[3] += counted * (counted - 1) // 2
        for i in range(start, end):
            _add(tree, here, rank[i], 1)
        later += end - start
    # the deaths before each patient, from the highest score down, so that sums need no difference
    above, level = np.zeros(levels + 1), np.zeros(levels + 1)
    earlier = 0.0
    for day in range(day_starts.size - 1):
        start, stop = day_starts[day], day_starts[day + 1]
        end = _deaths_end(day_starts, event, day)
        for i in range(start, end):
            place = levels + 1 - rank[i]
            credit[i] += _up_to(above, place - 1) + 0.5 * level[place]
            pairs[i] += earlier
        for i in range(start, end):
            if weight[i] > 0:
                _add(above, level, levels + 1 - rank[i], weight[i])
                earlier += weight[i]
        for i in range(end, stop):
            place = levels + 1 - rank[i]
            credit[i] += _up_to(above, place - 1) + 0.5 * level[place]
            pairs[i] += earlier
