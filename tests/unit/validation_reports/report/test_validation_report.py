"""The report as a whole: JSON that comes back, also from before, and a pool of everybody."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import pool
from validation_reports.errors import CohortError, ReportFormatError
from validation_reports.page.render import render_html
from validation_reports.report.summary import headline
from validation_reports.report.validation_report import (
    POOL_LABEL,
    ValidationReport,
    build_report,
    from_json,
    to_json,
)

WRITTEN_BEFORE = Path(__file__).parent / "report_of_schema_3.json.gz"
"""Of the 26 patients of `made_cohort("Alpha", 26, 1)` at one year, by software version 0.1.0."""


def test_json_reads_back_as_the_same_report(report: ValidationReport) -> None:
    text = to_json(report)
    assert from_json(text) == report
    assert to_json(from_json(text)) == text
    assert not re.search(
        r"\b(NaN|Infinity)\b|: null", text.replace('"upper": null', "").replace('"lower": null', "")
    )


def test_the_pool_is_everybody(report: ValidationReport) -> None:
    assert report.pooled is not None
    assert report.pooled.center == POOL_LABEL
    assert report.pooled.n == sum(center.n for center in report.centers)
    assert report.pooled.n_excluded == 2
    assert [column.n for column in report.cohort_table.columns] == [90, 70, 4, 164]
    for (_, levels), (_, counts) in zip(
        report.cohort_table.levels, report.cohort_table.columns[-1].counts, strict=True
    ):
        assert len(levels) == len(counts)
        assert sum(counts) == 164


def test_what_cannot_be_reported_is_refused() -> None:
    a, b = made_cohort("A", 20, 1), made_cohort("B", 20, 2)
    with pytest.raises(CohortError, match="no centre to report on"):
        build_report([], PROVENANCE)
    with pytest.raises(CohortError, match="same name"):
        build_report([a, a], PROVENANCE)
    with pytest.raises(CohortError, match=r"no survival was predicted for \[1825\] days"):
        build_report([a, b], PROVENANCE, horizons=(365, 1825))
    with pytest.raises(CohortError, match="20 patients come twice"):
        pool([a, replace(b, patient_keys=a.patient_keys)], "all")
    with pytest.raises(CohortError, match="no time zone"):
        replace(PROVENANCE, created_at=PROVENANCE.created_at.replace(tzinfo=None))


def test_a_foreign_or_newer_json_is_refused(report: ValidationReport) -> None:
    with pytest.raises(ReportFormatError, match="Build the report again"):
        from_json('{"provenance": 1}')
    newer = json.loads(to_json(report)) | {"schema_version": 99}
    with pytest.raises(ReportFormatError, match="schema 99"):
        from_json(json.dumps(newer))


def test_a_report_of_before_is_read_and_says_what_it_said() -> None:
    report = from_json(gzip.decompress(WRITTEN_BEFORE.read_bytes()).decode())
    order, groups, risks, *_ = (line.answer for line in headline(report))
    assert order == "C = 0.71 (0.59–0.83) in 26 patients with 20 deaths; better than chance (0.50)."
    assert groups == (
        "HR = 4.22 (1.56–11.45), log-rank p = 0.003; median survival 10.3 months (high risk) "
        "against 35.3 months (low risk)."
    )
    assert risks == "Deaths: 40% predicted, 38% observed at 1 year; slope 1.08 (0.33–1.82)."
    assert "10.3 months" in render_html(report)


def test_the_same_patients_have_the_numbers_of_before() -> None:
    before = json.loads(gzip.decompress(WRITTEN_BEFORE.read_bytes()))
    again = build_report([made_cohort("Alpha", 26, 1)], PROVENANCE, (365,), n_resamples=20)
    assert json.loads(to_json(again)) == _approximately(before)


def _approximately(value: object) -> object:
    """Allow every number of a report its last digits, which differ between machines."""
    if isinstance(value, dict):
        return {name: _approximately(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_approximately(part) for part in value]
    return pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value
