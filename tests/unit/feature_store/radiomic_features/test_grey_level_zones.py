"""Zones are what scipy labels, level by level, with neighbours across corners."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from feature_store.radiomic_features.grey_level_zones import connections, find_zones

STEPS = [(z, y, x) for z in (0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1) if (z, y, x) > (0, 0, 0)]


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("n_levels", [1, 2, 5])
def test_zones_are_those_that_scipy_labels(share: float, n_levels: int) -> None:
    random = np.random.default_rng(n_levels)
    image = random.integers(1, n_levels + 1, (8, 9, 10)) * (random.random((8, 9, 10)) < share)
    levels = np.pad(image, 1).astype(np.int16)
    flat = levels.ravel()
    equal = np.zeros(levels.shape, dtype=np.uint16)
    for bit, step in enumerate(STEPS):
        before = np.roll(levels, step, (0, 1, 2))
        equal |= ((levels > 0) & (before == levels)).astype(np.uint16) << bit
    voxels = np.flatnonzero(flat).astype(np.int32)
    strides = np.array(levels.strides) // levels.itemsize
    offsets = np.array(STEPS, dtype=np.int64) @ strides
    ranks, sizes = find_zones(flat, equal.ravel(), voxels, offsets, *connections(STEPS))
    wanted = []
    for level in range(1, n_levels + 1):
        zones, _ = ndimage.label(levels == level, np.ones((3, 3, 3)))
        wanted += [(level - 1, size) for size in np.bincount(zones.ravel())[1:]]
    assert sorted(zip(ranks.tolist(), sizes.tolist(), strict=True)) == sorted(wanted)


def test_one_of_neighbours_that_touch_is_enough() -> None:
    steps = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1)]  # the last touches all others
    connecting, lowest = connections(steps)
    assert [connecting[bits].bit_count() for bits in (0, 0b1000, 0b1111, 0b0111)] == [0, 1, 1, 1]
    assert [int(lowest[bits]) for bits in (0b1000, 0b0110, 0b0101)] == [3, 1, 0]
    apart, _ = connections([(0, 0, 1), (0, 0, -1)])
    assert apart[0b11] == 0b11
