"""Cohorts that would break a report: each gives all its files, with sentences where numbers would
mean nothing.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import SurvivalDataError
from models.survival.survival_data import Survival
from tests.support.scored_cohorts import HORIZONS, MEDIAN, PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.page.render import render_html
from validation_reports.report.r_check import expected_csv
from validation_reports.report.summary import headline
from validation_reports.report.validation_report import (
    ValidationReport,
    build_report,
    from_json,
    to_json,
)
from validation_reports.statistics.margins import Verdict

COHORT = made_cohort("A", 60, 1)
EVENT = COHORT.survival.event


def _with(days: object = None, event: object = None, **parts: object) -> ScoredCohort:
    survival = Survival(
        COHORT.survival.days if days is None else days,  # type: ignore[arg-type]
        EVENT if event is None else event,  # type: ignore[arg-type]
    )
    return replace(COHORT, survival=survival, **parts)  # type: ignore[arg-type]


def _flat(cohort: ScoredCohort) -> ScoredCohort:
    predicted = {days: np.full(cohort.n, 0.5) for days in HORIZONS}
    return replace(cohort, linear_predictor=np.zeros(cohort.n), predicted_survival=predicted)


def _scored(score: NDArray[np.float64]) -> ScoredCohort:
    with np.errstate(over="ignore"):
        predicted = {days: np.exp(-np.exp(score) * np.log(2) / MEDIAN * days) for days in HORIZONS}
    return replace(COHORT, linear_predictor=score, predicted_survival=predicted)


HARD = {
    "no events": _with(event=np.zeros(60, bool)),
    "all events": _with(event=np.ones(60, bool)),
    "one risk group empty": _with(high_risk=np.zeros(60, bool)),
    "five patients": made_cohort("A", 5, 2),
    "one patient": made_cohort("A", 1, 2),
    "all tied scores": _flat(COHORT),
    "follow-up shorter than a horizon": _with(
        days=np.minimum(COHORT.survival.days, 400.0), event=EVENT
    ),
    "all dead before every horizon": _with(
        days=np.minimum(COHORT.survival.days, 300.0 - np.arange(60)), event=np.ones(60, bool)
    ),
    "all dead before the last horizon": _with(
        days=np.minimum(COHORT.survival.days, 1000.0 - np.arange(60)), event=np.ones(60, bool)
    ),
    "everybody on one day": _with(days=np.full(60, 100.0)),
    "censored first, dead last": _with(days=np.where(EVENT, 2000.0, 10.0) + np.arange(60)),
    "certain predictions": _with(
        predicted_survival={days: np.repeat([0.0, 1.0], 30) for days in HORIZONS}
    ),
    "one score far too high": _scored(np.where(np.arange(60) == 3, 1e6, COHORT.linear_predictor)),
    "one score far too low": _scored(np.where(np.arange(60) == 3, -1e6, COHORT.linear_predictor)),
    "scores of another scale": _scored(50 * COHORT.linear_predictor),
    "scores that hardly differ": _scored(1e-12 * COHORT.linear_predictor),
    "two scores that hardly differ": _scored(np.where(np.arange(60) % 2, 0.0, 1e-15)),
    "scores far too high": _scored(COHORT.linear_predictor + 40),
    "scores far too low": _scored(COHORT.linear_predictor - 35),
    "no covariate known": _with(
        covariates=COHORT.covariates.assign(age=np.nan, sex=None, histology=None, stage=None)
    ),
    "perfect separation": _with(
        days=1000.0 - 100 * np.argsort(np.argsort(COHORT.linear_predictor)) / 6,
        event=np.ones(60, bool),
    ),
}
QUICK = frozenset(
    {
        "no events",
        "one patient",
        "five patients",
        "one risk group empty",
        "all dead before the last horizon",
    }
)
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in HARD]


@functools.cache
def _report_of(name: str) -> ValidationReport:
    return build_report([HARD[name]], PROVENANCE, n_resamples=50, decision_thresholds=(0.3, 0.5))


def _numbers(value: object, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _numbers(part, f"{path}.{name}")
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _numbers(part, f"{path}[{place}]")
    elif isinstance(value, float):
        yield path, value


@pytest.mark.parametrize("name", NAMES)
def test_a_hard_cohort_gives_a_report_with_sentences(name: str) -> None:
    report = _report_of(name)
    text = to_json(report)
    assert from_json(text) == report
    assert all(abs(number) < 1e6 for _, number in _numbers(json.loads(text))), (
        "a limit beyond reason is shown"
    )
    assert not re.search(r"\b(NaN|Infinity)\b", text)
    assert not re.search(
        r"(lower|upper|estimate)\": null",
        re.sub(
            r"\"median\": \{[^}]*\}|\"follow_up\": \{[^}]*\}|\"median_survival\": \{[^}]*\}",
            "",
            text,
        ),
    )
    page = render_html(report)
    shown = re.sub(r"<svg.*?</svg>|<a [^>]*>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert not re.search(r"\d{1,3}(,\d{3}){3}|\d{9}", shown.replace(str(PROVENANCE.seed), ""))
    assert not re.search(r">\s*(nan|inf|None)\b", page)
    assert "nan" not in expected_csv(report)
    assert len(headline(report)) == 5
    if name == "no events":
        assert (
            headline(report)[2].verdict is Verdict.NO
        )  # 60 patients, of whom many should have died
    if name in {"five patients", "one patient"}:
        assert {line.verdict for line in headline(report)} <= {Verdict.UNKNOWN, Verdict.NOTE}


@pytest.mark.parametrize("bad", [-1.0, 0.0, np.nan])
def test_impossible_times_are_refused_with_the_row(bad: float) -> None:
    days = COHORT.survival.days.copy()
    days[7] = bad
    with pytest.raises(SurvivalDataError, match="row 7"):
        _with(days=days)


def test_events_as_text_are_refused_with_a_sentence() -> None:
    with pytest.raises(SurvivalDataError, match="use 1 for death and 0 for censoring"):
        _with(event=np.array(["dead"] * 60))


def _perfect(n: int) -> ScoredCohort:
    cohort = made_cohort("A", n, 4)
    order = np.argsort(np.argsort(-cohort.linear_predictor)).astype(np.float64) + 1
    return replace(cohort, survival=Survival(order * 400, np.ones(n, bool)))


SENTENCES = {
    "six patients in perfect order": (
        _perfect(6),
        0,
        "an order of fewer than 8 deaths is not judged.",
    ),
    "everybody dead by the horizon": (
        _with(days=np.minimum(COHORT.survival.days, 700.0), event=np.ones(60, bool)),
        2,
        "100% observed at 2 years",
    ),
    "one group without deaths": (
        _with(event=EVENT & COHORT.high_risk),
        1,
        "not estimated: none of the 29 patients at low risk died, log-rank p < 0.001.",
    ),
    "one patient at high risk, who lives": (
        _with(high_risk=np.arange(60) == np.flatnonzero(~EVENT)[0]),
        1,
        "not estimated: at high risk (1 patient, 0 deaths) fewer than 5 deaths would be expected",
    ),
    "four patients": (
        made_cohort("A", 4, 3),
        2,
        "The calibration slope is not estimated from 3 deaths in 4 patients: at least 5 deaths are",
    ),
    "nobody dies where the model expects many": (
        _with(event=np.zeros(60, bool)),
        2,
        "Outside the margins 0.80–1.25, and not by chance (after Holm): O/E on the hazard scale 0",
    ),
    "years for days": (
        _with(days=COHORT.survival.days / 365.25),
        0,
        "the longest follow-up is 6 days at A, less than the first horizon of 1 year.",
    ),
    "months for days": (
        _with(days=COHORT.survival.days / 30.4),
        2,
        "the longest follow-up is 68 days at A, less than the first horizon of 1 year.",
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_that_must_stand_there(name: str) -> None:
    cohort, line, sentence = SENTENCES[name]
    report = build_report([cohort], PROVENANCE, n_resamples=50)
    assert sentence in headline(report)[line].answer
    assert not list(_intervals_of_width_zero(json.loads(to_json(report))))
    if name == "six patients in perfect order":
        assert headline(report)[0].answer.startswith("C = 1.00 (0.55–1.00) in 6 patients")
    if name in {
        "six patients in perfect order",
        "four patients",
        "months for days",
        "years for days",
    }:
        assert {found.verdict for found in headline(report)} <= {Verdict.UNKNOWN, Verdict.NOTE}


@pytest.mark.slow
def test_a_centre_at_which_nobody_dies_does_not_stop_the_report_of_all() -> None:
    other = made_cohort("C", 40, 2)
    nobody = replace(other, survival=Survival(other.survival.days, np.zeros(40, bool)))
    report = build_report([COHORT, nobody, made_cohort("D", 40, 3)], PROVENANCE, n_resamples=20)
    holds = headline(report)[3]
    assert holds.verdict is Verdict.NO
    assert holds.answer.startswith("Not at C (O/E on the hazard scale 0.00)")
    assert "Too few deaths to judge the order of patients: C." in holds.answer
    assert not re.search(r">\s*-?(nan|inf|None)\b", render_html(report))
    (ratio,) = (one for one in report.across_centers if one.name == "O/E on the hazard scale")
    assert [name for name, _ in ratio.left_out] == ["C"]


@pytest.mark.slow
def test_three_equal_centres_do_not_make_a_new_one_sure() -> None:
    cohort = made_cohort("A", 60, 1)
    cohorts = [
        replace(cohort, center=name, patient_keys=tuple(f"{name}{i}" for i in range(60)))
        for name in ("A", "B", "C")
    ]
    report = build_report(cohorts, PROVENANCE, n_resamples=50)
    line = headline(report)[3]
    assert line.verdict is Verdict.UNKNOWN
    assert "at a new centre 0.56–0.77" in line.answer
    assert "At a new centre slope, O/E on the hazard scale, " in line.answer


@pytest.mark.parametrize("name", NAMES)
def test_no_interval_has_width_zero(name: str) -> None:
    assert not list(_intervals_of_width_zero(json.loads(to_json(_report_of(name)))))


def _intervals_of_width_zero(value: object, path: str = "") -> Iterator[str]:
    """Yield where lower and upper limit are one; those of a median are days of follow-up, and may
    be.
    """
    if isinstance(value, dict):
        ends: tuple[Any, Any] = value.get("lower"), value.get("upper")
        median = set(value) == {"days", "lower", "upper"}
        if not median and isinstance(ends[0], float) and ends[0] == ends[1]:
            yield path
        if isinstance(ends[0], list) and "at_risk" in value:
            yield from (path for low, high in zip(*ends, strict=True) if low == high)
        for name, part in value.items():
            yield from _intervals_of_width_zero(part, f"{path}.{name}")
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _intervals_of_width_zero(part, f"{path}[{place}]")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scores that hardly differ", "scores far too low"])
def test_where_deaths_would_tell_nothing_none_are_asked_for(name: str) -> None:
    line = headline(_report_of(name))[2]
    assert line.verdict is Verdict.UNKNOWN
    assert "not estimated" in line.answer
    assert "would show it" not in line.answer
    assert "been enough" not in line.answer
