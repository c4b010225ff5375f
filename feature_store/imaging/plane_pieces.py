"""Connected pieces of a mask of one plane, found by its runs: the pixels of a row that follow each
other. There are some hundred times fewer of them than pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled

Mask = npt.NDArray[np.bool_]
Runs = npt.NDArray[np.int32]
Roots = npt.NDArray[np.int32]


def without_holes(mask: Mask) -> Mask:
    """Return a mask of a plane with what it encloses: what is not reached from the edge of the
    plane by steps along rows and columns.
    """
    filled = np.ones(mask.shape, dtype=np.bool_)
    _clear_outside(*_joined(~mask, 0), filled)
    return filled


def largest_piece(mask: Mask, counted: Mask) -> Mask:
    """Return the piece of a plane's mask, joined along rows and columns, that holds most pixels of
    `counted`; of equal ones the first, and nothing where none holds any.
    """
    piece = np.zeros(mask.shape, dtype=np.bool_)
    _paint_largest(*_joined(mask, 0), counted, piece)
    return piece


def long_pieces(mask: Mask, pixel_mm: float, more_than_mm: float) -> Mask:
    """Return the pieces of a plane's mask, joined along diagonals too, whose pixels one after the
    other are longer than a way.
    """
    pieces = np.zeros(mask.shape, dtype=np.bool_)
    _paint_long(*_joined(mask, 1), pixel_mm, more_than_mm, pieces)
    return pieces


def _joined(mask: Mask, reach: int) -> tuple[Runs, Roots]:
    """Return the runs of a mask as rows of (y, first x, last x + 1), in order, and for each the
    first run of its piece; neighbours of the next row are joined up to `reach` pixels beyond.
    """
    mask = np.ascontiguousarray(mask)
    runs = np.empty((_count_runs(mask), 3), dtype=np.int32)
    roots = np.arange(len(runs), dtype=np.int32)
    _find_runs(mask, runs)
    _join_runs(runs, reach, roots)
    return runs, roots


@compiled
def _count_runs(mask: Mask) -> int:
    count = 0
    height, width = mask.shape
    for y in range(height):
        row = mask[y]
        count += row[0]
        for x in range(1, width):
            count += row[x] > row[x - 1]
    return count


@compiled
def _find_runs(mask: Mask, runs: Runs) -> None:
    height, width = mask.shape
    found = 0
    for y in range(height):
        row = mask[y]
        within = False
        for x in range(width):
            if row[x] != within:
                if within:
                    runs[found, 2] = x
                    found += 1
                else:
                    runs[found, 0], runs[found, 1] = y, x
                within = not within
        if within:
            runs[found, 2] = width
            found += 1


@compiled
def _root(roots: Roots, run: int) -> int:
    """Return the first run of a piece, and shorten the way there."""
    while roots[run] != run:
        roots[run] = roots[roots[run]]
        run = roots[run]
    return run


@compiled
def _join_runs(runs: Runs, reach: int, roots: Roots) -> None:
    """Join each run with those of the row before that it touches."""
    before = 0
    for run in range(len(runs)):
        y, first, stop = runs[run, 0], runs[run, 1] - reach, runs[run, 2] + reach
        while runs[before, 0] < y - 1 or (runs[before, 0] == y - 1 and runs[before, 2] <= first):
            before += 1
        other = before
        while runs[other, 0] == y - 1 and runs[other, 1] < stop:
            one, two = _root(roots, run), _root(roots, other)
            roots[max(one, two)] = min(one, two)
            other += 1
    for run in range(len(runs)):
        roots[run] = roots[roots[run]]  # the first run of a piece comes before the others


@compiled
def _clear_outside(runs: Runs, roots: Roots, filled: Mask) -> None:
    """Clear the pieces that reach the edge of the plane."""
    height, width = filled.shape
    outside = np.zeros(len(runs), dtype=np.bool_)
    for run in range(len(runs)):
        y, first, stop = runs[run, 0], runs[run, 1], runs[run, 2]
        if y == 0 or y == height - 1 or first == 0 or stop == width:
            outside[roots[run]] = True
    for run in range(len(runs)):
        if outside[roots[run]]:
            y, first, stop = runs[run, 0], runs[run, 1], runs[run, 2]
            filled[y, first:stop] = False


@compiled
def _paint_largest(runs: Runs, roots: Roots, counted: Mask, piece: Mask) -> None:
    sizes = np.zeros(len(runs), dtype=np.int64)
    for run in range(len(runs)):
        y, first, stop = runs[run, 0], runs[run, 1], runs[run, 2]
        count = 0
        for pixel in counted[y, first:stop]:
            count += pixel
        sizes[roots[run]] += count
    largest = 0
    for run in range(len(runs)):
        if sizes[run] > sizes[largest]:
            largest = run
    for run in range(len(runs)):
        if roots[run] == largest and sizes[largest] > 0:
            y, first, stop = runs[run, 0], runs[run, 1], runs[run, 2]
            piece[y, first:stop] = True


@compiled
def _paint_long(
    runs: Runs, roots: Roots, pixel_mm: float, more_than_mm: float, pieces: Mask
) -> None:
    sizes = np.zeros(len(runs), dtype=np.int64)
    for run in range(len(runs)):
        sizes[roots[run]] += runs[run, 2] - runs[run, 1]
    for run in range(len(runs)):
        if sizes[roots[run]] * pixel_mm > more_than_mm:
            y, first, stop = runs[run, 0], runs[run, 1], runs[run, 2]
            pieces[y, first:stop] = True
