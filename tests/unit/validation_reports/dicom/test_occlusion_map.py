"""The map lies where the tumour lies, is valid DICOM, and names its model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from feature_store.imaging.deep_input import deep_input, input_grid
from feature_store.imaging.harmonize import harmonize_ct, harmonize_mask
from feature_store.imaging.reading import read_study
from feature_store.study_features import load_study
from tests.support.dciodvfy import errors_in
from validation_reports.dicom.occlusion_map import build_occlusion_map
from validation_reports.dicom.references import ModelReference
from validation_reports.dicom.uids import derived_uid
from validation_reports.errors import StructuredReportError

MODEL = ModelReference("demo-nsclc", "1.0", "ab" * 32, True, "Research on external validation.")


@pytest.mark.real_data
def test_a_map_of_a_real_patient(
    real_data: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    paths = sorted((real_data / "pat1" / "ct").glob("*.dcm"))
    study = load_study(
        read_study(paths, next((real_data / "pat1" / "rtstruct").glob("*.dcm"))), "gtv.*"
    )
    harmonized = harmonize_ct(study.volume)
    gtv = harmonize_mask(study.gtv_mask, study.volume, harmonized)
    grid = input_grid(harmonized, gtv)
    values = 0.05 * deep_input(
        harmonized, gtv
    )  # any image on that grid, of the magnitude of a log hazard
    ct = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    uids: dict[str, Any] = {
        "created_at": datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        "sop_instance_uid": derived_uid("content", "map"),
        "series_instance_uid": derived_uid("study", "map"),
    }
    dataset = build_occlusion_map(ct, values, grid, MODEL, software_version="0.1.0", **uids)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    read = pydicom.dcmread(BytesIO(buffer.getvalue()))
    frames = np.frombuffer(read.FloatPixelData, "<f4").reshape(64, 64, 64)
    positions = np.array(
        [
            frame.PlanePositionSequence[0].ImagePositionPatient
            for frame in read.PerFrameFunctionalGroupsSequence
        ],
        dtype=np.float64,
    )
    # The frames may stand in either order; each lies where its plane lies.
    plane = (
        (positions - grid.origin_mm)
        @ np.array(grid.direction).reshape(3, 3)[:, 2]
        / grid.spacing_mm[2]
    )
    assert sorted(np.round(plane)) == list(range(64))
    np.testing.assert_array_equal(frames, values[np.round(plane).astype(int)])
    assert read.FrameOfReferenceUID == ct[0].FrameOfReferenceUID
    assert (read.PatientID, read.ContentQualification) == (ct[0].PatientID, "RESEARCH")
    assert "DEMONSTRATION" in read.SeriesDescription
    assert read.SeriesDescription.endswith("deep block of the score alone")
    assert read.ContentDescription == "Fall of the deep block alone by occlusion"
    assert read.DeviceSerialNumber == MODEL.digest

    # The middle of the map is the middle of the contour's bounding box, in the patient's
    # millimetres.
    spacing = [
        float(value)
        for value in read.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    ]
    middle = positions.mean(axis=0) + 31.5 * np.array([spacing[1], spacing[0], 0])
    box_middle = [(part.start + part.stop - 1) / 2 for part in reversed(gtv.tight().box)]
    image = harmonized.to_image()
    np.testing.assert_allclose(
        middle, image.TransformContinuousIndexToPhysicalPoint(box_middle), atol=1e-3
    )

    file = tmp_path / "map.dcm"
    file.write_bytes(buffer.getvalue())
    assert errors_in(peer("dciodvfy"), file, "-new") == []

    with pytest.raises(StructuredReportError, match="No CT instance"):
        build_occlusion_map([], values, grid, MODEL, software_version="0.1.0", **uids)
    with pytest.raises(StructuredReportError, match="finite values"):
        build_occlusion_map(ct, values * np.nan, grid, MODEL, software_version="0.1.0", **uids)
