"""Texture matrices of one region: all five from one look at each voxel's 26 neighbours, and the zones by flooding.

The matrices are those of PyRadiomics with its defaults: distance 1, one matrix per direction and no merging of
directions for GLCM and GLRLM, dependence at equal grey levels for GLDM. Only the grey levels that occur have rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flat = npt.NDArray[np.int32]

# The first of each pair of opposite neighbours: later in memory, so that index offsets are positive.
_DIRECTIONS = tuple((z, y, x) for z in (0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1) if (z, y, x) > (0, 0, 0))
_N_DIRECTIONS = 13
_N_DEPENDENCES = 27


@dataclass(frozen=True, eq=False)
class TextureRegion:
    """Where the voxels of a region are, made once for all of its images.

    Parameters
    ----------
    padded_size : int
        Number of voxels of the region's box with one voxel around it.
    voxels : ndarray of int32, shape (n,)
        Places of the region's voxels in that box, ascending.
    offsets : ndarray of int64, shape (13,)
        Steps to the neighbours of half of the directions.
    used_directions : ndarray of bool, shape (13,)
        Whether a line along the direction holds more than one voxel; PyRadiomics leaves out the others' runs.
    longest_run : int
        Largest extent of the box.
    """

    padded_size: int
    voxels: Flat
    offsets: Counts
    used_directions: npt.NDArray[np.bool_]
    longest_run: int

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> TextureRegion:
        """Locate the voxels of `mask`, of shape (z, y, x) and not empty."""
        padded = np.pad(mask, 1)
        offsets = np.array([_offset(padded.shape, direction) for direction in _DIRECTIONS], dtype=np.int64)
        voxels = np.flatnonzero(padded).astype(np.int32)
        used = np.array([_has_line(padded, direction) for direction in _DIRECTIONS])
        return cls(padded.size, voxels, offsets, used, max(mask.shape))


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
        Voxels of each level, and the sum of their absolute differences from their neighbours' mean (IBSI IPET).
    """

    levels: Floats
    glcm: Floats
    glrlm: Floats
    glszm: Floats
    zone_sizes: Floats
    gldm: Floats
    ngtdm_counts: Floats
    ngtdm_sums: Floats


def texture_matrices(region: TextureRegion, grey_levels: npt.NDArray[np.integer]) -> TextureMatrices:
    """Count the patterns of a region.

    Parameters
    ----------
    region : TextureRegion
        Where the voxels are.
    grey_levels : ndarray of int, shape (n,)
        Grey level of each voxel, from 1, in the order of `region.voxels`.
    """
    occurring = np.flatnonzero(np.bincount(grey_levels))
    n = len(occurring)
    ranks = np.zeros(int(occurring[-1]) + 1, dtype=np.int32)
    ranks[occurring] = np.arange(1, n + 1)
    labels = np.zeros(region.padded_size, dtype=np.int32)
    labels[region.voxels] = ranks[grey_levels]
    values = np.concatenate(([0], occurring)).astype(np.int64)
    glcm = np.zeros((_N_DIRECTIONS, n + 1, n + 1), dtype=np.int32)
    glrlm = np.zeros((_N_DIRECTIONS, n + 1, region.longest_run), dtype=np.int32)
    gldm = np.zeros((n + 1, _N_DEPENDENCES), dtype=np.int32)
    counts, sums = np.zeros(n + 1), np.zeros(n + 1)
    longest = _count_neighbours(labels, region.voxels, region.offsets, values, glcm, glrlm, gldm, counts, sums)
    zone_ranks, zone_sizes = _flood_zones(labels, region.voxels, region.offsets)
    sizes, columns = np.unique(zone_sizes, return_inverse=True)
    glszm = np.bincount(zone_ranks * len(sizes) + columns, minlength=n * len(sizes)).reshape(n, len(sizes))
    one_way = glcm[:, 1:, 1:].astype(np.float64)
    return TextureMatrices(
        levels=occurring.astype(np.float64),
        glcm=one_way + one_way.transpose(0, 2, 1),
        glrlm=glrlm[region.used_directions, 1:, :longest].astype(np.float64),
        glszm=glszm.astype(np.float64),
        zone_sizes=sizes.astype(np.float64),
        gldm=gldm[1:].astype(np.float64),
        ngtdm_counts=counts[1:],
        ngtdm_sums=sums[1:],
    )


def _has_line(padded: npt.NDArray[np.bool_], direction: tuple[int, int, int]) -> bool:
    """Tell whether two voxels lie on one line along a direction, adjacent or not; the outermost voxels are empty."""
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


@compiled
def _count_neighbours(
    labels: Flat,
    voxels: Flat,
    offsets: Counts,
    values: Counts,
    glcm: Flat,
    glrlm: Flat,
    gldm: Flat,
    counts: Floats,
    sums: Floats,
) -> int:
    """Fill the matrices; `labels` are ranks from 1, 0 outside the region. Return the longest run.

    Nearly nothing branches, since what a neighbour is cannot be predicted: what does not count adds 0, or to the
    matrices' unused row of level 0. Indices are unsigned, since signed ones are looked at for counting from the end.
    """
    lengths = np.zeros((len(labels), _N_DIRECTIONS), dtype=np.uint16)  # of the run before each voxel
    longest = np.int64(0)
    for place in voxels:
        here, label = np.uintp(place), np.uintp(labels[np.uintp(place)])
        neighbours, total, dependence = np.int64(0), np.int64(0), np.int64(0)
        for d in range(_N_DIRECTIONS):
            direction, last = np.uintp(d), np.uintp(place - offsets[np.uintp(d)])
            after, before = np.uintp(labels[np.uintp(place + offsets[direction])]), np.uintp(labels[last])
            same = np.int64(before == label)
            glcm[direction, label, after] += 1
            neighbours += np.int64(after > 0) + np.int64(before > 0)
            total += values[after] + values[before]
            dependence += np.int64(after == label) + same
            length = same * (np.int64(lengths[last, direction]) + 1)
            lengths[here, direction] = length
            glrlm[direction, label, np.uintp(length)] += np.int32(after != label)
            if length > longest:  # noqa: PLR1730 - max() is not typed for numpy's integers
                longest = length
        gldm[label, np.uintp(dependence)] += 1
        counts[label] += 1
        if neighbours > 0:
            sums[label] += abs(values[label] - total / neighbours)
    return int(longest) + 1


@compiled
def _flood_zones(labels: Flat, voxels: Flat, offsets: Counts) -> tuple[Counts, Counts]:
    """Return the rank from 0 and the size of each connected zone of one level; `labels` is 0 afterwards."""
    ranks = np.empty(len(voxels), dtype=np.int64)
    sizes = np.empty(len(voxels), dtype=np.int64)
    stack = np.empty(len(voxels), dtype=np.int64)
    found = 0
    for place in voxels:
        label = labels[place]
        if label == 0:
            continue
        labels[place] = 0
        stack[0] = place
        height, size = 1, 0
        while height > 0:
            height -= 1
            here = stack[height]
            size += 1
            for direction in range(_N_DIRECTIONS):
                offset = offsets[direction]
                if labels[here + offset] == label:
                    labels[here + offset] = 0
                    stack[height] = here + offset
                    height += 1
                if labels[here - offset] == label:
                    labels[here - offset] = 0
                    stack[height] = here - offset
                    height += 1
        ranks[found] = label - 1
        sizes[found] = size
        found += 1
    return ranks[:found], sizes[:found]
