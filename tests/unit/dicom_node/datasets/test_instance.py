"""Headers and manifests are read as the standard has them, and damage is told from wholeness at
every byte.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_node.datasets.identity import DamagedInstanceError
from dicom_node.datasets.instance import read_instance
from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicom_node.errors import ReceivedDataError, UnreadableDatasetError
from tests.support.intake_bench import FRAME, ct_slice, encode, rtstruct

SYNTAXES = [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN]


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


@pytest.mark.filterwarnings("ignore:.*VR CS")
@pytest.mark.parametrize(
    ("image_type", "is_localizer"),
    [
        (["ORIGINAL", "PRIMARY", "LOCALIZER"], True),
        (["ORIGINAL", "PRIMARY", "localizer", "CT_SOM5 TOP"], True),
        (["DERIVED", "SECONDARY", "SCOUT"], True),
        (["ORIGINAL", "PRIMARY", "AXIAL"], False),
        (None, False),
    ],
)
def test_a_localizer_is_known_by_its_image_type(
    image_type: list[str] | None, *, is_localizer: bool
) -> None:
    dataset = ct_slice(0)
    if image_type is not None:
        dataset.ImageType = image_type
    for syntax in SYNTAXES:
        assert read_instance(encode(dataset, syntax), syntax).header.is_localizer == is_localizer


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
