"""Order is all that discrimination sees, and pairs are counted as defined."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.survival.concordance import training_concordance
from models.survival.survival_data import Survival
from tests.support.scored_cohorts import made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.discrimination import (
    Concordance,
    UnoConcordance,
    harrell_c,
    uno_c,
)
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc, time_dependent_auc

PATIENTS = st.lists(
    st.tuples(st.integers(1, 15), st.booleans(), st.integers(-4, 4)), min_size=12, max_size=40
)  # few distinct values, so that ties of time and score are common
MONOTONE = st.sampled_from([np.exp, np.arctan, lambda x: 3 * x - 7, lambda x: x**3])


def _pairs_by_hand(days: list[int], event: list[bool], score: list[int]) -> tuple[int, int, int]:
    concordant = discordant = tied = 0
    for i, j in itertools.permutations(range(len(days)), 2):
        if event[i] and (days[i] < days[j] or (days[i] == days[j] and not event[j])):
            concordant += score[i] > score[j]
            discordant += score[i] < score[j]
            tied += score[i] == score[j]
    return concordant, discordant, tied


def _cohort(patients: list[tuple[int, bool, int]]) -> tuple[Survival, np.ndarray]:
    days, event, score = (np.array(column) for column in zip(*patients, strict=True))
    return Survival(days.astype(float), event), score.astype(float)


@given(PATIENTS)
@settings(max_examples=60, deadline=None)
def test_concordance_counts_pairs_as_defined(patients: list[tuple[int, bool, int]]) -> None:
    days, event, score = (list(column) for column in zip(*patients, strict=True))
    found = harrell_c(Survival(np.array(days, float), np.array(event)), np.array(score, float))
    by_hand = _pairs_by_hand(days, event, score)
    if isinstance(found, NotEstimable):
        assert sum(event) < 5 or sum(by_hand) == 0
    else:
        assert (found.concordant, found.discordant, found.tied_score) == by_hand
        assert found.estimate == pytest.approx((by_hand[0] + by_hand[2] / 2) / sum(by_hand))
        assert 0 <= found.lower <= found.estimate <= found.upper <= 1


@given(PATIENTS, MONOTONE, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_order_is_all_that_discrimination_sees(patients, transform, random) -> None:  # type: ignore[no-untyped-def]
    survival, score = _cohort(patients)
    places = list(range(survival.n))
    random.shuffle(places)
    for measure in (harrell_c, uno_c, lambda s, x: time_dependent_auc(s, x, 8)):
        found, backwards = measure(survival, score), measure(survival, -score)
        others = (
            measure(survival, transform(score)),
            measure(survival.subset(places), score[places]),
        )
        if isinstance(found, NotEstimable):
            assert (backwards, *others) == (found, found, found)
            continue
        assert isinstance(found, Concordance | UnoConcordance | TimeDependentAuc)
        for again in others:
            assert not isinstance(again, NotEstimable)
            assert again.estimate == pytest.approx(found.estimate, abs=1e-12)
            assert again.standard_error == pytest.approx(found.standard_error, abs=1e-12)
        assert not isinstance(backwards, NotEstimable)
        assert backwards.estimate == pytest.approx(1 - found.estimate, abs=1e-12)


def test_score_backwards_mirrors_the_concordance() -> None:
    cohort = made_cohort("A", 80, 1)
    forwards, backwards = (
        harrell_c(cohort.survival, sign * cohort.linear_predictor) for sign in (1, -1)
    )
    assert isinstance(forwards, Concordance)
    assert isinstance(backwards, Concordance)
    assert forwards.estimate + backwards.estimate == pytest.approx(1)
    assert forwards.standard_error == pytest.approx(backwards.standard_error)


def test_the_training_and_the_reports_have_one_concordance() -> None:
    cohort = made_cohort("A", 700, 2)
    score = cohort.linear_predictor.round(1)
    trained = training_concordance(cohort.survival, score)
    reported = harrell_c(cohort.survival, score)
    assert isinstance(reported, Concordance)
    assert trained.estimate == reported.estimate
    assert trained.standard_error == reported.standard_error


def test_a_score_per_patient_is_demanded() -> None:
    survival = made_cohort("A", 20, 6).survival
    with pytest.raises(ValueError, match="Expected 20 finite risk scores"):
        harrell_c(survival, np.zeros(19))
