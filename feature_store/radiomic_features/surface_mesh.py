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


def surface_mesh(
    mask: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> SurfaceMesh:
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
        part = padded[
            tuple(slice(start, start + n) for start, n in zip(corner, kinds.shape, strict=True))
        ]
        kinds |= part.astype(np.uint8) << bit
    at = np.nonzero((kinds > 0) & (kinds < 255))
    found = kinds[at]
    volume = volumes[found].sum() + (slopes[found] * np.stack(at, axis=1)).sum()
    vertices = [_edge_middles(padded, axis) for axis in range(3)]
    diameters = _diameters_mm(np.concatenate(vertices), np.asarray(spacing_mm))
    return SurfaceMesh(float(areas[found].sum()), float(volume), diameters)


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


def _edge_middles(padded: npt.NDArray[np.bool_], axis: int) -> Halves:
    """Return the mesh vertices on the edges along an axis, shape (n, 3), in half voxels."""
    index = 2 * np.argwhere(np.diff(padded, axis=axis))
    index[:, axis] += 1
    return index


def _diameters_mm(vertices: Halves, spacing: Floats) -> tuple[float, float, float, float]:
    half = spacing / 2
    ends = [_line_ends(vertices, *axes) for axes in ((0, 1, 2), (1, 0, 2), (2, 0, 1))]
    in_slice = _largest_in_planes(*ends[0], half[1], half[2])
    in_column = _largest_in_planes(*ends[1], half[0], half[2])
    in_row = _largest_in_planes(*ends[2], half[0], half[1])
    low, high = ends[0]
    z, y = np.nonzero(high >= 0)
    outermost = np.concatenate([np.stack([z, y, x[z, y]], axis=1) for x in (low, high)])
    points = outermost * half
    largest = float(pdist(points[ConvexHull(points).vertices]).max())
    return in_slice, in_column, in_row, largest


def _line_ends(vertices: Halves, plane: int, row: int, column: int) -> tuple[Halves, Halves]:
    """Return the lowest and highest column of the vertices in each row of each plane; where there
    are none, -1.
    """
    shape = vertices[:, plane].max() + 1, vertices[:, row].max() + 1
    low, high = np.full(shape, -1), np.full(shape, -1)
    _spread(np.ascontiguousarray(vertices[:, [plane, row, column]]), low, high)
    return low, high


def _largest_in_planes(low: Halves, high: Halves, row_mm: float, column_mm: float) -> float:
    """Return the largest distance of two vertices in one plane; planes that are too small for it
    are not searched.
    """
    used = high >= 0
    occupied = np.flatnonzero(used.any(axis=1))
    low, high, used = low[occupied], high[occupied], used[occupied]
    rows = used.shape[1] - used[:, ::-1].argmax(axis=1) - 1 - used.argmax(axis=1)
    columns = high.max(axis=1) - np.where(used, low, high.max()).min(axis=1)
    squares = (rows * row_mm) ** 2 + (columns * column_mm) ** 2
    return float(
        np.sqrt(_search_planes(low, high, np.argsort(-squares), squares, row_mm, column_mm))
    )


@compiled
def _spread(vertices: Halves, low: Halves, high: Halves) -> None:
    """Note the lowest and highest column of each row of each plane; `vertices` are (plane, row,
    column).
    """
    for i in range(len(vertices)):
        plane, row, column = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        high[plane, row] = max(high[plane, row], column)
        if low[plane, row] < 0 or low[plane, row] > column:
            low[plane, row] = column


@compiled
def _search_planes(
    low: Halves, high: Halves, order: Halves, squares: Floats, row_mm: float, column_mm: float
) -> float:
    """Return the largest squared distance; `squares` are those of the planes' bounding boxes,
    `order` descending.
    """
    at_row, at_column = np.empty(2 * low.shape[1]), np.empty(2 * low.shape[1])
    largest = 0.0
    for plane in order:
        if squares[plane] <= largest:
            break
        n = 0
        for row in range(low.shape[1]):
            if high[plane, row] >= 0:
                at_row[n], at_column[n] = row * row_mm, low[plane, row] * column_mm
                at_row[n + 1], at_column[n + 1] = row * row_mm, high[plane, row] * column_mm
                n += 2
        for i in range(n):
            for j in range(i):
                largest = max(
                    largest, (at_row[i] - at_row[j]) ** 2 + (at_column[i] - at_column[j]) ** 2
                )
    return largest
