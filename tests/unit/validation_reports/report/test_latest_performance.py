"""What patients' reports quote: the newest of this centre and this model, or a
sentence.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.latest_performance import (
    CenterPerformance,
    center_performances,
    latest_performance,
    write_center_performances,
)
from validation_reports.report.validation_report import ValidationReport, build_report

DIGEST = PROVENANCE.model_digest


@pytest.fixture(scope="module")
def report() -> ValidationReport:
    return build_report(
        [made_cohort("Alpha", 60, 1), made_cohort("Beta", 3, 2)], PROVENANCE, n_resamples=20
    )


def _kept(reports: Path, name: str, report: ValidationReport) -> None:
    (reports / name).mkdir(parents=True)
    write_center_performances(reports / name, report)


def test_the_newest_report_of_the_centre_and_model_counts(
    tmp_path: Path, report: ValidationReport
) -> None:
    later = replace(PROVENANCE, created_at=PROVENANCE.created_at + timedelta(days=1))
    other_model = replace(later, model_digest="cd" * 32)
    _kept(tmp_path, "20260304-both", report)
    _kept(tmp_path, "20260305-alpha", replace(report, provenance=later, centers=report.centers[:1]))
    _kept(tmp_path, "20260306-other-model", replace(report, provenance=other_model))
    (tmp_path / "20260307-under-way").mkdir()
    alpha, beta = (latest_performance(tmp_path, center, DIGEST) for center in ("Alpha", "Beta"))
    assert isinstance(alpha, CenterPerformance)
    assert isinstance(beta, CenterPerformance)
    assert (alpha.report_id, beta.report_id) == ("20260305-alpha", "20260304-both")
    assert alpha == center_performances(replace(report, provenance=later), "20260305-alpha")[0]
    assert isinstance(beta.concordance, NotEstimable)


def test_a_verdict_of_before_margins_is_none(tmp_path: Path, report: ValidationReport) -> None:
    _kept(tmp_path, "20260304-both", report)
    path = tmp_path / "20260304-both" / "figures.json"
    now = latest_performance(tmp_path, "Alpha", DIGEST)
    assert isinstance(now, CenterPerformance)
    assert now.calibration_words == f"{now.calibration.verdict}: {now.calibration.answer}"
    assert "the margins 0.80–1.25" in now.calibration_words
    of_before = json.loads(path.read_text())
    for one in of_before:
        del one["margins"]
        one["calibration"] |= {"verdict": "partly", "answer": "Deaths: some."}
    path.write_text(json.dumps(of_before))
    before = latest_performance(tmp_path, "Alpha", DIGEST)
    assert isinstance(before, CenterPerformance)
    assert before.calibration_words == (
        "not shown: Deaths: some. This was judged before margins were stated: validate the centre "
        "again."
    )


def test_without_a_report_there_is_a_sentence(tmp_path: Path, report: ValidationReport) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        found = latest_performance(folder, "Gamma", DIGEST)
        assert isinstance(found, NotEstimable)
        assert found.sentence == "This model has not been validated at centre Gamma yet."
    _kept(tmp_path, "20260304-both", report)
    assert isinstance(latest_performance(tmp_path, "Gamma", DIGEST), NotEstimable)


def test_numbers_that_cannot_be_read_are_not_replaced_by_older_ones(
    tmp_path: Path, report: ValidationReport
) -> None:
    _kept(tmp_path, "20260304-both", report)
    _kept(tmp_path, "20260305-both", report)
    (tmp_path / "20260305-both" / "figures.json").write_bytes(b"[{")
    found = latest_performance(tmp_path, "Alpha", DIGEST)
    assert isinstance(found, NotEstimable)
    assert "20260305-both cannot be read" in found.sentence
