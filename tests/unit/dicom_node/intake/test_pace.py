"""Whoever drips is told from whoever is silent between two objects."""

from __future__ import annotations

import pytest

from dicom_node.intake.pace import Pace


@pytest.mark.parametrize(
    ("pieces", "is_too_slow"),
    [
        ([(1, 4.0)] * 15, False),  # within the silence that is borne in any case
        ([(1, 4.0)] * 16, True),
        ([(60_000, 60.0), (4000, 4.0)], False),
        ([(0, 60.0)], False),
        ([(1000, 61.0)], False),
        ([(999, 61.0)], True),
    ],
)
def test_what_has_come_is_held_against_the_time_it_was_waited_for(
    pieces: list[tuple[int, float]], *, is_too_slow: bool
) -> None:
    pace = Pace(silence_s=60.0, bytes_per_s=1000.0)
    for count, waited_s in pieces:
        pace.heard(count, waited_s)
    assert pace.is_too_slow is is_too_slow
    pace.begin()
    assert not pace.is_too_slow
