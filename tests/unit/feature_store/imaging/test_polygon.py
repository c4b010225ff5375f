"""One polygon: the pixel centres that it goes round, its area, its loops, and its distance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.imaging.polygon import (
    are_within,
    enclosed_area,
    loops,
    near_line,
    signed_area,
    turns,
)

SHAPE = (12, 14)
SQUARE = np.array([[1.5, 2.5], [5.5, 2.5], [5.5, 6.5], [1.5, 6.5]])
BOW_TIE = np.array([[0, 0], [8, 8], [8, 0], [0, 8]], dtype=float)


def moved(x: float, y: float) -> npt.NDArray[np.float64]:
    return np.asarray(SQUARE + np.array([x, y]))


def counts(polygon: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Return the turns on the whole slice."""
    found = turns(np.asarray(polygon, dtype=float), SHAPE)
    plane = np.zeros(SHAPE, dtype=np.int32)
    plane[found.box] = found.counts
    return plane


def even_odd_row_by_row(
    polygon: npt.NDArray[np.float64], shape: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Return the even-odd mask with every row against every edge, rounding included."""
    rows = np.arange(shape[0], dtype=float)[:, None]
    x0, y0 = polygon.T
    x1, y1 = np.roll(polygon, -1, axis=0).T
    row, edge = np.nonzero((y0 <= rows) != (y1 <= rows))
    crossing = x0[edge] + (rows[row, 0] - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
    right_of = np.arange(shape[1]) >= np.ceil(np.round(crossing, 6))[:, None]
    mask = np.zeros(shape, dtype=np.intp)
    np.add.at(mask, row, right_of)
    return np.asarray(mask % 2 == 1)


def test_a_square_is_gone_round_once_and_the_other_way_minus_once() -> None:
    expected = np.zeros(SHAPE, dtype=int)
    expected[3:7, 2:6] = 1
    np.testing.assert_array_equal(counts(SQUARE), expected)
    np.testing.assert_array_equal(counts(SQUARE[::-1]), -expected)
    assert turns(SQUARE, SHAPE).is_plain
    assert turns(SQUARE[::-1], SHAPE).is_plain


@pytest.mark.parametrize(
    ("polygon", "once", "more"),
    [
        (np.concatenate([SQUARE, SQUARE]), 0, 16),
        (np.concatenate([SQUARE, SQUARE, SQUARE]), 0, 16),
        (
            [[0.5, 0.5], [8.5, 0.5], [8.5, 8.5], [0.5, 8.5], [0.5, 0.5], *moved(1, 0), [2.5, 2.5]],
            48,
            16,
        ),
    ],
)
def test_what_is_gone_round_more_than_once_is_not_plain(
    polygon: npt.ArrayLike, once: int, more: int
) -> None:
    found = np.abs(counts(polygon))
    assert (int((found == 1).sum()), int((found > 1).sum())) == (once, more)
    assert not turns(np.asarray(polygon), SHAPE).is_plain


def test_a_figure_of_eight_is_gone_round_both_ways() -> None:
    found = turns(BOW_TIE + 0.25, SHAPE)
    assert set(np.unique(found.counts)) == {-1, 0, 1}
    assert not found.is_plain


def test_pixel_centres_on_an_edge_belong_to_one_side_of_it() -> None:
    left = counts([[1, 1], [4, 1], [4, 5], [1, 5]])
    right = counts([[4, 1], [7, 1], [7, 5], [4, 5]])
    assert int(left.sum()) == int(right.sum()) == 12
    assert not (left & right).any()
    np.testing.assert_array_equal(left + right, counts([[1, 1], [7, 1], [7, 5], [1, 5]]))


@pytest.mark.parametrize(
    "polygon",
    [np.empty((0, 2)), moved(40, 0), moved(0, -30), [[2, 2], [2, 2]], [[3, 3]]],
)
def test_what_encloses_no_pixel_of_the_slice_has_no_turns(polygon: npt.ArrayLike) -> None:
    assert not counts(polygon).any()
    assert turns(np.asarray(polygon, dtype=float), SHAPE).is_plain


def test_the_part_on_the_slice_of_a_polygon_that_leaves_it() -> None:
    assert int(counts(np.array([[-3, -3], [2.5, -3], [2.5, 2.5], [-3, 2.5]])).sum()) == 9
    assert int(counts(np.array([[11.5, 9.5], [20, 9.5], [20, 30], [11.5, 30]])).sum()) == 4


def test_more_edges_than_are_held_at_once() -> None:
    angle = np.linspace(0, 2 * np.pi, 10_001)[:-1]
    circle = np.column_stack([6 + 4.3 * np.cos(angle), 5 + 4.3 * np.sin(angle)])
    y, x = np.indices(SHAPE)
    np.testing.assert_array_equal(counts(circle) == 1, np.hypot(x - 6, y - 5) < 4.3)


corners = st.lists(st.tuples(st.floats(-1, 14), st.floats(-1, 12)), min_size=3, max_size=12)
halves = st.lists(st.tuples(st.integers(-1, 28), st.integers(-1, 24)), min_size=3, max_size=12).map(
    lambda points: [(x / 2, y / 2) for x, y in points]
)


@settings(max_examples=200, deadline=None)
@given(corners | halves)
def test_odd_turns_are_the_even_odd_rule_to_the_last_pixel(
    points: list[tuple[float, float]],
) -> None:
    polygon = np.round(np.array(points), 6)
    np.testing.assert_array_equal(counts(polygon) % 2 == 1, even_odd_row_by_row(polygon, SHAPE))


@settings(max_examples=60, deadline=None)
@given(corners)
def test_turns_agree_with_the_angle_under_which_each_centre_sees_the_polygon(
    points: list[tuple[float, float]],
) -> None:
    polygon = np.round(np.array(points), 6)
    rows, columns = np.indices(SHAPE).reshape(2, -1)
    centres = np.column_stack([columns, rows]).astype(float)
    seen = (polygon[None] - centres[:, None]) @ np.array([1, 1j])
    with np.errstate(divide="ignore", invalid="ignore"):  # at a centre that is a vertex
        angles = np.angle(np.roll(seen, -1, axis=1) / seen).sum(axis=1)
    # a centre on the line itself belongs to either side
    clear = ~near_line(centres, polygon, 0.01)
    expected = np.round(angles[clear] / (2 * np.pi))
    np.testing.assert_array_equal(counts(polygon).ravel()[clear], expected)


@pytest.mark.parametrize(
    ("polygon", "signed", "enclosed"),
    [
        (SQUARE, 16, 16),
        (SQUARE[::-1], -16, 16),
        (np.concatenate([SQUARE, SQUARE]), 32, 16),
        (BOW_TIE, 0, 32),
        ([[0, 0], [3, 0], [0, 1]], 1.5, 1.5),
        ([[0, 0], [5, 5], [9, 9]], 0, 0),
        ([[0, 3], [5, 3], [9, 3]], 0, 0),
        ([[0, 0], [4, 0], [4, 4], [4, 0]], 0, 0),
        ([[2, 2], [3, 3]], 0, 0),
        (np.empty((0, 2)), 0, 0),
    ],
)
def test_areas_worked_out_by_hand(polygon: npt.ArrayLike, signed: float, enclosed: float) -> None:
    points = np.asarray(polygon, dtype=float)
    assert signed_area(points) == pytest.approx(signed)
    assert enclosed_area(points) == pytest.approx(enclosed, abs=0.01)


def test_loops_of_a_keyhole_are_its_outer_and_its_inner_contour() -> None:
    inner = np.array([[3.0, 4], [4, 4], [4, 5], [3, 5]])
    keyhole = np.concatenate([SQUARE, SQUARE[:1], inner, inner[:1]])
    found = loops(keyhole)
    assert sorted(abs(signed_area(loop)) for loop in found) == [1, 16]
    assert [loop.tolist() for loop in loops(SQUARE)] == [SQUARE.tolist()]
    assert len(loops(np.concatenate([SQUARE, SQUARE]))) == 2
    assert loops(np.array([[1.0, 1], [1, 1], [2, 2], [1, 1]])) == []


@pytest.mark.parametrize(
    ("other", "limit", "within"),
    [
        (moved(0.1, 0), 0.1, True),
        (moved(0.12, 0), 0.1, False),
        (moved(0.6, 0.8), 1.0, True),
        (moved(0.7, 0.8), 1.0, False),
        (np.roll(SQUARE[::-1], 2, axis=0), 0.1, True),
        (np.repeat(SQUARE, 3, axis=0) + np.tile([0, 0.05, 0.02], 4)[:, None], 0.1, True),
        (SQUARE[[0, 2, 1, 3]], 1.0, False),  # the same points, joined crosswise
        (np.insert(SQUARE, 2, [5.5, 9], axis=0), 1.0, False),
    ],
)
def test_how_far_apart_lines_are(
    other: npt.NDArray[np.float64], limit: float, within: bool
) -> None:
    assert are_within(SQUARE, other, limit) == within
    assert are_within(other, SQUARE, limit) == within


def test_lines_too_long_to_compare_are_not_called_the_same() -> None:
    zigzag = np.column_stack([np.tile([0.0, 10_000], 10), np.arange(20.0)])
    assert not are_within(zigzag, zigzag, 0.1)
    assert not near_line(np.zeros((1, 2)), zigzag, 0.1).any()
