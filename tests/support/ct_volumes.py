"""CT volumes made of arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feature_store.imaging.ct_headers import Acquisition
from feature_store.imaging.ct_volume import CtVolume

ACQUISITION = Acquisition(120.0, 3.0, None, None, None, 12, 14, missing_tags=())
AXIAL = np.eye(3)
SAGITTAL = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])


def oblique(degrees: float) -> npt.NDArray[np.float64]:
    angle = np.deg2rad(degrees)
    return np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )


def ct_of(
    hu: npt.NDArray[np.floating],
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    axes: npt.ArrayLike = AXIAL,
) -> CtVolume:
    """Return a CT of HU (z, y, x); the spacing is along (x, y, z)."""
    direction = tuple(np.asarray(axes, dtype=float).ravel())
    values = np.array(hu, dtype=np.float32)
    return CtVolume(values, spacing_mm, (-7.0, 11.0, -40.0), direction, "1.2.3", "1.2", ACQUISITION)


def noise(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], axes: npt.ArrayLike = AXIAL
) -> CtVolume:
    return ct_of(np.random.default_rng(5).normal(0, 300, shape), spacing_mm, axes)
