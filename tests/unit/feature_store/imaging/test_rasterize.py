"""A voxel belongs to a contour when its centre does; contours of another CT are refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.errors import ContourError
from feature_store.imaging.ct_volume import CtVolume, ct_volume
from feature_store.imaging.gtv_rules import select_gtv
from feature_store.imaging.rasterize import rasterize
from feature_store.imaging.reading import read_ct, read_rtstruct
from feature_store.imaging.structure_set import Roi
from tests.support.ct_volumes import AXIAL, SAGITTAL, ct_of, oblique

PARTS = 64
"""Of a voxel: its multiples keep all their digits when continuous indices are rounded to six."""


def volume(axes: npt.NDArray[np.float64] = AXIAL) -> CtVolume:
    return ct_of(np.zeros((9, 12, 14)), (1.5, 0.8, 3.0), axes)


def to_mm(index: npt.ArrayLike, grid: CtVolume) -> npt.NDArray[np.float64]:
    """Return points in mm of continuous indices (x, y, z)."""
    return np.asarray(
        np.asarray(grid.origin_mm)
        + (np.asarray(index, dtype=float) * grid.spacing_mm) @ grid.axes.T
    )


def rectangle(
    low: tuple[float, float], high: tuple[float, float], z: float
) -> list[tuple[float, float, float]]:
    (x0, y0), (x1, y1) = low, high
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def roi(grid: CtVolume, *contours: npt.ArrayLike, frame: str = "1.2.3") -> Roi:
    return Roi(1, "GTV", tuple(to_mm(points, grid) for points in contours), frame)


@pytest.mark.parametrize("axes", [AXIAL, oblique(15), SAGITTAL])
def test_voxel_centres_decide_whatever_the_orientation(axes: npt.NDArray[np.float64]) -> None:
    grid = volume(axes)
    mask = rasterize(
        roi(grid, rectangle((2.4, 3.6), (6.6, 8.4), 4), rectangle((2.6, 3.4), (6.4, 8.6), 5)), grid
    )
    expected = np.zeros(grid.hu.shape, dtype=bool)
    expected[4, 4:9, 3:7] = True
    expected[5, 4:9, 3:7] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_contour_within_another_is_a_hole_and_one_within_that_is_not() -> None:
    grid = volume()
    mask = rasterize(
        roi(
            grid,
            rectangle((0.5, 0.5), (12.5, 10.5), 2),
            rectangle((2.5, 2.5), (10.5, 8.5), 2),
            rectangle((4.5, 4.5), (8.5, 6.5), 2),
        ),
        grid,
    )
    assert int(mask[2].sum()) == 12 * 10 - 8 * 6 + 4 * 2
    assert mask[2, 1, 1]
    assert not mask[2, 3, 3]
    assert mask[2, 5, 5]


def test_a_keyhole_leaves_its_hole_open() -> None:
    grid = volume()
    outer = [(0.5, 0.5), (12.5, 0.5), (12.5, 10.5), (0.5, 10.5), (0.5, 5.2)]
    inner = [(4.5, 5.2), (4.5, 7.5), (8.5, 7.5), (8.5, 3.5), (4.5, 3.5), (4.5, 5.2), (0.5, 5.2)]
    mask = rasterize(roi(grid, [(x, y, 3) for x, y in outer + inner]), grid)
    assert int(mask[3].sum()) == 12 * 10 - 4 * 4
    assert not mask[3, 4:8, 5:9].any()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 13 * PARTS), st.integers(0, 11 * PARTS)), min_size=3, max_size=12
    )
)
def test_even_odd_of_any_polygon_agrees_with_a_ray_from_each_centre(
    corners: list[tuple[int, int]],
) -> None:
    """Corners at parts of a voxel, so that fractions decide exactly where an edge crosses a row, on
    a centre too: it is crossed at its lower end, not at its upper, and at or left of the centre.
    """
    grid = volume()
    polygon = [(Fraction(x, PARTS), Fraction(y, PARTS)) for x, y in corners]
    mask = rasterize(roi(grid, [(float(x), float(y), 4.0) for x, y in polygon]), grid)[4]
    edges = list(zip(polygon, polygon[1:] + polygon[:1], strict=True))
    expected = np.zeros_like(mask)
    for y, x in np.ndindex(mask.shape):
        crossings = [
            p[0] + (y - p[1]) * (q[0] - p[0]) / (q[1] - p[1])
            for p, q in edges
            if (p[1] <= y) != (q[1] <= y)
        ]
        expected[y, x] = sum(at <= x for at in crossings) % 2 == 1
    np.testing.assert_array_equal(mask, expected)


BOX = ((2.4, 3.6), (6.6, 8.4))


@pytest.mark.parametrize(
    ("contours", "code", "words"),
    [
        ([rectangle(*BOX, 8.7)], "contour-outside-ct", "leave the CT by up to 0.6 mm"),
        ([rectangle((-0.7, 3), (6, 8), 4)], "contour-outside-ct", "leave the CT by up to 0.3 mm"),
        ([rectangle(*BOX, 4.4)], "off-slice", "1.20 mm off the nearest slice"),
        ([[(2, 3, 4), (6, 3, 4), (6, 8, 5)]], "not-in-plane", "3.00 mm across the slices"),
        (
            [rectangle(*BOX, z) for z in (2, 4, 6)],
            "contours-skip-slices",
            "no contour on 1 slice(s)",
        ),
    ],
)
def test_contours_that_cannot_be_of_this_ct(
    contours: list[npt.ArrayLike], code: str, words: str
) -> None:
    grid = volume()
    with pytest.raises(ContourError) as caught:
        rasterize(roi(grid, *contours), grid)
    assert caught.value.code == code
    assert words in str(caught.value)


@pytest.mark.parametrize("frame", ["1.2.4", None])
def test_another_frame_of_reference_is_refused(frame: str | None) -> None:
    grid = volume()
    other = Roi(1, "GTV", (to_mm(rectangle(*BOX, 4), grid),), frame)
    with pytest.raises(ContourError, match="not in the Frame of Reference"):
        rasterize(other, grid)


def test_two_pieces_apart_along_the_normal_are_one_region() -> None:
    grid = volume()
    pieces = roi(grid, rectangle((1.5, 1.5), (5.5, 5.5), 1), rectangle((7.5, 6.5), (11.5, 10.5), 5))
    assert int(rasterize(pieces, grid).sum()) == 32


@pytest.mark.real_data
def test_pat1_equals_its_reference_mask_voxel_for_voxel(real_data: Path) -> None:
    ct = ct_volume(read_ct(sorted((real_data / "pat1" / "ct").glob("*.dcm"))))
    gtv = select_gtv(
        read_rtstruct(next((real_data / "pat1" / "rtstruct").glob("*.dcm"))).structure_set, "gtv-1"
    )
    mask = rasterize(gtv, ct)
    reference = SimpleITK.ReadImage(str(real_data / "pat1" / "nifti_mask" / "mask.nii.gz"))
    assert int(mask.sum()) == 125_256
    np.testing.assert_array_equal(mask, SimpleITK.GetArrayFromImage(reference) > 0)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("patient", "voxels"),
    [("001", 117145), ("002", 17090), ("003", 25693), ("008", 8862), ("019", 5564), ("025", 9655)],
)
def test_other_real_contours_fill_their_area(real_data: Path, patient: str, voxels: int) -> None:
    folder = real_data / "sts" / f"STS_{patient}"
    ct = ct_volume(read_ct(sorted((folder / "ct").glob("*.dcm"))))
    gtv = select_gtv(read_rtstruct(folder / "rtstruct" / "RS.dcm").structure_set, "gtv_mass_ct")
    mask = rasterize(gtv, ct)
    area_mm2 = sum(
        0.5 * abs(np.dot(c[:, 0], np.roll(c[:, 1], 1)) - np.dot(c[:, 1], np.roll(c[:, 0], 1)))
        for c in gtv.contours
    )
    assert int(mask.sum()) == voxels
    assert mask.sum() * ct.spacing_mm[0] * ct.spacing_mm[1] == pytest.approx(area_mm2, rel=0.02)
