"""Texture matrices of one region, by kernels that branch little and look at whole rows where they
can.

The matrices are those of PyRadiomics with its defaults: distance 1, one matrix per direction and no
merging of directions for GLCM and GLRLM, dependence at equal grey levels for GLDM. Only the grey
levels that occur have rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.radiomic_features.grey_level_zones import connections, find_zones
from feature_store.radiomic_features.grey_levels import tallied

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int32]
Levels = npt.NDArray[np.int16]
Bits = npt.NDArray[np.uint16]
Tallies = npt.NDArray[np.int32]

# The first of each pair of opposite neighbours: later in memory, so that index offsets are
# positive.
_DIRECTIONS = tuple(
    (z, y, x) for z in (0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1) if (z, y, x) > (0, 0, 0)
)
_N_DIRECTIONS = 13
_CONNECTING, _LOWEST = connections(_DIRECTIONS)
_N_DEPENDENCES = 27


@dataclass(frozen=True, eq=False)
class TextureRegion:
    """Where the voxels of a region are, made once for all of its images.

    Places are those of the flat box of the region with one voxel around it.

    Parameters
    ----------
    padded_shape : tuple of 3 int
        Shape (z, y, x) of that box.
    voxels : ndarray of int32, shape (n,)
        Places of the region's voxels, ascending.
    neighbours : ndarray of uint8, shape (n,)
        How many of a voxel's 26 neighbours are in the region.
    offsets : ndarray of int64, shape (13,)
        Steps to the neighbours of half of the directions.
    used_directions : ndarray of bool, shape (13,)
        Whether a line along the direction holds more than one voxel; PyRadiomics leaves out the
        others' runs.
    """

    padded_shape: tuple[int, ...]
    voxels: Places
    neighbours: npt.NDArray[np.uint8]
    offsets: Counts
    used_directions: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> TextureRegion:
        """Locate the voxels of `mask`, of shape (z, y, x) and not empty."""
        padded = np.pad(mask, 1)
        offsets = np.array(
            [_offset(padded.shape, direction) for direction in _DIRECTIONS], dtype=np.int64
        )
        flat = padded.ravel()
        voxels = np.flatnonzero(flat).astype(np.int32)
        in_plane, around = np.empty(flat.size, dtype=np.int16), np.empty(flat.size, dtype=np.int16)
        row_step, plane_step = padded.shape[2], padded.shape[1] * padded.shape[2]
        _sum_around(flat.astype(np.int16), voxels, row_step, plane_step, in_plane, around)
        neighbours = (around[voxels] - 1).astype(np.uint8)
        used = np.array([_has_line(padded, direction) for direction in _DIRECTIONS])
        return cls(padded.shape, voxels, neighbours, offsets, used)


@dataclass(frozen=True, eq=False)
class TextureMatrices:
    """Counts of grey-level patterns in one region of one image, for the `n` grey levels that occur.

    Parameters
    ----------
    levels : ndarray of float64, shape (n,)
        The grey levels that occur, ascending.
    glcm : ndarray of float64, shape (13, n, n)
        Pairs of neighbours along each direction, counted both ways (IBSI LFYI).
    glrlm : ndarray of float64, shape (directions, n, runs)
        Runs of each length from 1 along each used direction (IBSI TP0I).
    glszm : ndarray of float64, shape (n, sizes)
        Zones of each size that occurs (IBSI 9SAK).
    zone_sizes : ndarray of float64, shape (sizes,)
        Those sizes, ascending.
    gldm : ndarray of float64, shape (n, 27)
        Voxels by their number of neighbours of the same level plus one (IBSI REK0).
    ngtdm_counts, ngtdm_sums : ndarray of float64, shape (n,)
        Voxels of each level, and the sum of their absolute differences from their neighbours' mean
        (IBSI IPET).
    """

    levels: Floats
    glcm: Floats
    glrlm: Floats
    glszm: Floats
    zone_sizes: Floats
    gldm: Floats
    ngtdm_counts: Floats
    ngtdm_sums: Floats


def texture_matrices(
    region: TextureRegion, grey_levels: npt.NDArray[np.integer]
) -> TextureMatrices:
    """Count the patterns of a region.

    Parameters
    ----------
    region : TextureRegion
        Where the voxels are.
    grey_levels : ndarray of int, shape (n,)
        Grey level of each voxel, from 1 to a thousand or so, in the order of `region.voxels`.
    """
    tallies = tallied(grey_levels)
    occurring = np.flatnonzero(tallies)
    n = len(occurring)
    ranks = np.zeros(len(tallies), dtype=np.int16)
    ranks[occurring] = np.arange(1, n + 1)
    size = int(np.prod(region.padded_shape))
    levels, greys = np.zeros(size, dtype=np.int16), np.zeros(size, dtype=np.int16)
    _place(grey_levels, region.voxels, ranks, levels, greys)
    row_step, plane_step = region.padded_shape[2], region.padded_shape[1] * region.padded_shape[2]
    equal = np.zeros(size, dtype=np.uint16)
    _find_equal(levels, region.voxels, row_step, plane_step, equal)
    one_way = np.zeros((_N_DIRECTIONS, n + 1, n + 1), dtype=np.int32)
    _count_pairs(levels, region.voxels, region.offsets, one_way)
    reached = np.zeros((_N_DIRECTIONS, n + 1, max(region.padded_shape)), dtype=np.int32)
    _count_runs(
        levels, equal, region.voxels, region.offsets, np.zeros(size, dtype=np.uint16), reached
    )
    in_plane, around = np.empty(size, dtype=np.int16), np.empty(size, dtype=np.int16)
    dependences = np.empty(size, dtype=np.uint8)
    _sum_around(greys, region.voxels, row_step, plane_step, in_plane, around)
    _count_equal(equal, region.voxels, row_step, plane_step, dependences)
    gldm, sums = np.zeros((n + 1, _N_DEPENDENCES), dtype=np.int32), np.zeros(n + 1)
    _count_voxels(levels, greys, region.voxels, region.neighbours, around, dependences, gldm, sums)
    zone_ranks, zone_sizes = find_zones(
        levels, equal, region.voxels, region.offsets, _CONNECTING, _LOWEST
    )
    sizes, columns = np.unique(zone_sizes, return_inverse=True)
    glszm = np.bincount(zone_ranks * len(sizes) + columns, minlength=n * len(sizes)).reshape(
        n, len(sizes)
    )
    pairs = one_way[:, 1:, 1:].astype(np.float64)
    longest = int(np.flatnonzero(reached.any(axis=(0, 1)))[-1])
    runs = reached[region.used_directions, 1:, 1 : longest + 2].astype(np.float64)
    return TextureMatrices(
        levels=occurring.astype(np.float64),
        glcm=pairs + pairs.transpose(0, 2, 1),
        glrlm=runs[:, :, :-1] - runs[:, :, 1:],
        glszm=glszm.astype(np.float64),
        zone_sizes=sizes.astype(np.float64),
        gldm=gldm[1:].astype(np.float64),
        ngtdm_counts=tallies[occurring].astype(np.float64),
        ngtdm_sums=sums[1:],
    )


def _has_line(padded: npt.NDArray[np.bool_], direction: tuple[int, int, int]) -> bool:
    """Tell whether two voxels lie on one line along a direction, adjacent or not; the outermost
    voxels are empty.
    """
    flat = padded.ravel()
    offset = _offset(padded.shape, direction)
    if np.any(flat[offset:] & flat[:-offset]):
        return True
    places = np.argwhere(padded)
    axis = next(axis for axis in range(3) if direction[axis])  # its step is 1
    starts = places - places[:, axis, None] * np.array(direction)
    starts -= starts.min(axis=0)
    keys = np.ravel_multi_index(tuple(starts.T), tuple(starts.max(axis=0) + 1))
    return bool(np.bincount(keys).max() > 1)


def _offset(shape: tuple[int, ...], direction: tuple[int, int, int]) -> int:
    z, y, x = direction
    return (z * shape[1] + y) * shape[2] + x


# Within kernels, computed indices are unsigned, since signed ones are looked at for counting from
# the end. What needs no order runs over the whole box from the first voxel to the last, many places
# at once: outside the region all levels are 0, so that nothing there is equal.


@compiled
def _place(
    found: npt.NDArray[np.integer], voxels: Places, ranks: Levels, levels: Levels, greys: Levels
) -> None:
    """Put each voxel's grey level, and its rank among those that occur, at its place."""
    for i in range(len(voxels)):
        place, grey = np.uintp(voxels[i]), np.uintp(found[i])
        greys[place] = grey
        levels[place] = ranks[grey]


