"""How two contours of a slice lie to each other, seen from either of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from feature_store.imaging.contour_relations import (
    Region,
    Relation,
    SliceContour,
    relate,
    relation,
)
from feature_store.imaging.polygon import turns

Polygon = npt.NDArray[np.float64]


def box(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=float)


def region(polygon: Polygon, number: int = 1) -> Region:
    found = turns(polygon, (30, 30))
    return Region(SliceContour(number, polygon), found.odd, found.box)


TURNED = {Relation.INSIDE: Relation.AROUND, Relation.AROUND: Relation.INSIDE}
FIRST = box(5.5, 5.5, 15.5, 15.5)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (box(20.5, 5.5, 25.5, 15.5), Relation.APART),
        (box(16.5, 5.5, 25.5, 15.5), Relation.APART),  # one column of pixels between them
        (box(15.5, 5.5, 25.5, 15.5), Relation.TOUCHING),
        (box(15.5, 15.5, 25.5, 25.5), Relation.TOUCHING),  # diagonally
        (box(15.2, 5.5, 25.5, 15.5), Relation.TOUCHING),
        (FIRST.copy(), Relation.SAME),
        (box(5.7, 5.1, 15.9, 15.9), Relation.SAME),  # the same pixels
        (box(6.1, 5.5, 15.5, 15.5), Relation.NEARLY_SAME),
        (box(5.5, 6.5, 15.5, 16.5), Relation.NEARLY_SAME),
        (box(5.5, 8.5, 11.5, 12.5), Relation.INSIDE),
        (box(8.5, 8.5, 12.5, 12.5), Relation.INSIDE),
        (box(5.5, 5.5, 13.5, 15.5), Relation.OVERLAPPING),  # along it
        (box(0.5, 0.5, 25.5, 25.5), Relation.AROUND),
        (box(10.5, 5.5, 20.5, 15.5), Relation.OVERLAPPING),
        (box(14.5, 14.5, 20.5, 20.5), Relation.OVERLAPPING),
        (box(7.5, 0.5, 9.5, 25.5), Relation.OVERLAPPING),
    ],
)
def test_relations_by_pixels_and_by_lines(other: Polygon, expected: Relation) -> None:
    assert relation(region(FIRST), region(other)) is expected
    assert relation(region(other), region(FIRST)) is TURNED.get(expected, expected)
    assert relation(region(FIRST), region(other[::-1])) is expected


def test_what_repeats_an_earlier_one_or_encloses_no_pixel_is_left_out() -> None:
    thin = box(20.1, 5.5, 20.9, 15.5)
    drawn = [FIRST, thin, FIRST[::-1], box(8.5, 8.5, 12.5, 12.5), box(8.5, 8.5, 12.5, 12.5)]
    found = relate([region(polygon, number) for number, polygon in enumerate(drawn, start=1)])
    assert [region.contour.number for region in found.regions] == [1, 4]
    assert found.repeated == [3, 5]
    assert found.around == {1: {0}}
    assert found.overlaps == []
