"""The report on one centre as DICOM: valid even where nothing can be estimated, and the same bytes
every time.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.dciodvfy import errors_in
from validation_reports.dicom.center_report import center_report_sr
from validation_reports.dicom.encapsulated_pdf import encapsulated_pdf
from validation_reports.dicom.files import write_dicom
from validation_reports.dicom.qa_study import QaStudy
from validation_reports.dicom.references import ModelReference
from validation_reports.report.validation_report import ValidationReport

MODEL = ModelReference("demo-nsclc", "1.0", "ab" * 32, True, "Recherche — à titre expérimental.")


@pytest.mark.peers
def test_a_hopeless_centre_gives_valid_objects_with_sentences(
    hopeless: tuple[ValidationReport, QaStudy], tmp_path: Path, peer: Callable[[str], str]
) -> None:
    report, study = hopeless
    document = encapsulated_pdf(b"%PDF-1.7 odd", study, "External validation", "0.1.0")
    structured = center_report_sr(report, study, MODEL, None, "0.1.0")
    objects = (
        ("document", document, "EncapsulatedPDF"),
        ("report", structured, "ComprehensiveSR"),
    )
    for name, dataset, known_as in objects:
        write_dicom(dataset, tmp_path / f"{name}.dcm")
        assert errors_in(peer("dciodvfy"), tmp_path / f"{name}.dcm", name=known_as) == []
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


def test_the_same_findings_are_the_same_bytes(
    hopeless: tuple[ValidationReport, QaStudy], tmp_path: Path
) -> None:
    report, study = hopeless
    for name in ("first", "second"):
        write_dicom(center_report_sr(report, study, MODEL, None, "0.1.0"), tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
