"""A voxel belongs to a contour when its centre does; contours of another CT are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK

from feature_store.errors import ContourError
from feature_store.imaging.contour_combination import OverlappingContours
from feature_store.imaging.ct_volume import CtVolume, ct_volume
from feature_store.imaging.gtv_choice import select_gtv
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
    ).mask
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
    ).mask
    assert int(mask[2].sum()) == 12 * 10 - 8 * 6 + 4 * 2
    assert mask[2, 1, 1]
    assert not mask[2, 3, 3]
    assert mask[2, 5, 5]


def test_a_keyhole_leaves_its_hole_open() -> None:
    grid = volume()
    outer = [(0.5, 0.5), (12.5, 0.5), (12.5, 10.5), (0.5, 10.5), (0.5, 5.2)]
    inner = [(4.5, 5.2), (4.5, 7.5), (8.5, 7.5), (8.5, 3.5), (4.5, 3.5), (4.5, 5.2), (0.5, 5.2)]
    mask = rasterize(roi(grid, [(x, y, 3) for x, y in outer + inner]), grid).mask
    assert int(mask[3].sum()) == 12 * 10 - 4 * 4
    assert not mask[3, 4:8, 5:9].any()


BOX = ((2.4, 3.6), (6.6, 8.4))


@pytest.mark.parametrize(
    ("contours", "code", "words"),
    [
        ([rectangle(*BOX, 8.7)], "contour-outside-ct", "leaves the CT by up to 0.6 mm"),
        ([rectangle((-0.7, 3), (6, 8), 4)], "contour-outside-ct", "leaves the CT by up to 0.3 mm"),
        ([rectangle(*BOX, 4.4)], "off-slice", "1.20 mm off the nearest slice"),
        ([[(2, 3, 4), (6, 3, 4), (6, 8, 5)]], "not-in-plane", "3.00 mm across the slices"),
        (
            [rectangle(*BOX, z) for z in (2, 4, 6)],
            "contours-skip-slices",
            "no contour on 1 slice between",
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


def ring(z: float, by: float = 0) -> list[tuple[float, float, float]]:
    return rectangle((2.4 + by, 3.6), (6.6 + by, 8.4), z)


@pytest.mark.parametrize(
    ("contours", "code", "words"),
    [
        ([ring(4), ring(4, 2)], "overlapping-contours", "slice 5 contours that overlap"),
        ([ring(4), ring(4, 0.7)], "nearly-repeated-contours", "(number 1 and 2 of its 2)"),
        ([ring(4), ring(4.2, 5)], "contours-at-different-depths", "0.60 mm apart"),
        (
            [[(2.4, 3.6, 4), (9, 3.6, 4), (4, 8.4, 4), (2, 1, 4), (9, 3, 4), (4, 8, 4)]],
            "contour-overlaps-itself",
            "(number 1 of its 1)",
        ),
    ],
)
def test_contours_of_one_slice_that_do_not_make_a_mask(
    contours: list[npt.ArrayLike], code: str, words: str
) -> None:
    grid = volume()
    with pytest.raises(ContourError) as caught:
        rasterize(roi(grid, *contours), grid)
    assert caught.value.code == code
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        ([(1.5, 8.5), (1.5, 8.5)], "are the same and cancel each other"),
        ([(1.5, 8.5), (1.5, 5), (5, 8.5)], "leave no voxel of what they enclose"),
    ],
)
def test_declared_contours_that_cancel_each_other_are_refused(
    sides: list[tuple[float, float]], words: str
) -> None:
    grid = volume()
    points = tuple(to_mm(rectangle((left, 1.5), (right, 8.5), 4), grid) for left, right in sides)
    declared = Roi(1, "GTV {1}", points, "1.2.3", ("CLOSEDPLANAR_XOR",) * len(points))
    with pytest.raises(ContourError, match=rf"'GTV \{{1\}}' has on slice 5 .* {words}"):
        rasterize(declared, grid)


@pytest.mark.parametrize(
    "remnants",
    [
        [rectangle((4.6, 4.6), (5.4, 5.4), 4)],
        [[(2, 2, 4), (4, 4, 4), (6, 6, 4)], [(2, 3, 5), (8, 3, 5), (8, 3.1, 5)]],
        [rectangle((2.1, 3.1), (9.9, 3.9), 4)],
    ],
)
def test_a_roi_of_which_no_contour_encloses_a_voxel_is_refused(
    remnants: list[npt.ArrayLike],
) -> None:
    grid = volume()
    with pytest.raises(ContourError, match="none of which encloses a voxel") as caught:
        rasterize(roi(grid, *remnants), grid)
    assert caught.value.code == "only-remnants"


@pytest.mark.parametrize("axes", [(0, 2), (1, 2)], ids=["coronal", "sagittal"])
@pytest.mark.parametrize("beside", [False, True])
def test_contours_across_the_slices_are_no_clicks(axes: tuple[int, int], beside: bool) -> None:
    grid = volume()
    upright = np.full((4, 3), 5.0)
    upright[:, axes] = [(2, 2), (8, 2), (8, 6), (2, 6)]
    drawn = [rectangle((2.5, 2.5), (8.5, 8.5), 3)] * beside
    with pytest.raises(ContourError, match=r"extends 12\.00 mm across the slices") as error:
        rasterize(roi(grid, *drawn, upright), grid)
    assert error.value.code == "not-in-plane"


def test_overlapping_contours_are_united_where_that_is_the_rule() -> None:
    grid = volume()
    mask = rasterize(roi(grid, ring(4), ring(4, 2)), grid, OverlappingContours.UNION).mask
    assert int(mask.sum()) == (4 + 2) * 5


@pytest.mark.parametrize("frame", ["1.2.4", None])
def test_another_frame_of_reference_is_refused(frame: str | None) -> None:
    grid = volume()
    other = Roi(1, "GTV", (to_mm(rectangle(*BOX, 4), grid),), frame)
    with pytest.raises(ContourError, match="Frame of Reference"):
        rasterize(other, grid)


def test_two_pieces_apart_along_the_normal_are_one_region() -> None:
    grid = volume()
    pieces = roi(grid, rectangle((1.5, 1.5), (5.5, 5.5), 1), rectangle((7.5, 6.5), (11.5, 10.5), 5))
    assert int(rasterize(pieces, grid).mask.sum()) == 32


@pytest.mark.real_data
def test_pat1_equals_its_reference_mask_voxel_for_voxel(real_data: Path) -> None:
    ct = ct_volume(read_ct(sorted((real_data / "pat1" / "ct").glob("*.dcm"))))
    gtv = select_gtv(
        read_rtstruct(next((real_data / "pat1" / "rtstruct").glob("*.dcm"))).structure_set, "gtv-1"
    )
    mask = rasterize(gtv, ct).mask
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
    mask = rasterize(gtv, ct).mask
    area_mm2 = sum(
        0.5 * abs(np.dot(c[:, 0], np.roll(c[:, 1], 1)) - np.dot(c[:, 1], np.roll(c[:, 0], 1)))
        for c in gtv.contours
    )
    assert int(mask.sum()) == voxels
    assert mask.sum() * ct.spacing_mm[0] * ct.spacing_mm[1] == pytest.approx(area_mm2, rel=0.02)
