"""Centres come before their pool: what their pool hides is said on the first screen."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import numpy as np
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import HORIZONS, MEDIAN, PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.page.render import render_html
from validation_reports.report.summary import headline
from validation_reports.report.summary_line import Line
from validation_reports.report.validation_report import (
    ValidationReport,
    build_report,
    from_json,
    to_json,
)
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.margins import Verdict
from validation_reports.statistics.random_effects import PooledEffect


def _cohort(
    center: str, n: int, seed: int, *, excess: float = 1.0, shift: float = 0.0, effect: float = 1.0
) -> ScoredCohort:
    """Return n patients whose scores lie around `shift`, and whose hazard is `excess` times the one
    predicted for that and for `effect` of the differences between them.
    """
    random = np.random.default_rng(seed)
    own = random.normal(scale=0.8, size=n)
    score = own + shift
    death = random.exponential(MEDIAN / np.log(2) / excess * np.exp(-effect * own - shift))
    last_contact = random.uniform(1100, 2400, size=n)
    return replace(
        made_cohort(center, n, seed),
        survival=Survival(np.minimum(death, last_contact) + 0.01, death <= last_contact),
        linear_predictor=score,
        high_risk=score > 0,
        predicted_survival={t: np.exp(-np.exp(score) * np.log(2) / MEDIAN * t) for t in HORIZONS},
    )


def _lines(*cohorts: ScoredCohort) -> tuple[ValidationReport, tuple[Line, ...]]:
    report = build_report(cohorts, PROVENANCE, n_resamples=20)
    return report, headline(report)


THREE = [_cohort(name, 60, seed) for seed, name in enumerate("ABC")]


@functools.cache
def _three() -> ValidationReport:
    return build_report(THREE, PROVENANCE, n_resamples=20)


@pytest.mark.slow
def test_centres_with_opposite_errors_are_not_right_on_average() -> None:
    report, lines = _lines(
        *(
            _cohort(name, 400, seed, excess=excess)
            for seed, (name, excess) in enumerate((("Two", 2.0), ("One", 1.0), ("Less", 0.6)))
        )
    )
    concordances = [center.concordance for center in report.centers]
    assert all(isinstance(c, Concordance) and 0.66 < c.estimate < 0.76 for c in concordances)
    assert lines[0].verdict is Verdict.YES
    assert lines[2].verdict is not Verdict.YES
    assert lines[3].verdict is Verdict.NO
    assert lines[3].answer.startswith("Not at Two (O/E on the hazard scale ")
    assert "Less (O/E on the hazard scale 0.6" in lines[3].answer
    assert "One (" not in lines[3].answer.split("after Holm")[0]
    assert "after Holm over all centres." in lines[3].answer


@pytest.mark.slow
def test_an_order_of_the_centres_is_no_order_of_the_patients() -> None:
    report, lines = _lines(
        *(
            _cohort(name, 300, seed, shift=shift, effect=0.0)
            for seed, (name, shift) in enumerate((("Low", -1.8), ("Mid", 0.0), ("High", 1.8)))
        )
    )
    assert report.within is not None
    assert report.pooled is not None
    within, plain = report.within.concordance, report.pooled.concordance
    assert isinstance(within, Concordance)
    assert isinstance(plain, Concordance)
    assert within.estimate == pytest.approx(0.5, abs=0.02)
    assert plain.estimate == pytest.approx(0.78, abs=0.03)
    assert lines[0].verdict is Verdict.UNKNOWN
    assert "in 900 patients" in lines[0].answer
    assert "compared within 3 centres; chance (0.50) lies inside the interval." in lines[0].answer
    assert (
        f"The plain pool has C = {plain.estimate:.2f}, because it also compares patients of "
        "different centres." in lines[0].answer
    )
    assert lines[3].verdict is not Verdict.YES


@pytest.mark.slow
def test_three_large_centres_that_are_right_are_a_yes() -> None:
    cohort = _cohort("A", 4000, 7)
    cohorts = [
        replace(cohort, center=name, patient_keys=tuple(f"{name}{i}" for i in range(4000)))
        for name in "ABC"
    ]
    _, lines = _lines(*cohorts)
    assert [line.verdict for line in lines[:4]] == [Verdict.YES] * 4
    assert lines[3].answer.endswith(
        "All of it is expected above chance and inside the margins 0.80–1.25."
    )


@pytest.mark.slow
def test_two_centres_show_their_own_figures_and_no_difference() -> None:
    report, lines = _lines(_cohort("A", 150, 1), _cohort("B", 120, 2))
    assert lines[3].verdict is Verdict.UNKNOWN
    assert lines[3].answer.startswith("A: C 0.")
    assert ". B: C 0." in lines[3].answer
    assert lines[3].answer.endswith("Two centres cannot show how centres differ.")
    assert report.leave_one_out == ()
    _, alone = _lines(_cohort("A", 150, 1))
    assert alone[3].answer.endswith("One centre cannot show how centres differ.")


@pytest.mark.slow
def test_a_centre_is_left_out_in_turn_and_the_page_shows_it() -> None:
    report = _three()
    assert [without.center for without in report.leave_one_out] == [
        "without A",
        "without B",
        "without C",
    ]
    rest = build_report(THREE[1:], PROVENANCE, n_resamples=20).within
    assert rest is not None
    assert report.leave_one_out[0].concordance == rest.concordance
    assert report.leave_one_out[0].calibration == rest.calibration
    page = render_html(report)
    assert "within centres" in page
    assert "plain pool" in page
    assert "without A" in page


@pytest.mark.slow
def test_a_report_of_before_has_no_figures_within_centres_and_stays_readable() -> None:
    report = _three()
    stored = json.loads(to_json(report))
    del stored["within"], stored["leave_one_out"]
    before = from_json(json.dumps(stored))
    assert before.first == report.pooled
    assert "compared within" not in headline(before)[0].answer
    assert render_html(before)


@pytest.mark.slow
def test_a_centre_without_estimates_is_named() -> None:
    cohorts = [_cohort(name, 80, seed) for seed, name in enumerate("ABC")]
    report, lines = _lines(*cohorts, _cohort("Tiny", 4, 9))
    assert "Too few deaths to judge the order of patients: Tiny." in lines[3].answer
    order = next(item for item in report.across_centers if item.name == "Harrell's C")
    assert isinstance(order.pooled, PooledEffect)
    assert order.pooled.n_centers == 3


def test_no_centre_stands_at_both_ends_of_a_range() -> None:
    tiny = [made_cohort(name, 2, 5 + place) for place, name in enumerate("BC")]
    _, lines = _lines(_cohort("A", 60, 0), *tiny)
    assert lines[3].answer.startswith("C 0.68 (A alone); O/E on the hazard scale 0.74 (A alone); ")
    twins = [
        replace(THREE[0], center=name, patient_keys=tuple(f"{name}{row}" for row in range(60)))
        for name in "ABC"
    ]
    _, lines = _lines(*twins)
    assert lines[3].answer.startswith("C 0.68 at each of them, at a new centre 0.")


@pytest.mark.slow
def test_a_range_that_leaves_everything_open_is_told_in_words() -> None:
    report = _three()
    (hazard,) = [item for item in report.across_centers if item.name == "O/E on the hazard scale"]
    assert isinstance(hazard.pooled, PooledEffect)
    assert hazard.pooled.tells_of_a_new_center
    wide = replace(hazard.pooled, prediction_lower=1e-4, prediction_upper=11_468.0)
    others = [item for item in report.across_centers if item is not hazard]
    open_ended = replace(report, across_centers=(*others, replace(hazard, pooled=wide)))
    (line,) = [one for one in headline(open_ended) if one.question.startswith("Does it hold at")]
    assert line.verdict is Verdict.UNKNOWN
    assert "what to expect at a new centre cannot be told" in line.answer
    page = render_html(open_ended)
    assert "11,468" not in page
    assert page.count("cannot be told") >= 2
