"""A patient's page as a picture, in the study of the CT."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tests.support.dciodvfy import errors_in
from tests.support.shown_regions import MODEL, SCORED_AT, regions_of_study
from validation_reports.dicom.files import write_dicom
from validation_reports.dicom.secondary_capture import patient_picture
from validation_reports.dicom.uids import derived_uid
from validation_reports.errors import StructuredReportError

ABOUT: dict[str, Any] = {
    "software_version": "0.1.0",
    "created_at": SCORED_AT,
    "sop_instance_uid": derived_uid("content", "picture"),
    "series_instance_uid": derived_uid("study", "picture"),
}


@pytest.mark.peers
@pytest.mark.real_data
@pytest.mark.parametrize("name", ["PAT1", "Müller^Jörg"])
def test_a_picture_is_valid_and_comes_back_whole(
    name: str, real_data: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    ct = deepcopy(regions_of_study(real_data / "sts/STS_019").ct[0])
    ct.SpecificCharacterSet, ct.PatientName = "ISO_IR 100", name
    pixels = np.random.default_rng(1).integers(0, 256, (31, 21, 3), dtype=np.uint8)
    path = tmp_path / "picture.dcm"
    write_dicom(patient_picture(pixels, 150.0, ct, MODEL, **ABOUT), path)
    assert errors_in(peer("dciodvfy"), path, name="SCImage") == []
    back = pydicom.dcmread(path)
    np.testing.assert_array_equal(back.pixel_array, pixels)
    assert (str(back.PatientName), back.PatientID) == (name, ct.PatientID)
    assert back.StudyInstanceUID == ct.StudyInstanceUID
    assert back.BurnedInAnnotation == "YES"
    assert "DEMONSTRATION" in back.SeriesDescription
    subprocess.run([peer("dcmdump"), "-q", str(path)], check=True, capture_output=True)


@pytest.mark.real_data
def test_what_is_no_picture_in_colour_is_refused(real_data: Path) -> None:
    ct = regions_of_study(real_data / "sts/STS_019").ct[0]
    wrong: Any
    for wrong in (np.zeros((3, 3), np.uint8), np.zeros((3, 3, 3), np.uint16)):
        with pytest.raises(StructuredReportError, match="expected rows, columns and three colours"):
            patient_picture(wrong, 150.0, ct, MODEL, **ABOUT)
