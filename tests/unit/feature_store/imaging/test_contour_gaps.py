"""Slices on which contours lack: left out by mistake, or the space between two lesions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from feature_store.imaging.contour_gaps import Gap, empty_slices, find_gaps
from feature_store.imaging.ct_volume import ct_volume
from feature_store.imaging.gtv_choice import select_gtv
from feature_store.imaging.rasterize import rasterize
from feature_store.imaging.reading import read_ct, read_rtstruct

Mask = npt.NDArray[np.bool_]
SHAPE = (60, 50, 50)
Z, Y, X = np.indices(SHAPE)


def ellipsoid(z: float, half_height: float, radius: float, y: float = 25, x: float = 25) -> Mask:
    return np.asarray(((Z - z) / half_height) ** 2 + ((Y - y) ** 2 + (X - x) ** 2) / radius**2 < 1)


def cylinder(first: int, last: int, radius: float, y: float = 25, x: float = 25) -> Mask:
    return np.asarray((first <= Z) & (last >= Z) & ((Y - y) ** 2 + (X - x) ** 2 < radius**2))


def without(mask: Mask, *slices: int) -> Mask:
    emptied = mask.copy()
    emptied[list(slices)] = False
    return emptied


def lacking(mask: Mask) -> list[tuple[int, int]]:
    return [(gap.below, gap.above) for gap in find_gaps(mask) if gap.is_left_out]


BODIES = {
    "ellipsoid": ellipsoid(30, 12.2, 15),
    "cylinder": cylinder(18, 42, 12),
    "oblique": (np.abs(Z - 30) <= 12) & ((Y - 10 - Z / 2) ** 2 + (X - 25) ** 2 < 64),
    "with a hole": cylinder(18, 42, 14) & ~cylinder(18, 42, 6),
    "with a cavity": ellipsoid(30, 12.2, 15) & ~ellipsoid(30, 5, 6),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
class TestOneBody:
    """A body that is contoured without gaps, and one from which slices are taken."""

    def test_whole_it_has_no_gap(self, body: Mask) -> None:
        assert find_gaps(body) == ()
        assert empty_slices(body) == ()

    @pytest.mark.parametrize("z", [22, 26, 30, 34, 38])
    def test_a_single_slice_left_out_is_found(self, body: Mask, z: int) -> None:
        assert find_gaps(without(body, z)) == (Gap(z - 1, z + 1, is_left_out=True),)
        assert empty_slices(without(body, z)) == (z,)

    def test_two_single_slices_left_out_are_found(self, body: Mask) -> None:
        assert lacking(without(body, 24, 33)) == [(23, 25), (32, 34)]

    @pytest.mark.parametrize("step", [2, 3, 4, 5])
    def test_a_regular_pattern_is_found_wherever_the_body_is_thick(
        self, body: Mask, step: int
    ) -> None:
        drawn = without(body, *(z for z in range(18, 43) if (z - 30) % step))
        assert {(30 - step, 30), (30, 30 + step)} <= set(lacking(drawn))

    @pytest.mark.parametrize("step", [3, 4])
    def test_every_third_or_fourth_slice_left_out_is_found(self, body: Mask, step: int) -> None:
        drawn = without(body, *(z for z in range(24, 37) if z % step == 0))
        assert lacking(drawn) == [(z - 1, z + 1) for z in range(24, 37) if z % step == 0]

    def test_a_click_is_no_cross_section(self, body: Mask) -> None:
        clicked = without(body, 30)
        clicked[30, 31:33, 25:27] = body[29, 31:33, 25:27]
        assert lacking(clicked) == [(29, 31)]


@pytest.mark.parametrize(
    "lesions",
    [
        ellipsoid(20, 5.5, 10) | ellipsoid(40, 7.5, 12),
        ellipsoid(24.5, 5, 10) | ellipsoid(35.5, 5, 10),  # one slice between them
        ellipsoid(20, 4.4, 9) | ellipsoid(30, 4.4, 9) | ellipsoid(40, 4.4, 9),  # three alike
        cylinder(18, 22, 8) | cylinder(28, 32, 8),  # blunt, but five slices apart
        cylinder(18, 19, 6) | cylinder(24, 26, 7),
        cylinder(10, 20, 12) | cylinder(22, 30, 6),  # unlike
        cylinder(10, 20, 12) | cylinder(24, 24, 4),
        cylinder(10, 20, 12) | cylinder(40, 40, 12),  # one slice, far away
        ellipsoid(20, 6.5, 12) | ellipsoid(40, 6.5, 12, y=27),
    ],
)
def test_two_lesions_in_line_have_a_gap_that_is_not_left_out(lesions: Mask) -> None:
    gaps = find_gaps(lesions)
    assert gaps
    assert not any(gap.is_left_out for gap in gaps)
    assert empty_slices(lesions) == tuple(
        z for gap in gaps for z in range(gap.below + 1, gap.above)
    )


@pytest.mark.parametrize(
    "drawn",
    [
        cylinder(18, 18, 8) | cylinder(20, 20, 8),
        cylinder(18, 18, 8) | cylinder(38, 38, 8),  # the first and the last alone
        cylinder(18, 18, 8) | cylinder(21, 26, 8),
        cylinder(18, 22, 8) | cylinder(24, 28, 8),
        cylinder(18, 27, 8) | cylinder(30, 39, 8),  # two of 22: not long
        cylinder(18, 19, 8) | cylinder(22, 23, 8) | cylinder(26, 27, 8),  # pairs
        cylinder(12, 16, 8) | cylinder(20, 24, 8) | cylinder(28, 32, 8),  # regular and blunt
    ],
)
def test_a_body_that_goes_on_as_large_was_left_out(drawn: Mask) -> None:
    gaps = find_gaps(drawn)
    assert gaps
    assert all(gap.is_left_out for gap in gaps)


def test_lesions_out_of_line_have_no_gap_but_empty_slices() -> None:
    apart = cylinder(10, 20, 6, y=12) | cylinder(24, 30, 6, y=36)
    assert find_gaps(apart) == ()
    assert empty_slices(apart) == (21, 22, 23)


def test_slices_left_out_of_one_lesion_beside_another() -> None:
    beside = cylinder(10, 45, 8, y=12)
    second = cylinder(18, 38, 8, y=36)
    assert find_gaps(beside | second) == ()
    assert lacking(beside | without(second, 27)) == [(26, 28)]
    every_other = without(second, *range(19, 38, 2))
    assert lacking(beside | every_other) == [(z, z + 2) for z in range(18, 37, 2)]
    assert empty_slices(beside | every_other) == ()


def test_specks_do_not_matter() -> None:
    body = cylinder(10, 30, 12)
    specks = np.zeros(SHAPE, dtype=bool)
    specks[[32, 34, 36], 25, 25] = True
    assert find_gaps(body | specks) == ()
    assert empty_slices(body | specks) == (31, 33, 35)


def test_one_slice_and_none_have_no_gap() -> None:
    assert find_gaps(cylinder(20, 20, 8)) == find_gaps(np.zeros(SHAPE, dtype=bool)) == ()
    assert empty_slices(np.zeros(SHAPE, dtype=bool)) == ()
    assert Gap(3, 7, is_left_out=True).lacking == 3


@pytest.mark.real_data
def test_slices_left_out_of_a_real_tumour(real_data: Path) -> None:
    ct = ct_volume(read_ct(sorted((real_data / "pat1" / "ct").glob("*.dcm"))))
    drawn = read_rtstruct(next((real_data / "pat1" / "rtstruct").glob("*.dcm")))
    mask = rasterize(select_gtv(drawn.structure_set, "gtv-1"), ct).mask
    contoured = np.flatnonzero(mask.any(axis=(1, 2))).tolist()
    assert find_gaps(mask) == ()
    for z in contoured[1:-2]:
        assert lacking(without(mask, z)) == [(z - 1, z + 1)]
    for start in (1, 2):
        left_out = contoured[start:-2:2]
        assert lacking(without(mask, *left_out)) == [(z - 1, z + 1) for z in left_out]
