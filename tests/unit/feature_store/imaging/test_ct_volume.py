"""A CT series is one regular volume in HU, or a sentence says why it is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from feature_store.errors import CtGeometryError, StudyDefect, UnreadableInstance
from feature_store.imaging.ct_volume import CtVolume, read_ct_headers, read_ct_volume
from tests.support.dicom_files import FRAME_UID, SERIES_UID, Spoil, write_ct


@pytest.fixture
def hu() -> npt.NDArray[np.int16]:
    return np.random.default_rng(3).integers(-1000, 1500, (8, 6, 5)).astype(np.int16)


def test_slices_are_sorted_and_rescaled_one_by_one(
    tmp_path: Path, hu: npt.NDArray[np.int16]
) -> None:
    paths = write_ct(tmp_path, hu, spacing_mm=(0.9, 1.1, 2.5))
    volume = read_ct_volume([paths[n] for n in (3, 7, 0, 1, 6, 2, 5, 4)])
    np.testing.assert_array_equal(volume.hu, hu.astype(np.float32))
    assert volume.spacing_mm == (0.9, 1.1, 2.5)
    assert volume.origin_mm == (-10.0, 5.0, -30.0)
    assert (volume.frame_of_reference_uid, volume.series_instance_uid) == (FRAME_UID, SERIES_UID)
    image = volume.to_image()
    assert image.GetSize() == (5, 6, 8)
    np.testing.assert_allclose(
        image.TransformIndexToPhysicalPoint((4, 5, 7)), (-10 + 3.6, 5 + 5.5, -30 + 17.5)
    )


def test_an_oblique_series_keeps_its_axes(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    angle = np.deg2rad(15)
    axes = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    volume = read_ct_volume(write_ct(tmp_path, hu, axes=axes))
    np.testing.assert_allclose(volume.axes, axes, atol=1e-9)
    assert volume.spacing_mm[2] == pytest.approx(3.0, abs=1e-5)
    np.testing.assert_array_equal(volume.hu, hu.astype(np.float32))


def test_acquisition_says_what_is_missing(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    def spoil(_: int, dataset: Dataset) -> None:
        del dataset.KVP
        dataset.Manufacturer = ""

    acquisition = read_ct_headers(write_ct(tmp_path, hu, spoil=spoil)).acquisition
    assert acquisition.missing_tags == ("KVP", "Manufacturer")
    assert (acquisition.kvp, acquisition.manufacturer) == (None, None)
    assert (acquisition.convolution_kernel, acquisition.slice_thickness_mm) == ("B30f\\2", 3.0)
    assert acquisition.study_date_present


def _at(z: int, **values: object) -> Spoil:
    def spoil(index: int, dataset: Dataset) -> None:
        if index == z:
            for keyword, value in values.items():
                setattr(dataset, keyword, value)

    return spoil


def _sheared(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [-10, 5 + 0.5 * z, -30 + 3 * z]


def _without_rescale(_: int, dataset: Dataset) -> None:
    del dataset.RescaleSlope


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (_at(4, ImagePositionPatient=[-10, 5, -21]), "duplicate-position", "-21.00 mm"),
        (_at(4, ImagePositionPatient=[-10, 5, -17.5]), "irregular-spacing", "-17.50 mm"),
        (_sheared, "gantry-tilt", "3.50 mm within its plane"),
        (_at(2, ImageOrientationPatient=[0, 1, 0, 0, 0, 1]), "mixed-orientation", "orientation"),
        (_at(2, SeriesInstanceUID="1.2.3"), "mixed-series", "2 series"),
        (_at(2, FrameOfReferenceUID="1.2.3"), "mixed-frame-of-reference", "2 Frames"),
        (_at(2, PixelSpacing=[1.0, 1.01]), "mixed-size", "1.01"),
        (_without_rescale, "no-rescale", "-30.00 mm"),
        (_at(0, RescaleType="OD"), "not-hounsfield", "'OD'"),
    ],
)
def test_what_is_no_regular_volume_is_refused(
    tmp_path: Path, hu: npt.NDArray[np.int16], spoil: Spoil, code: str, words: str
) -> None:
    with pytest.raises(CtGeometryError) as caught:
        read_ct_volume(write_ct(tmp_path, hu, spoil=spoil))
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_missing_slice_is_located(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    paths = write_ct(tmp_path, hu)
    headers = read_ct_headers(paths[:3] + paths[4:])
    assert headers.largest_gap_ratio == pytest.approx(2.0)
    with pytest.raises(CtGeometryError) as caught:
        read_ct_volume(paths[:3] + paths[4:])
    assert caught.value.code == "missing-slice"
    assert (
        "lacks 1 slice(s): between -24.00 mm and -18.00 mm the gap is 6.00 mm, expected 3.00 mm"
        in str(caught.value)
    )


@pytest.mark.parametrize(("count", "code"), [(0, "no-ct"), (1, "one-slice")])
def test_too_few_slices(tmp_path: Path, hu: npt.NDArray[np.int16], count: int, code: str) -> None:
    with pytest.raises(CtGeometryError) as caught:
        read_ct_volume(write_ct(tmp_path, hu)[:count])
    assert caught.value.code == code


def _cut_pixels(z: int, dataset: Dataset) -> None:
    if z == 1:
        dataset.PixelData = dataset.PixelData[:-10]


def _without_position(z: int, dataset: Dataset) -> None:
    if z == 1:
        del dataset.ImagePositionPatient


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_cut_pixels, "truncated-pixels"),
        (_without_position, "ct-header"),
        (_at(1, PixelSpacing=[0, 0]), "ct-header"),
        (_at(1, ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "ct-header"),
        (_at(1, SOPClassUID=MRImageStorage, Modality="MR"), "not-ct"),
    ],
)
def test_an_unreadable_instance_is_refused(
    tmp_path: Path, hu: npt.NDArray[np.int16], spoil: Spoil, code: str
) -> None:
    with pytest.raises(UnreadableInstance) as caught:
        read_ct_volume(write_ct(tmp_path, hu, spoil=spoil))
    assert caught.value.code == code
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 100, 700])
def test_a_file_cut_short_is_refused(tmp_path: Path, hu: npt.NDArray[np.int16], kept: int) -> None:
    paths = write_ct(tmp_path, hu)
    paths[2].write_bytes(paths[2].read_bytes()[:kept])
    with pytest.raises(StudyDefect):
        read_ct_volume(paths)


def test_a_volume_validates_itself(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    volume = read_ct_volume(write_ct(tmp_path, hu))
    with pytest.raises(CtGeometryError, match="shape"):
        CtVolume(
            volume.hu[0],  # type: ignore[arg-type]
            volume.spacing_mm,
            volume.origin_mm,
            volume.direction,
            volume.frame_of_reference_uid,
            volume.series_instance_uid,
            volume.acquisition,
        )


@pytest.mark.real_data
def test_pat1_is_read_as_it_is(real_data: Path) -> None:
    volume = read_ct_volume(sorted((real_data / "pat1" / "ct").glob("*.dcm")))
    assert volume.hu.shape == (60, 201, 204)
    np.testing.assert_allclose(volume.spacing_mm, (0.977, 0.977, 3.0), atol=1e-6)
    assert volume.acquisition.missing_tags == ("KVP", "ConvolutionKernel", "StudyDate")
    assert (float(volume.hu.min()), float(volume.hu.max())) == (-1000.0, 3065.0)
