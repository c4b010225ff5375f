"""Manifests: what an RTSTRUCT lists is read as the standard has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicom_node.datasets.identity import DamagedInstanceError
from dicom_node.datasets.instance import read_instance
from dicom_node.datasets.manifest import Manifest
from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.support.intake_bench import FRAME, encode, rtstruct
from tests.support.part10 import read_part10


def _read_file(path: Path) -> Manifest | None:
    instance = read_part10(path)
    return read_instance(instance.dataset, instance.transfer_syntax).manifest


@pytest.mark.parametrize("syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN])
def test_an_rtstruct_says_what_it_needs(syntax: str) -> None:
    received = read_instance(encode(rtstruct(["1.2.1.1.2", "1.2.1.1.1"]), syntax), syntax)
    assert received.manifest == Manifest(
        referenced_sop_instance_uids=("1.2.1.1.1", "1.2.1.1.2"),
        frame_of_reference_uid=FRAME,
        contour_bounds_mm=(4.0, 6.0, 4.0, 6.0, 3.0, 3.0),
        made_at=("20240517", "083000", "", ""),
    )


def test_references_of_a_contour_count_and_those_to_other_modalities_do_not() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    of_contour, of_mr = Dataset(), Dataset()
    of_contour.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    of_contour.ReferencedSOPInstanceUID = "1.2.1.1.5"
    of_mr.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    of_mr.ReferencedSOPInstanceUID = "1.2.1.1.6"
    dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence = [of_contour, of_mr]
    manifest = read_instance(encode(dataset), IMPLICIT_VR_LITTLE_ENDIAN).manifest
    assert manifest is not None
    assert manifest.referenced_sop_instance_uids == ("1.2.1.1.1", "1.2.1.1.5")


def test_a_contour_without_triplets_is_damage() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    dataset.ROIContourSequence[0].ContourSequence[0].ContourData = [1, 2, 3, 4]
    with pytest.raises(DamagedInstanceError, match="contours or the references"):
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
