"""How far points lie beyond a CT, whatever its orientation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.ct_volumes import AXIAL, SAGITTAL, ct_of, oblique


@pytest.mark.parametrize("axes", [AXIAL, oblique(15), SAGITTAL])
@pytest.mark.parametrize(
    ("index", "beyond_mm"),
    [
        ((0, 0, 0), -0.4),  # half a voxel of 0.8 mm within the nearest face
        ((13.5, 11.5, 8.5), 0.0),  # the farthest corner of the last voxel
        ((3, 3, 9.5), 3.0),
        ((-2.5, 3, 4), 3.0),
    ],
)
def test_the_farthest_point_counts(
    axes: npt.NDArray[np.float64], index: tuple[float, float, float], beyond_mm: float
) -> None:
    ct = ct_of(np.zeros((9, 12, 14)), (1.5, 0.8, 3.0), axes)
    corner = np.asarray(ct.origin_mm) + (np.array([index, (5, 5, 5)]) * ct.spacing_mm) @ ct.axes.T
    assert ct.extent.beyond_mm(corner) == pytest.approx(beyond_mm, abs=1e-9)
