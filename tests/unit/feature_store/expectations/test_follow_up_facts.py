"""What the times and events of a table look like is counted as whoever looks at it would count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feature_store.expectations.follow_up_facts import follow_up_facts
from tests.support.followed_patients import changed, made


def test_a_follow_up_that_ends_on_one_day_is_no_calendar_year() -> None:
    records = changed(lambda days: min(days + 1000, 2000.0))
    assert follow_up_facts(records, 365).dates is None


def test_numbers_that_look_like_dates_are_no_times_of_any_other_kind() -> None:
    facts = follow_up_facts(changed(lambda days: days + 43831), 365)
    assert (facts.dates, facts.impossible, facts.long) == (80, 0, 0)


def test_the_pairs_in_which_the_dead_live_longer_are_counted_one_by_one() -> None:
    records = changed(lambda days: days // 200 + 1)  # with ties
    dead = [one.survival_days for one in records if one.event]
    alive = [one.survival_days for one in records if not one.event]
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in dead for b in alive]
    facts = follow_up_facts(records, 365)
    assert 0.5 in pairs
    assert facts.dead_longer == pytest.approx(np.mean(pairs))
    assert facts.dead_longer_lower is not None
    assert facts.dead_longer_lower < np.mean(pairs)


def test_what_too_few_patients_can_tell_is_not_said() -> None:
    facts = follow_up_facts(made(2), 365)
    told = (facts.longest_of_horizon, facts.distinct, facts.one_day_share, facts.deaths_ratio)
    assert (*told, facts.event_share, facts.dead_longer, facts.lost_share) == (None,) * 7


def test_times_that_may_be_thousands_with_a_point_are_those_among_short_whole_ones() -> None:
    pointed = changed(lambda days: days / 1000 if days >= 1000 else days)
    n_long = sum(one.survival_days >= 1000 for one in made())
    assert 0 < n_long < len(pointed)
    assert follow_up_facts(pointed, 365).thousands == n_long
    all_long = [replace(one, survival_days=one.survival_days / 1000) for one in pointed]
    assert follow_up_facts(all_long, 365).thousands == 0
