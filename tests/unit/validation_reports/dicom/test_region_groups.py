"""A report has one group for each segment, and an edge that a viewer can draw over the CT."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from pydicom.dataset import Dataset

from models.combined.combined_model import Risk
from tests.support.dciodvfy import errors_in
from tests.support.shown_regions import MODEL, SCORED_AT, RegionsOfStudy, regions_of_study
from validation_reports.dicom.files import write_dicom
from validation_reports.dicom.patient_report import build_structured_report
from validation_reports.dicom.references import RoiReference
from validation_reports.dicom.segments import ShownRegions
from validation_reports.dicom.uids import derived_uid
from validation_reports.not_estimable import NotEstimable


def _report(found: RegionsOfStudy, shown: ShownRegions | None) -> Dataset:
    return build_structured_report(
        found.ct,
        found.rtstruct,
        RoiReference(1, found.study.gtv.name),
        Risk(0.4321, True, {365: 0.61, 730: 0.37}, {"gtv": 0.4321}),
        MODEL,
        software_version="0.1.0",
        warnings=(),
        created_at=SCORED_AT,
        sop_instance_uid=derived_uid("content", "model", "report"),
        series_instance_uid=derived_uid("content", "model", "series"),
        center="centre-a",
        performance=NotEstimable("This model has not been validated at centre centre-a yet."),
        shown=shown,
    )


def _groups(report: Dataset) -> list[Dataset]:
    (measurements,) = (
        item
        for item in report.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "126010"
    )
    return list(measurements.ContentSequence)


def _named(group: Dataset, code: str) -> list[Dataset]:
    return [
        item for item in group.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == code
    ]


@pytest.mark.peers
@pytest.mark.real_data
@pytest.mark.parametrize("name", ["pat1", "sts/STS_002"])
def test_each_segment_has_its_group_with_the_tracking_of_the_seg(
    name: str, real_data: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    found = regions_of_study(real_data / name)
    segmentation = found.segmentation()
    report = _report(found, replace(found.shown, segmentation=segmentation))
    path = tmp_path / "report.dcm"
    write_dicom(report, path)
    assert errors_in(peer("dciodvfy"), path, name="Comprehensive3DSR") == []
    subprocess.run([peer("dsrdump"), str(path)], check=True, capture_output=True)
    contour, ring, *edges = _groups(report)
    for group, segment in ((contour, 1), (ring, 2)):
        assert group.ContentTemplateSequence[0].TemplateIdentifier == "1411"
        ((reference,),) = [item.ReferencedSOPSequence for item in _named(group, "121191")]
        assert reference.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == segment
        (tracking,) = _named(group, "112040")
        of_segment = segmentation.SegmentSequence[segment - 1]
        assert of_segment.TrackingUID == tracking.UID
    assert [_named(edge, "112040")[0].UID for edge in edges] == [
        _named(group, "112040")[0].UID for group in (contour, ring)
    ]
    assert {edge.ContentTemplateSequence[0].TemplateIdentifier for edge in edges} == {"1410"}
    evidence = {
        str(one.ReferencedSOPInstanceUID)
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert str(segmentation.SOPInstanceUID) in evidence


@pytest.mark.peers
@pytest.mark.real_data
def test_where_no_seg_is_taken_the_edge_and_the_ring_are_there_without_it(
    real_data: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    found = regions_of_study(real_data / "sts/STS_002")
    report = _report(found, found.shown)
    path = tmp_path / "report.dcm"
    write_dicom(report, path)
    assert errors_in(peer("dciodvfy"), path, name="Comprehensive3DSR") == []
    contour, ring, *edges = _groups(report)
    assert not _named(contour, "121191")
    assert not _named(ring, "121191")
    (volume,) = _named(ring, "118565006")
    assert float(volume.MeasuredValueSequence[0].NumericValue) == pytest.approx(
        found.features.masks[found.segments[1].region].count / 1000, rel=1e-5
    )
    assert len(_groups(_report(found, None))) == 1
    assert all(_named(edge, "111030") for edge in edges)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["pat1", "sts/STS_001", "sts/STS_008"])
def test_the_edge_encloses_the_contour_in_the_slice_that_it_names(
    name: str, real_data: Path
) -> None:
    found = regions_of_study(real_data / name)
    edge = _groups(_report(found, found.shown))[2]
    (region,) = _named(edge, "111030")
    assert (region.ValueType, region.GraphicType) == ("SCOORD", "POLYLINE")
    line = np.asarray(region.GraphicData, dtype=np.float64).reshape(-1, 2)
    np.testing.assert_array_equal(line[0], line[-1])
    (image,) = region.ContentSequence
    named = image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    (number,) = (place for place, ct in enumerate(found.ct) if ct.SOPInstanceUID == named)
    drawn = found.study.gtv_mask[number]
    assert drawn.sum() == found.study.gtv_mask.sum(axis=(1, 2)).max()
    rows, columns = np.indices(drawn.shape)
    centres = np.column_stack([columns.ravel() + 0.5, rows.ravel() + 0.5])
    inside = Polygon(line).contains_points(centres).reshape(drawn.shape)
    assert (inside & drawn).sum() > 0.95 * drawn.sum()
    assert (inside & ~drawn).sum() < 0.05 * drawn.sum()