@compiled
def _find_equal(
    levels: Levels, voxels: Places, row_step: int, plane_step: int, equal: Bits
) -> None:
    """Note as bits, in the order of `_DIRECTIONS`, which of the 13 neighbours before a voxel have
    its level.
    """
    first, n = voxels[0], voxels[-1] + 1 - voxels[0]
    here, left, found = (
        levels[first : first + n],
        levels[first - 1 : first - 1 + n],
        equal[first : first + n],
    )
    at = first - row_step - 1
    a = levels[at : at + n + 2]
    at = first - plane_step + row_step - 1
    b = levels[at : at + n + 2]
    at = first - plane_step - 1
    c = levels[at : at + n + 2]
    at = first - plane_step - row_step - 1
    d = levels[at : at + n + 2]
    for i in range(n):
        level = here[i]
        bits = np.uint16(left[i] == level)
        bits |= (
            np.uint16(a[i + 2] == level) << 1
            | np.uint16(a[i + 1] == level) << 2
            | np.uint16(a[i] == level) << 3
        )
        bits |= (
            np.uint16(b[i + 2] == level) << 4
            | np.uint16(b[i + 1] == level) << 5
            | np.uint16(b[i] == level) << 6
        )
        bits |= (
            np.uint16(c[i + 2] == level) << 7
            | np.uint16(c[i + 1] == level) << 8
            | np.uint16(c[i] == level) << 9
        )
        bits |= np.uint16(d[i + 2] == level) << 10 | np.uint16(d[i + 1] == level) << 11
        bits |= np.uint16(d[i] == level) << 12
        found[i] = bits * np.uint16(level > 0)


