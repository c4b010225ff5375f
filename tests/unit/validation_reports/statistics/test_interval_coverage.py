"""Intervals of every kind hold the truth as often as they say."""

from __future__ import annotations

import pytest

from tests.benchmarks.interval_coverage import coverage


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """The short form of `make coverage-validation`: 120 cohorts, so wide limits."""
    for name, share in coverage(120).items():
        assert 0.88 <= share <= 0.995, name
