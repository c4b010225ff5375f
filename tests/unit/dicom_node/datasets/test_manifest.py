"""Manifests: what an RTSTRUCT lists is read as the standard has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicom_node.datasets.identity import DamagedInstanceError
from dicom_node.datasets.instance import read_instance
from dicom_node.datasets.manifest import DrawnContours, ListedSeries, Manifest, Roi
from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.support.dicom_datasets import set_rois, square
from tests.support.intake_bench import FRAME, encode, rtstruct
from tests.support.part10 import read_part10


def _read_file(path: Path) -> Manifest | None:
    instance = read_part10(path)
    return read_instance(instance.dataset, instance.transfer_syntax).manifest


def _manifest(dataset: Dataset, syntax: str = IMPLICIT_VR_LITTLE_ENDIAN) -> Manifest:
    manifest = read_instance(encode(dataset, syntax), syntax).manifest
    assert manifest is not None
    return manifest


@pytest.mark.parametrize("syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN])
def test_an_rtstruct_says_what_it_needs(syntax: str) -> None:
    drawn = DrawnContours(
        contours=1,
        malformed=0,
        bounds_mm=(4.0, 6.0, 4.0, 6.0, 3.0, 3.0),
        planes_mm=((0.0, 0.0, 3.0),),
    )
    assert _manifest(rtstruct(["1.2.1.1.2", "1.2.1.1.1"]), syntax) == Manifest(
        rois=(Roi(1, "GTV-1", FRAME, drawn),),
        series=(ListedSeries("1.2.1.1", FRAME, ("1.2.1.1.1", "1.2.1.1.2")),),
        frame_of_reference_uids=(FRAME,),
        made_at=("20240517", "083000", "", ""),
    )


@pytest.mark.parametrize(
    ("written", "found"),
    [("APPROVED", "APPROVED"), ("UNAPPROVED ", "UNAPPROVED"), ("", ""), ("SIGNED", "")],
)
def test_an_rtstruct_says_whether_it_is_approved(written: str, found: str) -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    dataset.ApprovalStatus = written
    assert _manifest(dataset).approval == found


def test_references_of_a_contour_are_its_rois_and_those_to_other_modalities_do_not_count() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    of_contour, of_mr = Dataset(), Dataset()
    of_contour.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    of_contour.ReferencedSOPInstanceUID = "1.2.1.1.5"
    of_mr.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    of_mr.ReferencedSOPInstanceUID = "1.2.1.1.6"
    dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence = [of_contour, of_mr]
    manifest = _manifest(dataset)
    assert manifest.rois[0].drawn.sop_instance_uids == ("1.2.1.1.5",)
    assert manifest.series[0].sop_instance_uids == ("1.2.1.1.1",)
    assert manifest.referenced_sop_instance_uids == ("1.2.1.1.1", "1.2.1.1.5")
    assert manifest.other_classes == ("1.2.840.10008.5.1.4.1.1.4",)


def _malformed(data: object) -> Dataset:
    """Return an RTSTRUCT with a sound GTV, and a heart of one sound contour and one of `data`."""
    dataset = rtstruct(["1.2.1.1.1"])
    contours = [square(4.0, 6.0, 3.0), square(40.0, 60.0, 6.0), square(0.0, 1.0, 9.0)]
    set_rois(dataset, FRAME, [("GTV-1", contours[:1]), ("Heart", contours[1:])])
    spoiled = dataset.ROIContourSequence[1].ContourSequence[1]
    del spoiled.ContourData
    if data is not None:
        value = data if isinstance(data, bytes) else "\\".join(map(str, data)).encode()  # type: ignore[call-overload]
        spoiled[0x30060050] = RawDataElement(
            BaseTag(0x30060050), "DS", len(value), value, 0, False, True
        )
    return dataset


@pytest.mark.parametrize(
    "data",
    [
        (1, 2, 3, 4),
        ("nan", 1, 2, 3, 4, 5),
        ("1e400", 1, 2, 3, 4, 5),
        ("one", "two", "three"),
        b"\xff\xfe\\\\",
        None,
    ],
)
def test_a_contour_that_cannot_be_read_is_counted_with_its_roi_and_refuses_nothing(
    data: object,
) -> None:
    manifest = _manifest(_malformed(data))
    gtv, heart = manifest.rois
    assert (gtv.drawn.contours, gtv.drawn.malformed) == (1, 0)
    assert (heart.drawn.contours, heart.drawn.malformed) == (2, 1)
    assert gtv.drawn.bounds_mm == (4.0, 6.0, 4.0, 6.0, 3.0, 3.0)
    assert heart.drawn.bounds_mm == (40.0, 60.0, 40.0, 60.0, 6.0, 6.0)
    assert manifest.planes_mm == {(0.0, 0.0, 3.0), (0.0, 0.0, 6.0)}


def test_a_malformed_gtv_is_taken_too_and_judged_where_it_is_worked_on() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    dataset.ROIContourSequence[0].ContourSequence[0].ContourData = [1, 2, 3, 4]
    assert _manifest(dataset).rois[0].drawn == DrawnContours(contours=1, malformed=1)


def test_what_belongs_to_no_roi_hides_none() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    set_rois(dataset, FRAME, [("GTV-1", [square(4.0, 6.0, 3.0)]), ("Heart", [])])
    del dataset.ROIContourSequence[1].ReferencedROINumber
    del dataset.StructureSetROISequence[1].ROINumber
    gtv, heart = _manifest(dataset).rois
    assert (gtv.number, gtv.drawn.contours) == (1, 1)
    assert (heart.number, heart.drawn) == (None, DrawnContours())


@pytest.mark.filterwarnings("ignore:.*VR UI")
def test_each_roi_has_its_own_frame_and_what_is_no_uid_names_nothing() -> None:
    dataset = rtstruct(["1.2.1.1.1", "9" * 70, "no uid"])
    set_rois(dataset, FRAME, [("Heart", []), ("GTV-1", [square(4.0, 6.0, 3.0)]), ("Lung", [])])
    dataset.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3.9"
    del dataset.StructureSetROISequence[2].ReferencedFrameOfReferenceUID
    manifest = _manifest(dataset)
    assert [roi.frame_of_reference_uid for roi in manifest.rois] == [FRAME, "1.2.3.9", None]
    assert manifest.referenced_sop_instance_uids == ("1.2.1.1.1",)


def test_items_of_one_roi_are_joined_offsets_are_added_and_clicks_bound_nothing() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    click = np.array([(90, 90, 90), (91, 91, 91)])
    contours = [square(4.0, 6.0, 3.0), square(10.0, 12.0, 6.0), click]
    set_rois(dataset, FRAME, [("GTV-1", contours[:1]), ("again", contours[1:])])
    dataset.ROIContourSequence[1].ReferencedROINumber = 1
    dataset.ROIContourSequence[1].ContourSequence[0].add_new(0x30060045, "DS", [1, 2, 0.5])
    gtv, again = _manifest(dataset).rois
    assert gtv.drawn == DrawnContours(
        contours=3,
        malformed=0,
        bounds_mm=(4.0, 13.0, 4.0, 14.0, 3.0, 6.5),
        planes_mm=((0.0, 0.0, 3.0), (0.0, 0.0, 6.5)),
    )
    assert again.drawn == DrawnContours()


def test_names_are_read_in_the_character_set_of_the_rtstruct() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.StructureSetROISequence[0].ROIName = " GTV größer "
    assert _manifest(dataset).rois[0].name == "GTV größer"


def test_oblique_contours_have_a_point_in_their_plane() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    tilted = [(0, 0, 0), (10, 0, 0), (10, 10, 5), (0, 10, 5)]
    sagittal = [(7, 0, 0), (7, 10, 0), (7, 10, 10)]
    set_rois(dataset, FRAME, [("GTV-1", [tilted, sagittal])])
    assert _manifest(dataset).planes_mm == {(0.0, 0.0, 0.0), (7.0, 0.0, 0.0)}


def test_a_listed_series_of_another_modality_is_no_ct() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    (study,) = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    pet, unknown = Dataset(), Dataset()
    pet.SeriesInstanceUID, unknown.SeriesInstanceUID = "1.2.1.4", "1.2.1.5"
    image = Dataset()
    image.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.128"
    image.ReferencedSOPInstanceUID = "1.2.1.4.1"
    pet.ContourImageSequence, unknown.ContourImageSequence = [image], []
    study.RTReferencedSeriesSequence += [pet, unknown]
    assert _manifest(dataset).series == (
        ListedSeries("1.2.1.1", FRAME, ("1.2.1.1.1",)),
        ListedSeries("1.2.1.5", FRAME),
    )


def test_without_its_sequences_it_is_damaged() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    del dataset.ROIContourSequence
    with pytest.raises(DamagedInstanceError, match="lacks its Structure Set ROI Sequence"):
        read_instance(encode(dataset), IMPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.real_data
def test_the_manifest_of_pat1_lists_its_sixty_slices(real_data: Path) -> None:
    manifest = _read_file(next((real_data / "pat1" / "rtstruct").glob("*.dcm")))
    uids = set()
    for path in (real_data / "pat1" / "ct").glob("*.dcm"):
        instance = read_part10(path)
        uids.add(
            read_instance(
                instance.dataset, instance.transfer_syntax
            ).header.identity.sop_instance_uid
        )
    assert manifest is not None
    assert set(manifest.referenced_sop_instance_uids) == uids
    assert len(uids) == 60
    assert manifest.made_at[:2] == ("20160804", "121905.999")


@pytest.mark.real_data
@pytest.mark.parametrize(("patient", "listed"), [("STS_001", 267), ("STS_019", 179)])
def test_the_manifest_of_an_sts_patient_lists_the_uncropped_originals(
    real_data: Path, patient: str, listed: int
) -> None:
    manifest = _read_file(next((real_data / "sts" / patient / "rtstruct").glob("*.dcm")))
    assert manifest is not None
    assert len(manifest.referenced_sop_instance_uids) == listed
