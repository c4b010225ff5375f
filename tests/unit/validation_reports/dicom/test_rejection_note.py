"""A rejection note names what a newer result replaces, in a way that archives act on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.support.dciodvfy import errors_in
from tests.support.shown_regions import MODEL, SCORED_AT, regions_of_study
from validation_reports.dicom.files import write_dicom
from validation_reports.dicom.rejection_note import build_rejection_note
from validation_reports.dicom.uids import derived_uid
from validation_reports.errors import StructuredReportError

SR, PDF = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.104.1"
ABOUT: dict[str, Any] = {
    "software_version": "0.1.0",
    "created_at": SCORED_AT,
    "sop_instance_uid": derived_uid("content", "note"),
    "series_instance_uid": derived_uid("study", "note"),
}


def _earlier(ct: Dataset, sop_class: str, number: int) -> Dataset:
    found = Dataset()
    found.SOPClassUID, found.SOPInstanceUID = sop_class, derived_uid("earlier", str(number))
    found.StudyInstanceUID = ct.StudyInstanceUID
    found.SeriesInstanceUID = derived_uid("earlier series", str(number))
    return found


@pytest.mark.peers
@pytest.mark.real_data
@pytest.mark.parametrize("name", ["PAT1", "Müller^Jörg"])
def test_a_note_is_valid_and_names_each_object_under_the_title_that_hides_it(
    name: str, real_data: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    ct = deepcopy(regions_of_study(real_data / "sts/STS_019").ct[0])
    ct.SpecificCharacterSet, ct.PatientName = "ISO_IR 100", name
    earlier = [_earlier(ct, SR, 1), _earlier(ct, PDF, 2)]
    note = build_rejection_note(ct, earlier, MODEL, **ABOUT)
    path = tmp_path / "note.dcm"
    write_dicom(note, path)
    assert errors_in(peer("dciodvfy"), path, name="KeyObjectSelectionDocument") == []
    back = pydicom.dcmread(path)
    (title,) = back.ConceptNameCodeSequence
    assert (title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning) == (
        "113037",
        "DCM",
        "Rejected for Patient Safety Reasons",
    )
    assert (str(back.PatientName), back.PatientID) == (name, ct.PatientID)
    listed = {
        (str(one.ReferencedSOPClassUID), str(one.ReferencedSOPInstanceUID))
        for study in back.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    named = {
        tuple(str(value) for value in (one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID))
        for item in back.ContentSequence
        for one in item.get("ReferencedSOPSequence", [])
    }
    assert listed == named == {(str(one.SOPClassUID), str(one.SOPInstanceUID)) for one in earlier}
    said = subprocess.run(
        [peer("dsrdump"), "+Pl", str(path)], check=True, capture_output=True, text=True
    ).stdout
    assert "Replaced by a newer result of the same study" in said
    assert note == build_rejection_note(ct, earlier, MODEL, **ABOUT)


@pytest.mark.real_data
def test_a_note_on_nothing_or_on_another_study_is_refused(real_data: Path) -> None:
    ct = regions_of_study(real_data / "sts/STS_019").ct[0]
    with pytest.raises(StructuredReportError, match="names nothing"):
        build_rejection_note(ct, [], MODEL, **ABOUT)
    other = _earlier(ct, SR, 1)
    other.StudyInstanceUID = "1.2.3"
    with pytest.raises(StructuredReportError, match="lies in another study"):
        build_rejection_note(ct, [other], MODEL, **ABOUT)
