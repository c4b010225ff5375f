"""Verdicts are wrong as seldom as they promise, and right where there are deaths enough."""

from __future__ import annotations

import pytest

from tests.benchmarks.coverage_by_size import coverage_by_size
from tests.benchmarks.coverage_over_centers import coverage_over_centers
from tests.benchmarks.every_center_errors import WORLDS as SETS_OF_CENTERS
from tests.benchmarks.every_center_errors import verdict as verdict_on_centers
from tests.benchmarks.verdict_errors import (
    FAULTS,
    MANY,
    RIGHT,
    WORLDS,
    called_of_use,
    shares,
)
from validation_reports.statistics.margins import Verdict


@pytest.mark.slow
def test_verdicts_are_seldom_wrong() -> None:
    """The short form of `make coverage-validation`: few cohorts, so wide limits."""
    for share in shares(WORLDS[:2], RIGHT, (24, 150), 60, Verdict.NO).values():
        assert share <= 0.12
    for worlds, fault in FAULTS:
        (share,) = shares(worlds[:1], fault, (800,), 40, Verdict.YES).values()
        assert share <= 0.15, fault.name
    (right,) = shares(MANY[:1], RIGHT, (3000,), 80, Verdict.YES).values()
    assert right >= 0.8
    assert max(called_of_use((24, 150), 40).values()) <= 0.1


@pytest.mark.slow
def test_small_cohorts_and_few_centres_have_honest_intervals() -> None:
    for by_size in coverage_by_size(40).values():
        for name, (share, refused) in by_size.items():
            assert refused > 0.6 or share >= 0.8, name
    for name, row in coverage_over_centers(25).items():
        assert min(row["mean"], row["new centre"]) >= 0.8, name
        assert row["width"] > row["width with tau known"], name


def test_every_centre_is_seldom_judged_wrongly() -> None:
    by_name = {name: world for world, (name, *_) in enumerate(SETS_OF_CENTERS)}
    given = {
        name: [verdict_on_centers(by_name[name], turn) for turn in range(times)]
        for name, times in (
            ("right, 3 centres of 60", 12),
            ("right, 5 centres of 2000", 3),
            ("at the margin, 1 of 5 centres of 1000", 5),
            ("2.0, 1.0 and 0.6, 3 centres of 100", 5),
        )
    }
    assert given["right, 3 centres of 60"].count(Verdict.NO) <= 2
    assert given["right, 5 centres of 2000"].count(Verdict.YES) >= 2
    assert given["at the margin, 1 of 5 centres of 1000"].count(Verdict.YES) <= 1
    assert given["2.0, 1.0 and 0.6, 3 centres of 100"].count(Verdict.NO) >= 4
