"""What CT headers say, and which of them cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, MRImageStorage

from feature_store.errors import CtGeometryError, UnreadableInstance
from feature_store.imaging.ct_headers import slice_header
from feature_store.imaging.reading import read_ct
from tests.support.dicom_files import Spoil, write_ct


@pytest.fixture
def hu() -> npt.NDArray[np.int16]:
    return np.random.default_rng(3).integers(-1000, 1500, (8, 6, 5)).astype(np.int16)


def test_acquisition_says_what_is_missing(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    def spoil(_: int, dataset: Dataset) -> None:
        del dataset.KVP
        dataset.Manufacturer = ""

    acquisition = read_ct(write_ct(tmp_path, hu, spoil=spoil)).headers.acquisition
    assert acquisition.missing_tags == ("KVP", "Manufacturer")
    assert (acquisition.kvp, acquisition.manufacturer) == (None, None)
    assert (acquisition.convolution_kernel, acquisition.slice_thickness_mm) == ("B30f\\2", 3.0)


def _at(z: int, **values: object) -> Spoil:
    def spoil(index: int, dataset: Dataset) -> None:
        if index == z:
            for keyword, value in values.items():
                setattr(dataset, keyword, value)

    return spoil


def _without_position(z: int, dataset: Dataset) -> None:
    if z == 1:
        del dataset.ImagePositionPatient


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_without_position, "ct-header"),
        (_at(1, PixelSpacing=[0, 0]), "impossible-geometry"),
        (_at(1, ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "impossible-geometry"),
        (_at(1, SOPClassUID=MRImageStorage, Modality="MR"), "not-ct"),
    ],
)
def test_an_unusable_header_is_refused(
    tmp_path: Path, hu: npt.NDArray[np.int16], spoil: Spoil, code: str
) -> None:
    with pytest.raises(UnreadableInstance) as caught:
        read_ct(write_ct(tmp_path, hu, spoil=spoil))
    assert caught.value.code == code
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagePositionPatient", b"-10,5\\0\\0 "),
        ("ImageOrientationPatient", b"1\\0\\0 "),
        ("PixelSpacing", b""),
        ("Rows", b"\x08"),
    ],
)
def test_the_attribute_that_cannot_be_used_is_named(keyword: str, value: bytes) -> None:
    dataset, tag = Dataset(), Tag(keyword)
    dataset.SOPClassUID, dataset.Modality = CTImageStorage, "CT"
    dataset.SOPInstanceUID = dataset.SeriesInstanceUID = dataset.StudyInstanceUID = "1.2.3"
    dataset.Rows = dataset.Columns = 8
    dataset.ImagePositionPatient, dataset.PixelSpacing = [0, 0, 0], [1, 1]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    slice_header(dataset, 0, "It")
    vr = dataset[tag].VR
    dataset[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    with pytest.raises(UnreadableInstance, match=f"It lacks a usable {keyword}, expected"):
        slice_header(dataset, 0, "It")


def test_slices_are_ordered_along_their_normal_and_tell_where_they_lie(
    tmp_path: Path, hu: npt.NDArray[np.int16]
) -> None:
    paths = write_ct(tmp_path, hu)
    headers = read_ct([paths[n] for n in (3, 7, 0, 1, 6, 2, 5, 4)]).headers
    np.testing.assert_allclose(headers.slice_positions_mm, np.arange(-30, -8, 3))
    np.testing.assert_allclose(headers.slice_gaps_mm, 3)
    extent = headers.extent
    np.testing.assert_allclose(extent.origin_mm, (-10, 5, -30))
    np.testing.assert_allclose(extent.axes, np.eye(3))
    np.testing.assert_allclose(extent.spacing_mm, (1, 1, 3))
    assert extent.size.tolist() == [5, 6, 8]


def test_no_slice_is_no_ct() -> None:
    with pytest.raises(CtGeometryError) as caught:
        read_ct([])
    assert caught.value.code == "no-ct"


@pytest.mark.parametrize(
    ("values", "odd"),
    [
        ({}, None),
        ({"BitsStored": 12, "HighBit": 11}, None),
        ({"BitsStored": 12, "HighBit": 15}, "12 of 16 bits, the highest of them bit 15"),
        ({"BitsStored": 0, "HighBit": 15}, "0 of 16 bits, the highest of them bit 15"),
        ({"BitsStored": 17, "HighBit": 16}, "17 of 16 bits, the highest of them bit 16"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR of 1 sample"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, None),
        ({"SamplesPerPixel": 3}, "MONOCHROME2 of 3 samples"),
        ({"PixelRepresentation": None}, "without a usable PixelRepresentation"),
        ({"PixelRepresentation": 2}, "without a usable PixelRepresentation"),
        (
            {"BitsAllocated": None, "BitsStored": None},
            "without a usable BitsAllocated and BitsStored",
        ),
    ],
)
def test_pixels_of_another_form_are_told(
    tmp_path: Path, hu: npt.NDArray[np.int16], values: dict[str, object], odd: str | None
) -> None:
    headers = read_ct(write_ct(tmp_path, hu, spoil=_at(1, **values))).headers
    assert {one.odd_pixels for one in headers.slices} == {None, odd}


@pytest.mark.parametrize(
    ("values", "lossy"),
    [
        ({}, False),
        ({"LossyImageCompression": "01"}, True),
        ({"LossyImageCompression": "1"}, True),
        ({"LossyImageCompressionRatio": 10}, True),
        ({"LossyImageCompressionRatio": [1, "12.5"]}, True),
        ({"LossyImageCompressionRatio": 1}, False),
        ({"LossyImageCompressionMethod": "ISO_10918_1"}, True),
        ({"LossyImageCompression": "00", "LossyImageCompressionRatio": 2.5}, False),
    ],
)
def test_a_compression_with_loss_is_known_by_what_is_said_of_it(
    tmp_path: Path, hu: npt.NDArray[np.int16], values: dict[str, object], *, lossy: bool
) -> None:
    headers = read_ct(write_ct(tmp_path, hu, spoil=_at(1, **values))).headers
    assert sum(one.lossy for one in headers.slices) == lossy


def test_the_acquisition_of_each_slice_is_told(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    spoil = _at(1, AcquisitionNumber=4, TemporalPositionIdentifier=2)
    headers = read_ct(write_ct(tmp_path, hu, spoil=spoil)).headers
    assert [one.acquired_in for one in headers.slices[:3]] == [("", ""), ("4", "2"), ("", "")]
