"""Estimates over time are drawn in their order, within the drawing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from validation_reports.portal_pages.trend import HEIGHT, WIDTH, Estimate, trend

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def _estimate(day: int, c: float, half: float = 0.05) -> Estimate:
    return Estimate(FIRST + timedelta(days=day), c, c - half, c + half)


def test_marks_lie_in_order_and_a_better_estimate_lies_higher() -> None:
    drawn = trend([_estimate(30, 0.6), _estimate(0, 0.7), _estimate(10, 0.65)])
    assert drawn is not None
    assert [mark.x for mark in drawn.marks] == sorted(mark.x for mark in drawn.marks)
    assert [mark.y for mark in drawn.marks] == sorted(mark.y for mark in drawn.marks)
    for mark in drawn.marks:
        assert 0 <= mark.top < mark.y < mark.bottom <= HEIGHT
        assert 0 <= mark.x <= WIDTH
    # ten days of thirty are a third of the way
    first, middle, last = (mark.x for mark in drawn.marks)
    assert abs((middle - first) / (last - first) - 1 / 3) < 0.001
    assert (drawn.first, drawn.last) == (FIRST, FIRST + timedelta(days=30))


def test_chance_is_always_among_the_lines() -> None:
    drawn = trend([_estimate(0, 0.9), _estimate(1, 0.92)])
    assert drawn is not None
    assert next(words for _, words in drawn.lines) == "0.5"
    assert len({y for y, _ in drawn.lines}) == len(drawn.lines)


def test_one_estimate_shows_no_course_and_equal_times_do_no_harm() -> None:
    assert trend([_estimate(0, 0.7)]) is None
    assert trend([]) is None
    assert trend([_estimate(0, 0.7), _estimate(0, 0.6)]) is not None
