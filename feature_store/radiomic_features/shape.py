"""Shape features of a region, with the definitions of PyRadiomics 3.0.1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.radiomic_features.surface_mesh import surface_mesh


def shape_features(
    mask: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> dict[str, float]:
    """Return the 14 shape features (IBSI HCUG).

    They are IBSI's. Maximum2DDiameterSlice, Column and Row, which IBSI does not have, are the
    largest distances of mesh vertices with the same z, y and x.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The region, cropped to its bounding box.
    spacing_mm : tuple of 3 float
        Along (x, y, z).
    """
    x, y, z = spacing_mm
    mesh = surface_mesh(mask, (z, y, x))
    voxels = int(np.count_nonzero(mask))
    first, second = np.zeros(3, dtype=np.int64), np.zeros((3, 3), dtype=np.int64)
    _sum_places(np.ascontiguousarray(mask), first, second)
    # Whole numbers, so nothing is lost where the sums are large and their difference is small.
    of_places = (voxels * second.astype(object) - np.outer(first, first).astype(object)) / voxels**2
    variances = np.linalg.eigvalsh(of_places.astype(np.float64) * np.outer((z, y, x), (z, y, x)))
    variances[(variances < 0) & (variances > -1e-10)] = 0
    least, minor, major = np.sqrt(variances).tolist()
    in_slice, in_column, in_row, largest = mesh.diameters_mm
    return {
        "Elongation": minor / major,  # Q3CK
        "Flatness": least / major,  # N17B
        "LeastAxisLength": 4 * least,  # 7J51
        "MajorAxisLength": 4 * major,  # TDIC
        "Maximum2DDiameterColumn": in_column,
        "Maximum2DDiameterRow": in_row,
        "Maximum2DDiameterSlice": in_slice,
        "Maximum3DDiameter": largest,  # L0JK
        "MeshVolume": mesh.volume_mm3,  # RNU0
        "MinorAxisLength": 4 * minor,  # P9VJ
        "Sphericity": (36 * np.pi * mesh.volume_mm3**2) ** (1 / 3) / mesh.area_mm2,  # QCFX
        "SurfaceArea": mesh.area_mm2,  # C0JK
        "SurfaceVolumeRatio": mesh.area_mm2 / mesh.volume_mm3,  # 2PR5
        "VoxelVolume": voxels * x * y * z,  # YEKZ
    }


@compiled
def _sum_places(
    mask: npt.NDArray[np.bool_], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> None:
    """Sum the places (z, y, x) of a mask's voxels, and their products."""
    for z in range(mask.shape[0]):
        for y in range(mask.shape[1]):
            row = mask[z, y]
            count = total = squares = 0
            for x in range(len(row)):
                count += row[x]
                total += row[x] * x
                squares += row[x] * x * x
            first[0] += z * count
            first[1] += y * count
            first[2] += total
            second[0, 0] += z * z * count
            second[1, 1] += y * y * count
            second[2, 2] += squares
            second[0, 1] += z * y * count
            second[0, 2] += z * total
            second[1, 2] += y * total
    second[1, 0], second[2, 0], second[2, 1] = second[0, 1], second[0, 2], second[1, 2]
