"""One real patient as different scanners would have sent it: the same features, whatever the
encoding.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataset import Dataset

from feature_store.imaging.reading import read_study
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import StudyFeatures, compute_features, load_study
from tests.support.encodings import POSITIONS, in_position, rewritten

Change = Callable[[Dataset, npt.NDArray[np.integer]], npt.NDArray[np.integer]]
SIDE = 300

pytestmark = pytest.mark.real_data


def test_the_patient_positions_change_nothing(real_data: Path, tmp_path: Path) -> None:
    slices, drawn = _pat1(real_data)
    expected = _features(slices, drawn)
    for position in POSITIONS:
        found = _features(in_position(slices, tmp_path / position, position), drawn)
        _assert_equal(found, expected, position)


@pytest.mark.parametrize(
    ("outside", "named"), [(-3024, False), (-2000, True), (-2000, False), (-1000, False)]
)
def test_what_lies_outside_the_reconstruction_circle_changes_nothing(
    real_data: Path, tmp_path: Path, outside: int, *, named: bool
) -> None:
    slices, drawn = _pat1(real_data)
    expected = _features(rewritten(slices, tmp_path / "air", _embedded(-1000)), drawn)
    padded = rewritten(slices, tmp_path / "padded", _embedded(outside, named=named))
    _assert_equal(_features(padded, drawn), expected, f"{outside} {named}")


def _embedded(outside: int, *, named: bool = False) -> Change:
    """Put a slice into the middle of a larger one, with a circle beyond which nothing was
    measured.
    """
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    beyond = y**2 + x**2 > (SIDE / 2) ** 2

    def embed(dataset: Dataset, stored: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        height, width = stored.shape
        top, left = (SIDE - height) // 2, (SIDE - width) // 2
        hu = stored * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        larger = np.full((SIDE, SIDE), -1000.0)
        larger[top : top + height, left : left + width] = hu
        larger[beyond] = outside
        dy, dx = (float(value) for value in dataset.PixelSpacing)
        px, py, pz = (float(value) for value in dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [px - left * dx, py - top * dy, pz]
        dataset.RescaleSlope, dataset.RescaleIntercept = "1", "0"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 1
        if named:
            dataset.add_new("PixelPaddingValue", "SS", outside)
        return larger.astype(np.int16)

    return embed


def _pat1(real_data: Path) -> tuple[list[Path], Path]:
    (drawn,) = (real_data / "pat1" / "rtstruct").glob("*.dcm")
    return sorted((real_data / "pat1" / "ct").glob("*.dcm")), drawn


def _features(slices: list[Path], drawn: Path) -> StudyFeatures:
    return compute_features(load_study(read_study(slices, drawn), "GTV-1"), ExtractionSettings())


def _assert_equal(found: StudyFeatures, expected: StudyFeatures, words: str) -> None:
    for region, vector in expected.vectors.items():
        np.testing.assert_allclose(
            found.vectors[region].values, vector.values, rtol=1e-6, atol=1e-9, err_msg=words
        )
    np.testing.assert_allclose(found.deep_input, expected.deep_input, atol=1e-6, err_msg=words)
