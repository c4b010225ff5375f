"""Too few centres are not pooled; where there are enough, R is the judge in tests/oracles."""

from __future__ import annotations

from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.random_effects import Scale, pool_random_effects


def test_two_centres_are_too_few_to_pool() -> None:
    refused = pool_random_effects([0.7, 0.6], [0.05, 0.04], Scale.LOGIT, "Harrell's C")
    assert isinstance(refused, NotEstimable)
    assert "is not pooled: 2 centres have an estimate, and at least 3" in refused.sentence
