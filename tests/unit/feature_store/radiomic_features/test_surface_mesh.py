"""The mesh that is counted cube by cube is PyRadiomics' mesh."""

from __future__ import annotations

import numpy as np
import pytest
from radiomics import cShape
from scipy import ndimage

from feature_store.radiomic_features.surface_mesh import surface_mesh


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 1.0, 2.0)])
@pytest.mark.parametrize("smoothness", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_area_volume_and_diameters(
    spacing: tuple[float, float, float], smoothness: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=rng.integers(2, 14, 3)), smoothness)
    mask = field > np.quantile(field, rng.uniform(0.2, 0.8))
    area, volume, diameters = cShape.calculate_coefficients(np.pad(mask, 1), np.array(spacing))
    mesh = surface_mesh(mask, spacing)
    np.testing.assert_allclose(
        [mesh.area_mm2, mesh.volume_mm3, *mesh.diameters_mm], [area, volume, *diameters]
    )


def test_a_large_ball_is_measured_by_its_outermost_vertices() -> None:
    ball = np.sum((np.indices((61, 61, 61)) - 30.0) ** 2, axis=0) <= 30**2
    mesh = surface_mesh(ball, (1.0, 1.0, 1.0))
    area, volume, diameters = cShape.calculate_coefficients(np.pad(ball, 1), np.ones(3))
    np.testing.assert_allclose(
        [mesh.area_mm2, mesh.volume_mm3, *mesh.diameters_mm], [area, volume, *diameters]
    )
