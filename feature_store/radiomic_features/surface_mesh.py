"""Area, volume and diameters of a region's surface mesh, as PyRadiomics defines them, in linear
time.

PyRadiomics' mesh is made cube by cube: each cube of 2 x 2 x 2 voxels adds triangles that depend
only on which of its corners are inside. What each of the 256 kinds of cube adds is asked once of
PyRadiomics' own compiled function, on grids of one and two cubes; a region is then a count of its
cubes. Diameters need only the outermost mesh vertices, not all pairs of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from feature_store.compiled import compiled

Floats = npt.NDArray[np.float64]
Halves = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

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
        Largest distance of two vertices with the same z, with the same y, with the same x, and of
        any two (IBSI L0JK).
    """

    area_mm2: float
    volume_mm3: float
    diameters_mm: tuple[float, float, float, float]


def surface_mesh(mask: Mask, spacing_mm: tuple[float, float, float]) -> SurfaceMesh:
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
    counts, places = np.zeros(256, dtype=np.int64), np.zeros((256, 3), dtype=np.int64)
    _count_cubes(padded, counts, places)
    diameters = _diameters_mm(padded, np.asarray(spacing_mm))
    return SurfaceMesh(
        float(counts @ areas), float(counts @ volumes + (places * slopes).sum()), diameters
    )


def _compiled_shape() -> Any:
    """Return PyRadiomics' compiled module of shapes without the package around it, which loads
    SimpleITK: 90 MB.
    """
    places = find_spec("radiomics").submodule_search_locations  # type: ignore[union-attr]
    spec: Any = PathFinder.find_spec("radiomics._cshape", places)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=8)
def _cube_table(spacing_mm: tuple[float, float, float]) -> tuple[Floats, Floats, Floats]:
    """Return area (256,), volume (256,) and change of volume with the cube's place (256, 3) for
    each kind of cube.
    """
    shape = _compiled_shape()
    spacing = np.asarray(spacing_mm)
    areas, volumes, slopes = np.zeros(256), np.zeros(256), np.zeros((256, 3))
    cubes = [
        np.array([kind >> bit & 1 for bit in range(8)], dtype=np.bool_).reshape(2, 2, 2)
        for kind in range(256)
    ]
    for kind, cube in enumerate(cubes):
        areas[kind], volumes[kind], _ = shape.calculate_coefficients(cube, spacing)
    weights = 1 << np.arange(8)
    for kind, cube in enumerate(cubes):
        for axis in range(3):
            before = np.zeros((2, 2, 2), dtype=np.bool_)
            np.moveaxis(before, axis, 0)[1] = np.moveaxis(cube, axis, 0)[0]
            pair = np.concatenate([np.take(before, [0], axis), cube], axis)
            both = shape.calculate_coefficients(np.ascontiguousarray(pair), spacing)[1]
            slopes[kind, axis] = both - volumes[int(before.ravel() @ weights)] - volumes[kind]
    return areas, volumes, slopes


def _diameters_mm(padded: Mask, spacing: Floats) -> tuple[float, float, float, float]:
    depth, height, width = (2 * n for n in padded.shape)
    low_x, high_x = np.full((depth, height), -1), np.full((depth, height), -1)
    low_y, high_y = np.full((depth, width), -1), np.full((depth, width), -1)
    _find_ends(padded, low_x, high_x, low_y, high_y)
    half = spacing / 2
    outermost = _outermost(low_x, high_x)
    in_slice = _largest_in_planes(low_x, high_x, *outermost, half[1], half[2])
    in_column = _largest_in_planes(*_turned(low_x, high_x), half[0], half[2])
    in_row = _largest_in_planes(*_turned(low_y, high_y), half[0], half[1])
    places = [
        np.stack([*np.nonzero(kept), ends[kept]], axis=1)
        for kept, ends in zip(outermost, (low_x, high_x), strict=True)
    ]
    points = np.concatenate(places) * half
    largest = float(pdist(points[ConvexHull(points).vertices]).max())
    return in_slice, in_column, in_row, largest


def _turned(low: Halves, high: Halves) -> tuple[Halves, Halves, Mask, Mask]:
    """Return ends by row and plane instead of by plane and row, and which are outermost."""
    low, high = np.ascontiguousarray(low.T), np.ascontiguousarray(high.T)
    return low, high, *_outermost(low, high)


def _outermost(low: Halves, high: Halves) -> tuple[Mask, Mask]:
    """Return which ends are corners of the convex hull of their plane."""
    left, right = np.zeros(low.shape, dtype=np.bool_), np.zeros(low.shape, dtype=np.bool_)
    _find_corners(low, high >= 0, 1, left)
    _find_corners(high, high >= 0, -1, right)
    return left, right


