"""The report on one centre as DICOM: valid even where nothing can be estimated, and the same bytes
every time.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.dciodvfy import errors_in
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.dicom.center_report import center_report_sr
from validation_reports.dicom.encapsulated_pdf import encapsulated_pdf
from validation_reports.dicom.files import write_dicom
from validation_reports.dicom.qa_study import QaStudy, qa_study
from validation_reports.dicom.references import ModelReference
from validation_reports.errors import StructuredReportError
from validation_reports.report.validation_report import ValidationReport, build_report

MODEL = ModelReference("demo-nsclc", "1.0", "ab" * 32, True, "Recherche — à titre expérimental.")


@pytest.fixture(scope="module")
def hopeless() -> tuple[ValidationReport, QaStudy]:
    report = build_report(
        [made_cohort("B", 3, 1, excluded=(("b9", "two ROIs match"),))], PROVENANCE, n_resamples=20
    )
    return report, qa_study(report, "ANNULUS-QA", "20260304-center-B")


@pytest.mark.peers
def test_a_hopeless_centre_gives_valid_objects_with_sentences(
    hopeless: tuple[ValidationReport, QaStudy], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    report, study = hopeless
    document = encapsulated_pdf(b"%PDF-1.7 odd", study, "External validation", "0.1.0")
    structured = center_report_sr(report, study, MODEL, None, "0.1.0")
    for name, dataset, shown_as in (
        ("document", document, "EncapsulatedPDF"),
        ("report", structured, "ComprehensiveSR"),
    ):
        write_dicom(dataset, tmp_path / f"{name}.dcm")
        file = tmp_path / f"{name}.dcm"
        assert errors_in(peer("dciodvfy"), file, name=shown_as) == []
    shown = subprocess.run(
        [peer("dsrdump"), "+Pl", str(tmp_path / "report.dcm")], capture_output=True, check=True
    ).stdout.decode()
    assert (
        "Harrell's concordance index of overall survival: Harrell's C is not estimated from"
        in shown
    )
    assert "Recherche - " not in shown
    assert "à titre expérimental" in shown
    assert "confidence interval" not in shown
    assert "whole validation report" not in shown
    assert document.EncapsulatedDocumentLength == 12


def test_the_same_findings_are_the_same_objects_and_other_findings_are_not(
    hopeless: tuple[ValidationReport, QaStudy], tmp_path: Path
) -> None:
    report, study = hopeless
    for name in ("first", "second"):
        write_dicom(center_report_sr(report, study, MODEL, None, "0.1.0"), tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
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


def test_what_is_no_pdf_is_refused(hopeless: tuple[ValidationReport, QaStudy]) -> None:
    with pytest.raises(StructuredReportError, match="not a PDF"):
        encapsulated_pdf(b"<html>", hopeless[1], "External validation", "0.1.0")
