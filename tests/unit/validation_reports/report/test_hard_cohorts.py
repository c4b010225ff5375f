"""Cohorts that would break a report: each gives all its files, with sentences where numbers would
mean nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from models.errors import SurvivalDataError
from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from tests.support.scored_cohorts import HORIZONS, PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.page.render import render_html
from validation_reports.report.r_check import expected_csv
from validation_reports.report.summary import Verdict, headline
from validation_reports.report.validation_report import build_report, from_json, to_json

BASELINE = BaselineHazard(np.arange(1.0, 2401.0), np.arange(1.0, 2401.0) * np.log(2) / 550, 2400.0)
COHORT = replace(made_cohort("A", 60, 1), baseline=BASELINE)
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


HARD = {
    "no events": _with(event=np.zeros(60, bool)),
    "all events": _with(event=np.ones(60, bool)),
    "one risk group empty": _with(high_risk=np.zeros(60, bool)),
    "five patients": replace(made_cohort("A", 5, 2), baseline=BASELINE),
    "one patient": replace(made_cohort("A", 1, 2), baseline=BASELINE),
    "all tied scores": _flat(COHORT),
    "follow-up shorter than a horizon": _with(
        days=np.minimum(COHORT.survival.days, 400.0), event=EVENT
    ),
    "everybody on one day": _with(days=np.full(60, 100.0)),
    "censored first, dead last": _with(days=np.where(EVENT, 2000.0, 10.0) + np.arange(60)),
    "certain predictions": _with(
        predicted_survival={days: np.repeat([0.0, 1.0], 30) for days in HORIZONS}
    ),
    "no covariate known": _with(
        covariates=COHORT.covariates.assign(age=np.nan, sex=None, histology=None, stage=None)
    ),
    "perfect separation": _with(
        days=1000.0 - 100 * np.argsort(np.argsort(COHORT.linear_predictor)) / 6,
        event=np.ones(60, bool),
    ),
}


def _numbers(value: object, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _numbers(part, f"{path}.{name}")
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _numbers(part, f"{path}[{place}]")
    elif isinstance(value, float):
        yield path, value


@pytest.mark.parametrize("name", HARD)
def test_a_hard_cohort_gives_a_report_with_sentences(name: str) -> None:
    report = build_report([HARD[name]], PROVENANCE, n_resamples=50)
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
    assert not re.search(r">\s*(nan|inf|None)\b", page)
    assert "nan" not in expected_csv(report)
    assert len(headline(report)) == 5
    if name in {"no events", "five patients", "one patient"}:
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
