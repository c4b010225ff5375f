"""Only a PDF is encapsulated as one."""

from __future__ import annotations

import pytest

from validation_reports.dicom.encapsulated_pdf import encapsulated_pdf
from validation_reports.dicom.qa_study import QaStudy
from validation_reports.errors import StructuredReportError
from validation_reports.report.validation_report import ValidationReport


def test_what_is_no_pdf_is_refused(hopeless: tuple[ValidationReport, QaStudy]) -> None:
    with pytest.raises(StructuredReportError, match="not a PDF"):
        encapsulated_pdf(b"<html>", hopeless[1], "External validation", "0.1.0")
