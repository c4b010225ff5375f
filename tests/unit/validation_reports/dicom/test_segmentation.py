"""The SEG is valid, is read back as what was written, and says how it agrees with what was
measured.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.seg import segread
from pydicom.dataset import Dataset

from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.regions import Region
from tests.support.dciodvfy import errors_in
from tests.support.shown_regions import RegionsOfStudy, regions_of_study
from validation_reports.dicom.files import write_dicom
from validation_reports.errors import StructuredReportError

STUDIES = ("pat1", "sts/STS_001", "sts/STS_002", "sts/STS_003", "sts/STS_008", "sts/STS_019")


def _read_back(path: Path, found: RegionsOfStudy) -> dict[int, np.ndarray]:
    """Return each segment's voxels on the grid of the CT, found by the CT's own UIDs."""
    uids = [str(ct.SOPInstanceUID) for ct in found.ct]
    segmentation = segread(path)
    named = {
        str(one.ReferencedSOPInstanceUID)
        for series in segmentation.ReferencedSeriesSequence
        for one in series.ReferencedInstanceSequence
    }
    pixels = segmentation.get_pixels_by_source_instance(
        [uid for uid in uids if uid in named], ignore_spatial_locations=False
    )
    whole = {}
    for segment in found.segments:
        whole[segment.number] = np.zeros(found.study.volume.hu.shape, np.bool_)
        places = [place for place, uid in enumerate(uids) if uid in named]
        whole[segment.number][places] = pixels[..., segment.number - 1]
    return whole


@pytest.mark.peers
@pytest.mark.real_data
@pytest.mark.parametrize("name", STUDIES)
def test_what_is_read_back_is_what_was_written_and_valid(
    name: str, real_data: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    found = regions_of_study(real_data / name)
    path = tmp_path / "seg.dcm"
    write_dicom(found.segmentation(), path)
    assert errors_in(peer("dciodvfy"), path, name="Segmentation") == []
    subprocess.run([peer("dcmdump"), "-q", str(path)], check=True, capture_output=True)
    back = _read_back(path, found)
    np.testing.assert_array_equal(back[1], found.study.gtv_mask)
    np.testing.assert_array_equal(back[2], found.regions[Region.RING_6MM].mask.whole())
    dataset = pydicom.dcmread(path)
    voxel = float(np.prod(found.study.volume.spacing_mm))
    for item, segment in zip(dataset.SegmentSequence, found.segments, strict=True):
        region = found.regions[segment.region]
        assert region.volume_mm3 == pytest.approx(back[segment.number].sum() * voxel)
        assert region.measured_mm3 == found.features.masks[segment.region].count
        assert f"{region.volume_mm3 / 1000:.2f} cm3 on the CT's grid" in item.SegmentDescription
        assert f"{region.measured_mm3 / 1000:.2f} cm3 as measured" in item.SegmentDescription
        assert f"Dice {region.dice:.3f}" in item.SegmentDescription
        assert item.TrackingUID == segment.tracking_uid
    assert found.regions[Region.GTV].dice == 1.0
    assert found.regions[Region.RING_6MM].dice > 0.95
    assert dataset.SegmentationType == "BINARY"
    assert dataset.FrameOfReferenceUID == found.ct[0].FrameOfReferenceUID


@pytest.mark.real_data
def test_the_same_score_gives_the_same_bytes_and_nothing_from_the_clock(
    real_data: Path, tmp_path: Path
) -> None:
    found = regions_of_study(real_data / "sts/STS_019")
    first, second = tmp_path / "first.dcm", tmp_path / "second.dcm"
    write_dicom(found.segmentation(), first)
    write_dicom(found.segmentation(), second)
    assert first.read_bytes() == second.read_bytes()
    assert f"{datetime.now(tz=UTC):%Y%m%d}".encode() not in first.read_bytes()


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("charset", "name"), [("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 192", "山田^太郎"), ("", "D^J")]
)
def test_names_of_patient_and_contour_come_back_whole(
    real_data: Path, tmp_path: Path, charset: str, name: str
) -> None:
    found = regions_of_study(real_data / "sts/STS_019")
    ct: list[Dataset] = deepcopy(list(found.ct))
    for dataset in ct:
        dataset.SpecificCharacterSet, dataset.PatientName = charset, name
    contour, ring = found.segments
    path = tmp_path / "seg.dcm"
    changed = replace(
        found, ct=tuple(ct), segments=(replace(contour, label="腫瘍 GTV"), ring)
    ).segmentation()
    write_dicom(changed, path)
    back = pydicom.dcmread(path)
    assert str(back.PatientName) == name
    assert back.PatientID == ct[0].PatientID
    assert back.SegmentSequence[0].SegmentLabel == "腫瘍 GTV"
    assert back.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.real_data
def test_absent_and_impossible_attributes_do_not_stop_it(
    real_data: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    found = regions_of_study(real_data / "sts/STS_019")
    ct = deepcopy(list(found.ct))
    with pydicom.config.disable_value_validation():
        for dataset in ct:
            for keyword in ("PatientBirthDate", "StudyTime", "SliceThickness"):
                delattr(dataset, keyword)
            dataset.PatientSex, dataset.StudyID = "male", "a study identifier that is too long"
    path = tmp_path / "seg.dcm"
    write_dicom(replace(found, ct=tuple(ct)).segmentation(), path)
    assert errors_in(peer("dciodvfy"), path, name="Segmentation") == []


@pytest.mark.real_data
def test_regions_of_another_ct_are_refused(real_data: Path) -> None:
    found = regions_of_study(real_data / "sts/STS_019")
    with pytest.raises(StructuredReportError, match="expected one for each slice"):
        replace(found, ct=found.ct[1:]).segmentation()
    wrong = replace(found.regions[Region.GTV], mask=BoxedMask.of(np.ones((3, 4, 5), np.bool_)))
    with pytest.raises(StructuredReportError, match="slices and the CT has"):
        replace(found, regions={**found.regions, Region.GTV: wrong}).segmentation()
