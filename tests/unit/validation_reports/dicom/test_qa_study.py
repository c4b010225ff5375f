"""The same findings are the same study, whenever and wherever they are found; others are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.support.scored_cohorts import PROVENANCE
from validation_reports.dicom.qa_study import QaStudy, qa_study
from validation_reports.report.validation_report import ValidationReport


def test_the_same_findings_have_the_same_uids_and_other_findings_have_not(
    hopeless: tuple[ValidationReport, QaStudy],
) -> None:
    report, study = hopeless
    later = replace(
        report,
        provenance=replace(
            PROVENANCE,
            created_at=PROVENANCE.created_at + timedelta(days=9),
            store_versions={"x": 1},
        ),
    )
    assert qa_study(later, "ANNULUS-QA", "other-folder").uid("report") == study.uid("report")
    assert qa_study(later, "OTHER-QA", "other-folder").uid("report") != study.uid("report")
    other_model = replace(report, provenance=replace(PROVENANCE, model_digest="cd" * 32))
    assert qa_study(other_model, "ANNULUS-QA", "x").digest != study.digest