@compiled
def _count_pairs(levels: Levels, voxels: Places, offsets: Counts, pairs: Tallies) -> None:
    """Count each voxel's level with that of its next neighbour in each direction; those outside
    have level 0.
    """
    for place in voxels:
        level = np.uintp(levels[np.uintp(place)])
        for d in range(_N_DIRECTIONS):
            direction = np.uintp(d)
            pairs[direction, level, np.uintp(levels[np.uintp(place + offsets[direction])])] += 1


@compiled
def _count_runs(
    levels: Levels, equal: Bits, voxels: Places, offsets: Counts, lengths: Bits, reached: Tallies
) -> None:
    """Count how many runs of each level reach each length, along each direction.

    A voxel that is the k-th of its run shows that a run reaches k, so nothing asks where runs end.
    `lengths` is 0 at first.
    """
    for d in range(_N_DIRECTIONS):
        counts, offset, bit = reached[d], offsets[d], np.uint16(1 << d)
        for place in voxels:
            here = np.uintp(place)
            goes_on = np.uint16(equal[here] & bit != 0)
            length = goes_on * lengths[np.uintp(place - offset)] + np.uint16(1)
            lengths[here] = length
            counts[np.uintp(levels[here]), np.uintp(length)] += 1


@compiled
def _sum_around(
    greys: Levels, voxels: Places, row_step: int, plane_step: int, in_plane: Levels, around: Levels
) -> None:
    """Sum the grey levels of each voxel and its 26 neighbours: in each plane, then over three
    planes. An int16 holds 27 levels of a thousand or so.
    """
    first, n = voxels[0], voxels[-1] + 1 - voxels[0]
    start, count = first - plane_step, n + 2 * plane_step  # what is around is empty
    a = greys[start - row_step - 1 :][: count + 2]
    b = greys[start - 1 :][: count + 2]
    c = greys[start + row_step - 1 :][: count + 2]
    total = in_plane[start:][:count]
    for i in range(count):
        total[i] = (
            (a[i] + a[i + 1] + a[i + 2])
            + (b[i] + b[i + 1] + b[i + 2])
            + (c[i] + c[i + 1] + c[i + 2])
        )
    below, here, above = total[:n], total[plane_step:][:n], total[2 * plane_step :][:n]
    found = around[first:][:n]
    for i in range(n):
        found[i] = below[i] + here[i] + above[i]


