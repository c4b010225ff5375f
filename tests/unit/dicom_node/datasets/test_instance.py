"""Headers and manifests are read as the standard has them, and damage is told from wholeness at
every byte.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_node.archive.part10 import read_part10
from dicom_node.datasets.identity import DamagedInstanceError, is_uid
from dicom_node.datasets.instance import read_instance
from dicom_node.datasets.manifest import Manifest
from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicom_node.errors import ReceivedDataError, UnreadableDatasetError
from tests.support.intake_bench import FRAME, ct_slice, encode, rtstruct

SYNTAXES = [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN]


def _read_file(path: Path) -> Manifest | None:
    instance = read_part10(path)
    return read_instance(instance.dataset, instance.transfer_syntax).manifest


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_slice_says_who_and_where_it_is(syntax: str) -> None:
    header = read_instance(encode(ct_slice(2), syntax), syntax).header
    assert header.identity.sop_instance_uid == "1.2.1.1.3"
    assert header.identity.patient_id == "P1"
    assert (header.modality, header.frame_of_reference_uid) == ("CT", FRAME)
    assert header.plane is not None
    assert header.plane.position == (0.0, 0.0, 6.0)
    assert header.plane.normal == (0.0, 0.0, 1.0)
    assert (header.plane.rows, header.plane.columns) == (8, 10)


@pytest.mark.parametrize("syntax", SYNTAXES)
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


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("dataset", [ct_slice(0), rtstruct(["1.2.1.1.1"])], ids=["ct", "rtstruct"])
def test_a_dataset_cut_at_any_byte_is_refused(dataset: Dataset, syntax: str) -> None:
    whole = encode(dataset, syntax)
    read_instance(whole, syntax)
    for end in range(len(whole)):
        with pytest.raises(ReceivedDataError):
            read_instance(whole[:end], syntax)


def test_a_cut_slice_still_says_to_which_study_it_belongs() -> None:
    whole = encode(ct_slice(0))
    with pytest.raises(DamagedInstanceError, match="cut off; send it again") as caught:
        read_instance(whole[:-20], IMPLICIT_VR_LITTLE_ENDIAN)
    assert caught.value.identity is not None
    assert caught.value.identity.study_instance_uid == "1.2.1"


def test_less_pixel_data_than_announced_is_damage() -> None:
    dataset = ct_slice(0)
    dataset.Rows = 9
    with pytest.raises(
        DamagedInstanceError, match="holds 160 bytes of pixel data, expected 180 for 9 x 10"
    ):
        read_instance(encode(dataset), IMPLICIT_VR_LITTLE_ENDIAN)


def test_a_contour_without_triplets_is_damage() -> None:
    dataset = rtstruct(["1.2.1.1.1"])
    dataset.ROIContourSequence[0].ContourSequence[0].ContourData = [1, 2, 3, 4]
    with pytest.raises(DamagedInstanceError, match="contours or the references"):
        read_instance(encode(dataset), IMPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize(
    "uid", ["", "1", "1.", ".1", "1..2", "../../x", "1.2.3/4", "1.2\n", "1." + "2" * 63, "1.2.a"]
)
def test_what_is_no_uid_is_refused(uid: str) -> None:
    assert not is_uid(uid)


def test_a_missing_study_uid_is_named_without_naming_the_patient() -> None:
    dataset = ct_slice(0, patient="Secret17")
    del dataset.StudyInstanceUID
    with pytest.raises(
        UnreadableDatasetError, match=r"Study Instance UID \(0020,000D\) .* missing"
    ) as caught:
        read_instance(encode(dataset), IMPLICIT_VR_LITTLE_ENDIAN)
    assert "Secret17" not in str(caught.value)


def test_a_compressed_transfer_syntax_is_refused() -> None:
    with pytest.raises(UnreadableDatasetError, match="send it uncompressed"):
        read_instance(encode(ct_slice(0)), "1.2.840.10008.1.2.4.70")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_with_our_own_error(junk: bytes) -> None:
    for syntax in SYNTAXES:
        with pytest.raises(ReceivedDataError):
            read_instance(junk, syntax)


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
