"""The connected zones of one grey level in a region, of which the size-zone matrix counts (IBSI
9SAK).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled

Counts = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]
Levels = npt.NDArray[np.int16]
Bits = npt.NDArray[np.uint16]
Tallies = npt.NDArray[np.int32]


def connections(
    directions: Sequence[tuple[int, int, int]],
) -> tuple[Bits, npt.NDArray[np.uint8]]:
    """Return, for each set of a voxel's equal neighbours (as bits, in the order of `directions`),
    those that connect it to all of them, and the lowest.

    Neighbours that touch each other are in one zone already, so one of each group is enough.

    Parameters
    ----------
    directions : sequence of tuple of int
        Steps (z, y, x) to the neighbours.
    """
    n = len(directions)
    touching = [
        sum(
            1 << j
            for j, b in enumerate(directions)
            if max(abs(p - q) for p, q in zip(a, b, strict=True)) <= 1
        )
        for a in directions
    ]
    by_reach = sorted(range(n), key=lambda direction: -touching[direction].bit_count())
    connecting, lowest = np.zeros(1 << n, dtype=np.uint16), np.zeros(1 << n, dtype=np.uint8)
    for bits in range(1, 1 << n):
        left, chosen = bits, 0
        for direction in by_reach:
            if left >> direction & 1:
                chosen |= 1 << direction
                left &= ~_group(direction, bits, touching)
        connecting[bits] = chosen
        lowest[bits] = (bits & -bits).bit_length() - 1
    return connecting, lowest


def _group(first: int, bits: int, touching: Sequence[int]) -> int:
    """Return those of a set of neighbours that are reached from one, each touching the next."""
    group, grown = 0, 1 << first
    while grown != group:
        group = grown
        for member in range(len(touching)):
            grown |= touching[member] & bits if group >> member & 1 else 0
    return group


# Computed indices are unsigned, since signed ones are looked at for counting from the end.


@compiled
def find_zones(
    levels: Levels,
    equal: Bits,
    voxels: Places,
    offsets: Counts,
    connecting: Bits,
    lowest: npt.NDArray[np.uint8],
) -> tuple[Tallies, Tallies]:
    """Return the rank from 0 and the size of each connected zone of one level, by union and find.

    Parameters
    ----------
    levels : ndarray of int16, shape (places,)
        The rank from 1 of each voxel's grey level at its place, 0 outside the region.
    equal : ndarray of uint16, shape (places,)
        Which neighbours before a voxel have its level, as bits in the order of `offsets`.
    voxels : ndarray of int32, shape (n,)
        Places of the region's voxels, ascending.
    offsets : ndarray of int64, shape (directions,)
        Steps to these neighbours, backwards.
    connecting, lowest : ndarray, shape (2^directions,)
        What `connections` returns of the directions.
    """
    zones = np.empty(len(levels), dtype=np.int32)
    parents, sizes = np.empty(len(voxels), dtype=np.int32), np.empty(len(voxels), dtype=np.int32)
    ranks = np.empty(len(voxels), dtype=np.int32)
    found = np.int32(0)
    for place in voxels:
        here = np.uintp(place)
        bits = connecting[np.uintp(equal[here])]
        if bits == 0:
            parents[found], sizes[found], ranks[found] = found, 1, levels[here] - 1
            zones[here] = found
            found += 1
            continue
        zone = _root(parents, zones[np.uintp(place - offsets[np.uintp(lowest[np.uintp(bits)])])])
        bits &= bits - np.uint16(1)
        while bits != 0:
            other = _root(
                parents, zones[np.uintp(place - offsets[np.uintp(lowest[np.uintp(bits)])])]
            )
            bits &= bits - np.uint16(1)
            if other < zone:
                zone, other = other, zone
            if other != zone:
                parents[np.uintp(other)] = zone
                sizes[np.uintp(zone)] += sizes[np.uintp(other)]
        zones[here] = zone
        sizes[np.uintp(zone)] += 1
    roots = 0
    for zone in range(found):
        if parents[zone] == zone:
            ranks[roots], sizes[roots] = ranks[zone], sizes[zone]
            roots += 1
    return ranks[:roots], sizes[:roots]


@compiled
def _root(parents: Tallies, zone: int) -> int:
    """Return the zone that a zone became part of, and shorten the way there."""
    while parents[np.uintp(zone)] != zone:
        parents[np.uintp(zone)] = parents[np.uintp(parents[np.uintp(zone)])]
        zone = parents[np.uintp(zone)]
    return zone