def _largest_in_planes(
    low: Halves, high: Halves, left: Mask, right: Mask, row_mm: float, column_mm: float
) -> float:
    """Return the largest distance of two vertices in one plane; planes that are too small for it
    are not searched.
    """
    used = high >= 0
    rows = used.shape[1] - used[:, ::-1].argmax(axis=1) - 1 - used.argmax(axis=1)
    columns = high.max(axis=1) - np.where(used, low, high.max()).min(axis=1)
    squares = np.where(used.any(axis=1), (rows * row_mm) ** 2 + (columns * column_mm) ** 2, 0)
    order = np.argsort(-squares)
    return float(np.sqrt(_search_planes(low, high, left, right, order, squares, row_mm, column_mm)))


@compiled
def _count_cubes(padded: Mask, counts: Halves, places: Halves) -> None:
    """Count cubes by their kind, but for those all within or all outside, and sum their places;
    the corners' bits are in the order of `_CORNERS`.
    """
    depth, height, width = padded.shape
    for z in range(depth - 1):
        for y in range(height - 1):
            a, b, c, d = padded[z, y], padded[z, y + 1], padded[z + 1, y], padded[z + 1, y + 1]
            before = 0  # the outermost voxels are empty
            for x in range(1, width):
                after = a[x] | b[x] << 2 | c[x] << 4 | d[x] << 6
                kind = before | after << 1
                before = after
                if 0 < kind < 255:
                    counts[kind] += 1
                    places[kind, 0] += z
                    places[kind, 1] += y
                    places[kind, 2] += x - 1


@compiled
def _find_ends(padded: Mask, low_x: Halves, high_x: Halves, low_y: Halves, high_y: Halves) -> None:
    """Find the lowest and highest x at each (z, y), and y at each (z, x), of the mesh's vertices:
    the middles of edges with one end in the region; in half voxels, -1 where there is none.
    """
    depth, height, width = padded.shape
    for z in range(depth - 1):
        for y in range(height - 1):
            here, next_y, next_z = padded[z, y], padded[z, y + 1], padded[z + 1, y]
            for x in range(width - 1):
                if here[x] != here[x + 1]:
                    _widen(low_x, high_x, 2 * z, 2 * y, 2 * x + 1)
                    _widen(low_y, high_y, 2 * z, 2 * x + 1, 2 * y)
                if here[x] != next_y[x]:
                    _widen(low_x, high_x, 2 * z, 2 * y + 1, 2 * x)
                    _widen(low_y, high_y, 2 * z, 2 * x, 2 * y + 1)
                if here[x] != next_z[x]:
                    _widen(low_x, high_x, 2 * z + 1, 2 * y, 2 * x)
                    _widen(low_y, high_y, 2 * z + 1, 2 * x, 2 * y)


@compiled
def _widen(low: Halves, high: Halves, plane: int, row: int, column: int) -> None:
    high[plane, row] = max(high[plane, row], column)
    if low[plane, row] < 0 or low[plane, row] > column:
        low[plane, row] = column


@compiled
def _find_corners(ends: Halves, used: Mask, side: int, corners: Mask) -> None:
    """Find the rows whose ends are no nearer than the line between those around: of the lowest
    columns with `side` 1, of the highest with -1.
    """
    chain = np.empty(ends.shape[1], dtype=np.int64)
    for plane in range(len(ends)):
        n, columns = 0, ends[plane]
        for row in range(len(columns)):
            if not used[plane, row]:
                continue
            while n > 1:
                first, middle = chain[n - 2], chain[n - 1]
                along = (columns[row] - columns[first]) * (middle - first)
                if side * ((columns[middle] - columns[first]) * (row - first) - along) < 0:
                    break
                n -= 1
            chain[n] = row
            n += 1
        for k in range(n):
            corners[plane, chain[k]] = True


@compiled
def _search_planes(
    low: Halves,
    high: Halves,
    left: Mask,
    right: Mask,
    order: Halves,
    squares: Floats,
    row_mm: float,
    column_mm: float,
) -> float:
    """Return the largest squared distance of corners; `squares` are those of the planes' bounding
    boxes, `order` descending.
    """
    at_row, at_column = np.empty(2 * low.shape[1]), np.empty(2 * low.shape[1])
    largest = 0.0
    for plane in order:
        if squares[plane] <= largest:
            break
        n = 0
        for row in range(low.shape[1]):
            if left[plane, row]:
                at_row[n], at_column[n] = row * row_mm, low[plane, row] * column_mm
                n += 1
            if right[plane, row]:
                at_row[n], at_column[n] = row * row_mm, high[plane, row] * column_mm
                n += 1
        for i in range(n):
            for j in range(i):
                largest = max(
                    largest, (at_row[i] - at_row[j]) ** 2 + (at_column[i] - at_column[j]) ** 2
                )
    return largest
