"""Where slices lie, what they hold, and how far they go on."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dicom_node.datasets.instance import Plane
from dicom_node.registry.ct_geometry import (
    Stack,
    are_one_stack,
    holds,
    nearest_first,
    series_extent_mm,
    stack_of,
)
from tests.support.ct_on_record import slices

PLANES = [one.plane for one in slices("1.1", 4) if one.plane is not None]
SAGITTAL = [
    Plane((5.0 * x, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), (1.0, 2.0), 4, 3) for x in range(2)
]
TILT = math.radians(15)
OBLIQUE = [
    Plane(
        (0.0, -3.0 * at * math.sin(TILT), 3.0 * at * math.cos(TILT)),
        (1.0, 0.0, 0.0, 0.0, math.cos(TILT), math.sin(TILT)),
        (2.0, 2.0),
        8,
        10,
    )
    for at in range(6)
]


def _stack(planes: list[Plane]) -> Stack:
    found = stack_of(planes)
    assert found is not None
    return found


def test_the_extent_of_a_series_is_that_of_its_pixels_and_half_a_slice() -> None:
    assert series_extent_mm(PLANES) == (-1.0, 19.0, -1.0, 15.0, -1.5, 10.5)
    assert series_extent_mm([]) is None
    assert series_extent_mm(SAGITTAL) == (-2.5, 7.5, -1.0, 5.0, -3.5, 0.5)


@pytest.mark.parametrize(("z", "fits"), [(-1.5, True), (-1.6, False), (10.5, True), (10.6, False)])
def test_half_a_slice_beyond_the_outermost_slices_still_holds(z: float, *, fits: bool) -> None:
    assert holds(PLANES, (4.0, 6.0, 4.0, 6.0, z, z)) == fits
    assert not holds(PLANES, None)
    assert not holds([*PLANES, None], (4.0, 6.0, 4.0, 6.0, z, z))


def test_slices_that_are_not_parallel_or_lie_nowhere_are_no_stack() -> None:
    assert stack_of([]) is None
    assert stack_of([*PLANES, None]) is None
    assert stack_of([*PLANES, SAGITTAL[0]]) is None


def test_slices_are_ordered_along_their_normal_and_a_gap_is_seen() -> None:
    stack = _stack(PLANES[::-1])
    assert (stack.depths_mm, stack.spacing_mm, stack.has_gap) == ((0.0, 3.0, 6.0, 9.0), 3.0, False)
    assert _stack([*PLANES[:2], PLANES[3]]).has_gap is False  # of two distances neither is usual
    assert _stack(
        [one.plane for one in slices("1", 9) if one.plane and one != slices("1", 9)[4]]
    ).has_gap
    assert _stack(PLANES[:1]).spacing_mm == 1.0


@pytest.mark.parametrize(
    ("depths", "bare"), [((), 4), ((3.0,), 3), ((4.5,), 2), ((0.1, 3.0, 6.2, 9.0), 0), ((90.0,), 4)]
)
def test_a_contour_belongs_to_the_slices_within_half_a_distance(
    depths: tuple[float, ...], bare: int
) -> None:
    assert _stack(PLANES).bare(PLANES, [(0.0, 0.0, z) for z in depths]) == bare


def test_depths_are_measured_along_the_normal_of_oblique_slices() -> None:
    stack = _stack(OBLIQUE)
    assert stack.spacing_mm == pytest.approx(3.0, abs=1e-3)
    on_the_third = (
        4.0,
        OBLIQUE[2].position[1] + math.cos(TILT),
        OBLIQUE[2].position[2] + math.sin(TILT),
    )
    assert stack.bare(OBLIQUE, [on_the_third]) == 5


@pytest.mark.parametrize(
    ("low", "high", "reach"), [(3.0, 3.0, 4.5), (6.0, 6.0, 4.5), (0.0, 9.0, 1.5)]
)
def test_slices_reach_beyond_a_box_as_far_as_on_the_nearer_side(
    low: float, high: float, reach: float
) -> None:
    assert _stack(PLANES).reach_mm((4.0, 6.0, 4.0, 6.0, low, high)) == pytest.approx(reach)
    assert _stack(PLANES).reach_mm((4.0, 6.0, 4.0, 6.0, -30.0, 3.0)) == pytest.approx(-28.5)


@pytest.mark.parametrize("planes", [PLANES, SAGITTAL, OBLIQUE])
def test_series_that_go_on_where_another_ends_are_one_ct(planes: list[Plane]) -> None:
    assert are_one_stack([planes[1:], planes[:1]])
    assert are_one_stack([[one] for one in planes])
    assert not are_one_stack([planes, planes[-1:]])
    assert not are_one_stack([planes[:-1], [None]])


def test_series_are_ordered_by_how_far_they_lie() -> None:
    at = {
        name: [replace(one, position=(0.0, 0.0, one.position[2] + z)) for one in PLANES]
        for name, z in (("middle", 0.0), ("far", 40.0), ("above", 12.0), ("below", -12.5))
    }
    unknown: dict[str, list[Plane | None]] = {**at, "nowhere": [None]}  # type: ignore[dict-item]
    assert nearest_first(unknown, "middle") == ("above", "below", "far")
    assert nearest_first(unknown, "nowhere") == ()


def test_series_apart_among_each_other_or_on_another_grid_are_not_one_ct() -> None:
    far = [replace(one, position=(0.0, 0.0, one.position[2] + 30)) for one in PLANES]
    after = [replace(one, position=(0.0, 0.0, one.position[2] + 12)) for one in PLANES]
    assert are_one_stack([PLANES, after])
    assert not are_one_stack([PLANES, far])
    assert not are_one_stack([PLANES[::2], PLANES[1::2]])
    for change in ({"rows": 9}, {"spacing": (1.0, 1.0)}, {"position": (2.0, 0.0, 12.0)}):
        assert not are_one_stack([PLANES, [replace(after[0], **change)]])
