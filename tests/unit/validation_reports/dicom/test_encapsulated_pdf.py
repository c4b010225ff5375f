"""Only a PDF is encapsulated as one, and a patient's page lies in the study of the CT."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pydicom
import pytest

from tests.support.dciodvfy import errors_in
from tests.support.shown_regions import MODEL, SCORED_AT, regions_of_study
from validation_reports.dicom.encapsulated_pdf import encapsulated_pdf, patient_document
from validation_reports.dicom.files import write_dicom
from validation_reports.dicom.qa_study import QaStudy
from validation_reports.dicom.uids import derived_uid
from validation_reports.errors import StructuredReportError
from validation_reports.report.validation_report import ValidationReport


def test_what_is_no_pdf_is_refused(hopeless: tuple[ValidationReport, QaStudy]) -> None:
    with pytest.raises(StructuredReportError, match="not a PDF"):
        encapsulated_pdf(b"<html>", hopeless[1], "External validation", "0.1.0")


@pytest.mark.peers
@pytest.mark.real_data
@pytest.mark.parametrize("name", ["PAT1", "Müller^Jörg"])
def test_a_patient_s_page_is_valid_and_comes_back_whole(
    name: str, real_data: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    ct = deepcopy(regions_of_study(real_data / "sts/STS_019").ct[0])
    ct.SpecificCharacterSet, ct.PatientName = "ISO_IR 100", name
    pdf = b"%PDF-1.7\nof odd length!\n%%EOF\n"
    document = patient_document(
        pdf,
        ct,
        MODEL,
        software_version="0.1.0",
        created_at=SCORED_AT,
        sop_instance_uid=derived_uid("content", "page"),
        series_instance_uid=derived_uid("study", "page"),
    )
    path, again = tmp_path / "page.dcm", tmp_path / "again.dcm"
    write_dicom(document, path)
    assert errors_in(peer("dciodvfy"), path, name="EncapsulatedPDF") == []
    back = pydicom.dcmread(path)
    assert back.EncapsulatedDocument[: back.EncapsulatedDocumentLength] == pdf
    assert str(back.PatientName) == name
    assert (back.PatientID, back.StudyInstanceUID) == (ct.PatientID, ct.StudyInstanceUID)
    assert "DEMONSTRATION" in back.SeriesDescription
    subprocess.run([peer("dcmdump"), "-q", str(path)], check=True, capture_output=True)
    subprocess.run([peer("dcm2pdf"), str(path), str(again)], check=True, capture_output=True)
    assert again.read_bytes()[: len(pdf)] == pdf
