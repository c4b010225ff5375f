"""Headers and manifests are read as the standard has them, and damage is told from wholeness at
every byte.
"""

from __future__ import annotations

from tempfile import TemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_node.datasets.dataset_window import DatasetWindow
from dicom_node.datasets.identity import DamagedInstanceError
from dicom_node.datasets.instance import ReceivedInstance, read_instance
from dicom_node.datasets.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicom_node.errors import ReceivedDataError, UnreadableDatasetError
from tests.support.intake_bench import FRAME, ct_slice, encode, rtstruct
from tests.support.raw_values import CANNOT_BE, raw_element, with_value

SYNTAXES = [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_slice_says_who_and_where_it_is(syntax: str) -> None:
    header = read_instance(encode(ct_slice(2), syntax), syntax).header
    assert header.identity.sop_instance_uid == "1.2.1.1.3"
    assert header.identity.patient_id == "P1"
    assert header.frame_of_reference_uid == FRAME
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


@pytest.mark.parametrize("lacking", ["Rows", "SamplesPerPixel", "BitsAllocated"])
def test_a_slice_without_pixels_is_damage(lacking: str) -> None:
    dataset = ct_slice(0)
    setattr(dataset, lacking, 0)
    with pytest.raises(DamagedInstanceError, match="expected at least one of each"):
        read_instance(encode(dataset), IMPLICIT_VR_LITTLE_ENDIAN)


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


def _read_from_file(dataset: bytes, syntax: str) -> ReceivedInstance:
    """Read an instance as the node does: from the file that it has come into."""
    with TemporaryFile() as file:
        file.write(dataset)
        file.flush()
        return read_instance(DatasetWindow(file.fileno(), 0, len(dataset)), syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("what", CANNOT_BE)
def test_a_value_that_is_none_of_its_kind_is_refused(what: str, syntax: str) -> None:
    tag, vr, value = CANNOT_BE[what]
    dataset = with_value(ct_slice(0), tag, vr, value, syntax)
    with pytest.raises(ReceivedDataError):
        read_instance(dataset, syntax)
    with pytest.raises(ReceivedDataError):
        _read_from_file(dataset, syntax)


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00280008, "IS", b" 1 "),
        (0x00280008, "IS", b""),
        (0x00200032, "DS", b"-1.5E1\\+0.\\.5"),
        (0x00200032, "DS", b""),
        (0x00200052, "UI", b"1.2.3\0"),
        (0x00080005, "CS", b"\\ISO 2022 IR 87"),
        (0x00080005, "CS", b"ISO IR 100"),
        (0x00100020, "LO", b"P" * 64),
    ],
)
def test_values_as_the_standard_writes_them_are_read(tag: int, vr: str, value: bytes) -> None:
    syntax = SYNTAXES[1]
    header = _read_from_file(with_value(ct_slice(0), tag, vr, value, syntax), syntax).header
    assert header.identity.study_instance_uid == "1.2.1"


@pytest.mark.parametrize(
    ("named", "patient"),
    [
        (b"ISO_IR_100", "P\xfc".encode("latin1")),
        (b"iso_ir_101", "P\xfc".encode("iso8859_2")),
        (b"ISOIR100", "P\xfc".encode("latin1")),
        (b"UTF-8", "P\xfc".encode()),
        (b"ISO 2022-IR 100", "P\xfc".encode("latin1")),
        (b"ISO-IR 101", "P\xfc".encode("iso8859_2")),
    ],
)
def test_a_character_set_that_is_misspelt_is_the_one_that_is_meant(
    named: bytes, patient: bytes
) -> None:
    sliced = with_value(ct_slice(0), 0x00100020, "LO", patient)
    dataset = raw_element(0x00080005, "CS", named) + sliced
    read = read_instance(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    assert read.header.identity.patient_id == "P\xfc"


@pytest.mark.parametrize("named", [b"ISO_IR144", b"ISO_IR 999", b"ISO-8859-1", b"\\ISO2022IR87"])
def test_a_character_set_that_others_would_read_otherwise_is_refused(named: bytes) -> None:
    dataset = raw_element(0x00080005, "CS", named) + encode(ct_slice(0), EXPLICIT_VR_LITTLE_ENDIAN)
    with pytest.raises(DamagedInstanceError, match="not a defined term"):
        read_instance(dataset, EXPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize(
    ("tag", "vr"), [(0x00020010, "UI"), (0x00000002, "UI"), (0x00041130, "CS"), (0x00070010, "LO")]
)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_elements_of_commands_and_files_are_no_part_of_a_dataset(
    tag: int, vr: str, syntax: str
) -> None:
    dataset = with_value(ct_slice(0), tag, vr, b"1.2", syntax)
    with pytest.raises(UnreadableDatasetError, match="expected groups 0008 to FFFC"):
        read_instance(dataset, syntax)


def test_bytes_of_the_other_encoding_are_refused() -> None:
    implicit, explicit = SYNTAXES
    for kind in (ct_slice(0), rtstruct(["1.2.1.1.1"])):
        with pytest.raises(UnreadableDatasetError, match="value representation"):
            read_instance(encode(kind, implicit), explicit)
        with pytest.raises(ReceivedDataError):
            read_instance(encode(kind, explicit), implicit)


@pytest.mark.parametrize("vr", ["ZZ", "ui", "  ", "\0\0", "X1"])
def test_a_representation_that_is_none_is_refused(vr: str) -> None:
    dataset = with_value(ct_slice(0), 0x00080070, vr, b"MAKER", SYNTAXES[1])
    with pytest.raises(ReceivedDataError):
        read_instance(dataset, SYNTAXES[1])


@pytest.mark.parametrize("listed", ["1." + "2" * 72, "1.2.x", "1.2\x003"])
@pytest.mark.filterwarnings("ignore:.*VR UI:UserWarning")
def test_what_is_no_uid_names_no_instance(listed: str) -> None:
    whole = read_instance(encode(rtstruct([listed, "1.2.3"])), IMPLICIT_VR_LITTLE_ENDIAN)
    assert whole.manifest is not None
    assert whole.manifest.referenced_sop_instance_uids == ("1.2.3",)


@pytest.mark.filterwarnings("ignore:Found unknown escape sequence:UserWarning")
@given(
    st.sampled_from([0x00080005, 0x00080016, 0x00080018, 0x00100020, 0x0020000D, 0x0020000E])
    | st.sampled_from([0x00200032, 0x00200037, 0x00200052, 0x00280002, 0x00280008, 0x00280010])
    | st.sampled_from([0x00280011, 0x00280030, 0x00280100, 0x7FE00010]),
    st.binary(max_size=80),
    st.sampled_from(["UI", "DS", "LO", "US", "OB", "SQ", "UN"]),
)
def test_any_bytes_in_any_element_that_is_read_are_kept_or_refused(
    tag: int, value: bytes, vr: str
) -> None:
    for syntax in SYNTAXES:
        try:
            read = _read_from_file(with_value(ct_slice(0), tag, vr, value, syntax), syntax)
        except ReceivedDataError:
            continue
        assert len(read.header.frame_of_reference_uid or "") <= 64
        assert "\0" not in (read.header.frame_of_reference_uid or "")
