"""A CT series is one regular volume in HU, or a sentence says why it is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from feature_store.errors import CtGeometryError, StudyDefect, UnreadableInstance
from feature_store.imaging.ct_volume import CtVolume, ct_volume
from feature_store.imaging.hounsfield import NOT_MEASURED_HU
from feature_store.imaging.reading import read_ct
from tests.support.ct_volumes import noise
from tests.support.dicom_files import FRAME_UID, SERIES_UID, Spoil, write_ct


@pytest.fixture
def hu() -> npt.NDArray[np.int16]:
    return np.random.default_rng(3).integers(-1000, 1500, (8, 6, 5)).astype(np.int16)


def test_slices_are_sorted_and_rescaled_one_by_one(
    tmp_path: Path, hu: npt.NDArray[np.int16]
) -> None:
    paths = write_ct(tmp_path, hu, spacing_mm=(0.9, 1.1, 2.5))
    volume = ct_volume(read_ct([paths[n] for n in (3, 7, 0, 1, 6, 2, 5, 4)]))
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
    volume = ct_volume(read_ct(write_ct(tmp_path, hu, axes=axes)))
    np.testing.assert_allclose(volume.axes, axes, atol=1e-9)
    assert volume.spacing_mm[2] == pytest.approx(3.0, abs=1e-5)
    np.testing.assert_array_equal(volume.hu, hu.astype(np.float32))


def _cut_pixels(z: int, dataset: Dataset) -> None:
    if z == 1:
        dataset.PixelData = dataset.PixelData[:-10]


def test_pixels_cut_short_are_refused(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    with pytest.raises(UnreadableInstance, match=r"at -27\.00 mm cannot be read") as caught:
        ct_volume(read_ct(write_ct(tmp_path, hu, spoil=_cut_pixels)))
    assert caught.value.code == "truncated-pixels"
    assert "SECRET" not in str(caught.value)


def _stored_as(
    values: npt.NDArray[np.integer], *, signed: bool, intercept: int, **elements: int
) -> Spoil:
    """Write stored values, shape (z, y, x), in two bytes each, of which 12 bits are said to
    count, and other numbers.
    """

    def spoil(z: int, dataset: Dataset) -> None:
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = int(signed), 12, 11
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, intercept
        dataset.PixelData = (values[z].astype(np.int_) & 0xFFFF).astype("<u2").tobytes()
        for keyword, number in elements.items():
            tag = OVERLAY_BITS if keyword == "OverlayBitsAllocated" else keyword
            dataset.add_new(tag, "SS" if number < 0 else "US", number)

    return spoil


OVERLAY_BITS = 0x60000100
PADDED = (slice(None), slice(0, 2), slice(None))
METAL = (3, 2, 2)


def _with(hu: npt.NDArray[np.int16], where: Any, value: int) -> npt.NDArray[np.int_]:
    changed = hu.astype(np.int_)
    changed[where] = value
    return changed


def test_bits_above_those_stored_are_read_as_they_are_meant(
    tmp_path: Path, hu: npt.NDArray[np.int16]
) -> None:
    without_sign = hu + 1024
    nothing, padded = np.zeros(hu.shape, dtype=np.bool_), np.zeros(hu.shape, dtype=np.bool_)
    padded[PADDED] = True
    two, three = _with(hu, PADDED, -2000), _with(hu, PADDED, -3024)
    cases: list[tuple[Spoil, npt.NDArray[np.bool_]]] = [
        (_stored_as(hu, signed=True, intercept=0), nothing),
        (_stored_as(hu & 0xFFF, signed=True, intercept=0), nothing),  # the sign is not carried on
        (_stored_as(two & 0xFFF, signed=True, intercept=0), padded),
        (_stored_as(three, signed=True, intercept=0, PixelPaddingValue=-3024), padded),
        (
            _stored_as(
                without_sign | 0x4000, signed=False, intercept=-1024, OverlayBitsAllocated=16
            ),
            nothing,
        ),
        (
            _stored_as(
                _with(without_sign, PADDED, -2000),
                signed=False,
                intercept=-1024,
                PixelPaddingValue=-2000,
            ),
            padded,
        ),
    ]
    for number, (spoil, outside) in enumerate(cases):
        found = ct_volume(read_ct(write_ct(tmp_path / str(number), hu, spoil=spoil))).hu
        np.testing.assert_array_equal(found[~outside], hu[~outside])
        assert (found[outside] < NOT_MEASURED_HU).all()


def test_the_order_of_bytes_is_the_files(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    paths = write_ct(tmp_path, hu, spoil=_stored_as(hu + 1024, signed=False, intercept=-1024))
    for path in paths:
        dataset = dcmread(path)
        dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dcmwrite(path, dataset, implicit_vr=False, little_endian=False, overwrite=True)
    np.testing.assert_array_equal(ct_volume(read_ct(paths)).hu, hu)


def test_values_that_the_stored_bits_cannot_hold_are_refused(
    tmp_path: Path, hu: npt.NDArray[np.int16]
) -> None:
    without_sign = hu + 1024
    bone = np.arange(2100, 2100 + hu.size).reshape(hu.shape)
    cases = [
        (_stored_as(_with(hu, METAL, 3071), signed=True, intercept=0), 1, 3071),
        (_stored_as(_with(without_sign, METAL, 5000), signed=False, intercept=-1024), 1, 5000),
        (_stored_as(_with(without_sign, PADDED, -2000), signed=False, intercept=-1024), 10, 63536),
        (_stored_as(bone, signed=True, intercept=-1024), 30, 2100),  # of a scale without sign
    ]
    for number, (spoil, count, value) in enumerate(cases):
        paths = write_ct(tmp_path / str(number), hu, spoil=spoil)
        with pytest.raises(UnreadableInstance, match=f" of the value {value}:") as caught:
            ct_volume(read_ct(paths))
        assert caught.value.code == "pixel-range"
        assert f"has {count} pixel{'s' * (count > 1)} beyond the 12 bits" in str(caught.value)


def _mixed(z: int, dataset: Dataset) -> None:
    if z == 2:
        dataset.SeriesInstanceUID = "1.2.3"


def test_what_is_no_regular_volume_is_refused_by_the_rules(
    tmp_path: Path, hu: npt.NDArray[np.int16]
) -> None:
    with pytest.raises(CtGeometryError) as caught:
        ct_volume(read_ct(write_ct(tmp_path, hu, spoil=_mixed)))
    assert caught.value.code == "mixed-series"
    with pytest.raises(CtGeometryError) as caught:
        ct_volume(read_ct(write_ct(tmp_path, hu)[:1]))
    assert caught.value.code == "too-few-slices"


@pytest.mark.parametrize("kept", [0, 100, 700])
def test_a_file_cut_short_is_refused(tmp_path: Path, hu: npt.NDArray[np.int16], kept: int) -> None:
    paths = write_ct(tmp_path, hu)
    paths[2].write_bytes(paths[2].read_bytes()[:kept])
    with pytest.raises(StudyDefect):
        ct_volume(read_ct(paths))


def test_a_volume_validates_itself(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    volume = ct_volume(read_ct(write_ct(tmp_path, hu)))
    with pytest.raises(CtGeometryError, match="shape"):
        CtVolume(
            volume.hu[0],
            volume.spacing_mm,
            volume.origin_mm,
            volume.direction,
            volume.frame_of_reference_uid,
            volume.series_instance_uid,
            volume.acquisition,
        )


@pytest.mark.real_data
def test_pat1_is_read_as_it_is(real_data: Path) -> None:
    volume = ct_volume(read_ct(sorted((real_data / "pat1" / "ct").glob("*.dcm"))))
    assert volume.hu.shape == (60, 201, 204)
    np.testing.assert_allclose(volume.spacing_mm, (0.977, 0.977, 3.0), atol=1e-6)
    assert volume.acquisition.missing_tags == ("KVP", "ConvolutionKernel", "StudyDate")
    assert (float(volume.hu.min()), float(volume.hu.max())) == (-1000.0, 3065.0)


def test_a_grid_without_voxels_takes_no_memory() -> None:
    volume = noise((6, 7, 8), (0.9, 0.8, 2.0))
    grid = volume.without_voxels()
    assert grid.hu.shape == volume.hu.shape
    assert set(grid.hu.strides) == {0}
    assert grid.with_values(volume.hu).to_image().GetSpacing() == volume.to_image().GetSpacing()
