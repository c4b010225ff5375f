"""Harrell's C is counted pair by pair, ties of time and score as R does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.errors import TrainingError
from models.survival.concordance import TrainingConcordance, compare_pairs, training_concordance
from models.survival.survival_data import Survival

PATIENTS = st.lists(
    st.tuples(st.integers(1, 12), st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40
)  # few distinct values, so that ties of time and score are common


@given(PATIENTS)
@settings(max_examples=80, deadline=None)
def test_every_patients_pairs_are_counted_as_defined(
    patients: list[tuple[int, bool, int]],
) -> None:
    credit, pairs = np.zeros(len(patients)), np.zeros(len(patients))
    for (i, (day, died, high)), (j, (later, died_too, other)) in itertools.permutations(
        enumerate(patients), 2
    ):
        if died and (day < later or (day == later and not died_too)):
            pairs[[i, j]] += 1
            credit[[i, j]] += (high > other) + 0.5 * (high == other)
    days, event, score = (np.array(column) for column in zip(*patients, strict=True))
    found = compare_pairs(Survival(days.astype(float), event), score.astype(float))
    np.testing.assert_array_equal(found.credit, credit)
    np.testing.assert_array_equal(found.pairs, pairs)
    assert found.total == pairs.sum() / 2
    assert found.concordant + found.discordant + found.tied_score == found.total


@given(PATIENTS)
@settings(max_examples=40, deadline=None)
def test_a_weight_of_a_half_halves_the_pairs_and_leaves_the_estimate(
    patients: list[tuple[int, bool, int]],
) -> None:
    days, event, score = (np.array(column) for column in zip(*patients, strict=True))
    survival, points = Survival(days.astype(float), event), score.astype(float)
    plain = compare_pairs(survival, points)
    assume(plain.total > 0)
    half = compare_pairs(survival, points, np.full(survival.n, 0.5))
    assert half.total == plain.total / 2
    assert half.estimate == plain.estimate
    assert half.standard_error == pytest.approx(plain.standard_error, rel=1e-14)
    assert half.concordant == plain.concordant


def test_the_order_of_the_patients_does_not_matter() -> None:
    random = np.random.default_rng(2)
    days, score = random.integers(1, 400, 1300).astype(float), random.normal(size=1300)
    survival = Survival(days, random.random(1300) < 0.9)
    shuffled = random.permutation(1300)
    one, two = (
        compare_pairs(survival, score),
        compare_pairs(survival.subset(shuffled), score[shuffled]),
    )
    np.testing.assert_array_equal(one.credit[shuffled], two.credit)
    np.testing.assert_array_equal(one.pairs[shuffled], two.pairs)
    assert one.tied_time == two.tied_time > 0


def test_strata_compare_nobody_across_them() -> None:
    random = np.random.default_rng(3)
    days, score = random.integers(1, 60, 90).astype(float), random.integers(0, 9, 90).astype(float)
    survival, centre = Survival(days, random.random(90) < 0.7), np.repeat(["a", "b", "c"], 30)
    apart = [
        compare_pairs(survival.subset(centre == name), score[centre == name]) for name in "abc"
    ]
    found = compare_pairs(survival, score, strata=centre)
    np.testing.assert_array_equal(found.pairs, np.concatenate([one.pairs for one in apart]))
    assert found.concordant == sum(one.concordant for one in apart)
    assert found.total == sum(one.total for one in apart)
    expected = sum(one.estimate * one.total for one in apart) / found.total
    assert found.estimate == pytest.approx(expected, rel=1e-14)


def test_concordance_by_hand() -> None:
    survival = Survival(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, True]))
    # The first is comparable with all others, the second with the two last: one tie of scores, one
    # the wrong way.
    assert training_concordance(survival, [4.0, 2.0, 2.0, 3.0]).estimate == pytest.approx(
        (3 + 0.5 + 0) / 5
    )


def test_nobody_to_compare_is_a_sentence() -> None:
    with pytest.raises(TrainingError, match="No two patients can be compared"):
        training_concordance(Survival(np.array([2.0, 2.0]), np.array([True, True])), [1.0, 2.0])


def test_the_interval_stays_between_0_and_1() -> None:
    assert TrainingConcordance(0.95, 0.1).interval == pytest.approx((0.754, 1.0), abs=1e-3)
    assert TrainingConcordance(0.99, 0.1).interval[1] == 1.0
    assert TrainingConcordance(0.05, 0.1).interval == pytest.approx((0.0, 0.246), abs=1e-3)
