"""Shape features of a region, with the definitions of PyRadiomics 3.0.1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
    places = np.argwhere(mask) * np.array([z, y, x])
    voxels = len(places)
    places -= places.mean(axis=0)
    variances = np.linalg.eigvalsh(places.T @ places / voxels)  # ascending
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
