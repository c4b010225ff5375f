"""Area, volume and diameters of a region's surface mesh, as PyRadiomics defines them, in linear time.

PyRadiomics' mesh is made cube by cube: each cube of 2 x 2 x 2 voxels adds triangles that depend only on which of its
corners are inside. What each of the 256 kinds of cube adds is asked once of PyRadiomics' own compiled function, on
grids of one and two cubes; a region is then a count of its cubes. Diameters need only the outermost mesh vertices,
not all pairs of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

Floats = npt.NDArray[np.float64]

_CORNERS = tuple(product((0, 1), repeat=3))


@dataclass(frozen=True)
class SurfaceMesh:
    """The mesh of a region.

    Parameters
    ----------
    area_mm2 : float
        Surface area (IBSI C0JK).
    volume_mm3 : float
        Enclosed volume (IBSI RNU0).
    diameters_mm : tuple of 4 float
        Largest distance of two vertices with the same z, with the same y, with the same x, and of any two (IBSI L0JK).
    """

    area_mm2: float
    volume_mm3: float
    diameters_mm: tuple[float, float, float, float]


def surface_mesh(mask: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> SurfaceMesh:
    """Measure the mesh of a region.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The region; not empty. Its outermost voxels may lie at the faces of the array.
    spacing_mm : tuple of 3 float
        Along (z, y, x).
    """
    padded = np.pad(mask, 1)
    areas, volumes, slopes = _cube_table(spacing_mm)
    kinds = np.zeros([n - 1 for n in padded.shape], dtype=np.uint8)
    for bit, corner in enumerate(_CORNERS):
        part = padded[tuple(slice(start, start + n) for start, n in zip(corner, kinds.shape, strict=True))]
        kinds |= part.astype(np.uint8) << bit
    at = np.nonzero((kinds > 0) & (kinds < 255))
    found = kinds[at]
    volume = volumes[found].sum() + (slopes[found] * np.stack(at, axis=1)).sum()
    vertices = [_edge_middles(padded, axis) for axis in range(3)]
    diameters = _diameters_mm(np.concatenate(vertices), np.asarray(spacing_mm))
    return SurfaceMesh(float(areas[found].sum()), float(volume), diameters)


@lru_cache(maxsize=8)
def _cube_table(spacing_mm: tuple[float, float, float]) -> tuple[Floats, Floats, Floats]:
    """Return area (256,), volume (256,) and change of volume with the cube's place (256, 3) for each kind of cube."""
    from radiomics import cShape  # noqa: PLC0415 - importing PyRadiomics takes about a second

    spacing = np.asarray(spacing_mm)
    areas, volumes, slopes = np.zeros(256), np.zeros(256), np.zeros((256, 3))
    cubes = [np.array([kind >> bit & 1 for bit in range(8)], dtype=np.bool_).reshape(2, 2, 2) for kind in range(256)]
    for kind, cube in enumerate(cubes):
        areas[kind], volumes[kind], _ = cShape.calculate_coefficients(cube, spacing)
    weights = 1 << np.arange(8)
    for kind, cube in enumerate(cubes):
        for axis in range(3):
            before = np.zeros((2, 2, 2), dtype=np.bool_)
            np.moveaxis(before, axis, 0)[1] = np.moveaxis(cube, axis, 0)[0]
            pair = np.concatenate([np.take(before, [0], axis), cube], axis)
            both = cShape.calculate_coefficients(np.ascontiguousarray(pair), spacing)[1]
            slopes[kind, axis] = both - volumes[int(before.ravel() @ weights)] - volumes[kind]
    return areas, volumes, slopes


def _edge_middles(padded: npt.NDArray[np.bool_], axis: int) -> Floats:
    """Return the mesh vertices on the edges along an axis, shape (n, 3), in voxels."""
    index = np.argwhere(np.diff(padded, axis=axis)).astype(np.float64)
    index[:, axis] += 0.5
    return index


def _diameters_mm(vertices: Floats, spacing: Floats) -> tuple[float, float, float, float]:
    points = vertices * spacing
    z, y, x = (max(_largest_distance(group) for group in _groups(vertices[:, axis], points)) for axis in range(3))
    return z, y, x, _largest_distance(points[ConvexHull(points).vertices])


def _groups(key: Floats, points: Floats) -> list[Floats]:
    order = np.argsort(key, kind="stable")
    return np.split(points[order], np.flatnonzero(np.diff(key[order])) + 1)


def _largest_distance(points: Floats) -> float:
    """Return the largest distance of two points; only the outermost of each line of them can have it."""
    if len(points) > 64:
        spread = np.argsort(np.ptp(points, axis=0))
        lines, along = points[:, spread[:2]], points[:, spread[2]]
        order = np.lexsort((along, lines[:, 1], lines[:, 0]))
        changes = np.any(np.diff(lines[order], axis=0) != 0, axis=1)
        points = points[order[np.r_[True, changes] | np.r_[changes, True]]]
    return float(pdist(points).max()) if len(points) > 1 else 0.0
