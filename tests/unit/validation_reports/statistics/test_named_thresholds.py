"""Use is judged at thresholds that were named before, at all of them at once, against every
alternative.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.margins import Verdict
from validation_reports.statistics.named_thresholds import (
    Alternative,
    NetBenefitDifference,
    judge_threshold,
)
from validation_reports.statistics.net_benefit import DecisionCurve, decision_curve


def _risk(
    n: int, seed: int, days: int = 730, effect: float = 1.0
) -> tuple[Survival, NDArray[np.float64]]:
    cohort = made_cohort("A", n, seed, effect=effect)
    return cohort.survival, 1 - cohort.predicted_survival[days]


def test_the_differences_are_those_of_the_decision_curve() -> None:
    survival, risk = _risk(120, 1)
    curve = decision_curve(survival, risk, 730, risk > 0.6, (0.4,), named=(0.4,))
    assert isinstance(curve, DecisionCurve)
    against = dict(curve.named[0].differences)
    for name, other in (
        ("treat all", curve.treat_all[0]),
        ("treat none", 0.0),
        ("treat stage III-IV", curve.by_stage[0]),
    ):
        found = against[name]
        assert isinstance(found, NetBenefitDifference)
        assert found.estimate == pytest.approx(curve.model[0] - other)
        assert found.lower < found.estimate < found.upper


def test_patients_without_a_stage_leave_the_comparison_with_stage_alone() -> None:
    survival, risk = _risk(120, 1)
    staged = np.arange(120) % 4 > 0
    advanced = [bool(one) if known else None for one, known in zip(risk > 0.6, staged, strict=True)]
    found, without = (
        decision_curve(survival, risk, 730, stages, (0.4,), named=(0.4,))
        for stages in (advanced, None)
    )
    alone = decision_curve(
        survival.subset(staged), risk[staged], 730, (risk > 0.6)[staged], (0.4,), named=(0.4,)
    )
    assert isinstance(found, DecisionCurve)
    assert isinstance(without, DecisionCurve)
    assert isinstance(alone, DecisionCurve)
    assert (found.model, found.treat_all, found.n) == (without.model, without.treat_all, 120)
    assert found.n_staged == alone.n == 90
    assert found.by_stage == alone.by_stage
    by_stage = dict(found.named[0].differences)["treat stage III-IV"]
    assert by_stage == dict(alone.named[0].differences)["treat stage III-IV"]
    assert isinstance(by_stage, NetBenefitDifference)
    assert by_stage.n == 90
    assert found.named[0].differences[:2] == without.named[0].differences


def test_too_few_patients_with_a_stage_do_not_judge_treating_by_it() -> None:
    survival, risk = _risk(120, 1)
    few = [bool(one) if place < 6 else None for place, one in enumerate(risk > 0.6)]
    found = decision_curve(survival, risk, 730, few, named=(0.4,))
    assert isinstance(found, DecisionCurve)
    assert found.by_stage == ()
    assert [name for name, _ in found.named[0].differences] == ["treat all", "treat none"]


def test_the_standard_error_is_that_of_drawn_cohorts() -> None:
    found = [
        dict(
            judge_threshold(
                *_risk(150, seed),
                730,
                0.5,
                [Alternative("treat all", np.ones(150, bool))],
                at_once=1,
            ).differences
        )["treat all"]
        for seed in range(200)
    ]
    known = [one for one in found if isinstance(one, NetBenefitDifference)]
    spread = np.std([one.estimate for one in known])
    half = np.mean([one.upper - one.estimate for one in known])
    assert half / 1.976 == pytest.approx(spread, rel=0.15)


def test_a_good_score_is_of_use_and_more_thresholds_make_wider_intervals() -> None:
    survival, risk = _risk(800, 3)
    one, four = (
        decision_curve(survival, risk, 730, named=named) for named in ((0.5,), (0.3, 0.4, 0.5, 0.6))
    )
    assert isinstance(one, DecisionCurve)
    assert isinstance(four, DecisionCurve)
    assert one.useful == (0.5,)
    width = [
        vars(dict(curve.named[place].differences)["treat all"])["upper"]
        for curve, place in ((one, 0), (four, 2))
    ]
    assert width[1] > width[0]


def test_a_score_that_says_nothing_is_not_of_use() -> None:
    useful = 0
    for seed in range(60):
        survival, risk = _risk(60, seed, effect=0.0)
        curve = decision_curve(survival, risk, 730, named=(0.3, 0.5), horizons=3)
        useful += isinstance(curve, DecisionCurve) and bool(curve.useful)
    assert useful <= 3


def test_without_a_named_threshold_there_is_no_verdict() -> None:
    survival, risk = _risk(800, 3)
    curve = decision_curve(survival, risk, 730)
    assert isinstance(curve, DecisionCurve)
    assert not curve.named
    assert not curve.useful


def test_who_treats_the_same_patients_is_not_compared() -> None:
    survival = Survival(np.arange(1.0, 21) * 50, np.ones(20, bool))
    found = judge_threshold(
        survival,
        np.full(20, 0.9),
        400,
        0.5,
        [Alternative("treat all", np.ones(20, bool))],
        at_once=1,
    )
    (_, refused), *_ = found.differences
    assert isinstance(refused, NotEstimable)
    assert "treat the same patients" in refused.sentence
    assert found.verdict is Verdict.UNKNOWN