@compiled
def _count_equal(
    equal: Bits, voxels: Places, row_step: int, plane_step: int, dependences: npt.NDArray[np.uint8]
) -> None:
    """Count the neighbours of a voxel's own level: the bits before it, and those of the 13 after it
    for it.
    """
    ones, pairs, halves = np.uint16(0x5555), np.uint16(0x3333), np.uint16(0x0F0F)
    first, n = voxels[0], voxels[-1] + 1 - voxels[0]
    here, right, found = (
        equal[first : first + n],
        equal[first + 1 : first + 1 + n],
        dependences[first : first + n],
    )
    at = first + row_step - 1
    a = equal[at : at + n + 2]
    at = first + plane_step - row_step - 1
    b = equal[at : at + n + 2]
    at = first + plane_step - 1
    c = equal[at : at + n + 2]
    at = first + plane_step + row_step - 1
    d = equal[at : at + n + 2]
    for i in range(n):
        before = here[i]
        after = right[i] & np.uint16(1)
        after |= (a[i] & np.uint16(2)) | (a[i + 1] & np.uint16(4)) | (a[i + 2] & np.uint16(8))
        after |= (b[i] & np.uint16(16)) | (b[i + 1] & np.uint16(32)) | (b[i + 2] & np.uint16(64))
        after |= (c[i] & np.uint16(128)) | (c[i + 1] & np.uint16(256)) | (c[i + 2] & np.uint16(512))
        after |= (
            (d[i] & np.uint16(1024)) | (d[i + 1] & np.uint16(2048)) | (d[i + 2] & np.uint16(4096))
        )
        before = (before & ones) + ((before >> np.uint16(1)) & ones)
        after = (after & ones) + ((after >> np.uint16(1)) & ones)
        before = (before & pairs) + ((before >> np.uint16(2)) & pairs)
        after = (after & pairs) + ((after >> np.uint16(2)) & pairs)
        both = (before & halves) + ((before >> np.uint16(4)) & halves)
        both += (after & halves) + ((after >> np.uint16(4)) & halves)
        found[i] = (both + (both >> np.uint16(8))) & np.uint16(31)


@compiled
def _count_voxels(
    levels: Levels,
    greys: Levels,
    voxels: Places,
    neighbours: npt.NDArray[np.uint8],
    around: Levels,
    dependences: npt.NDArray[np.uint8],
    gldm: Tallies,
    sums: Floats,
) -> None:
    """Count voxels by level and dependence, and sum their differences from their neighbours'
    mean.
    """
    for i in range(len(voxels)):
        place = np.uintp(voxels[i])
        level = np.uintp(levels[place])
        gldm[level, np.uintp(dependences[place])] += 1
        if neighbours[i] > 0:
            sums[level] += abs(greys[place] - (around[place] - greys[place]) / neighbours[i])
