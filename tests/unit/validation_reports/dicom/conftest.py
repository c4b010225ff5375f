"""A report on a centre where nothing can be estimated, for the tests of this room."""

from __future__ import annotations

import pytest

from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.dicom.qa_study import QaStudy, qa_study
from validation_reports.report.validation_report import ValidationReport, build_report


@pytest.fixture(scope="session")
def hopeless() -> tuple[ValidationReport, QaStudy]:
    report = build_report(
        [made_cohort("B", 3, 1, excluded=(("b9", "two ROIs match"),))], PROVENANCE, n_resamples=20
    )
    return report, qa_study(report, "ANNULUS-QA", "20260304-center-B")
