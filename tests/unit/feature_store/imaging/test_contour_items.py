"""Contours of an RTSTRUCT: read as points, moved by their offset, joined by ROI Number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from feature_store.imaging.contour_items import drawn_contour, drawn_rois, repeated_roi_numbers
from tests.support.dicom_files import write_rtstruct

SQUARE = np.array([[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]])


def item(**values: object) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(SQUARE)
    contour.ContourData = SQUARE.ravel().tolist()
    for name, value in values.items():
        setattr(contour, name, value)
    return contour


def written(folder: Path, spoil: Callable[[Dataset], None]) -> Dataset:
    """Write three ROIs, spoil them, and read them back."""
    rois = [("GTV", [SQUARE, SQUARE + 3]), ("Lung", [SQUARE + 20]), ("Heart", [])]
    return pydicom.dcmread(write_rtstruct(folder / "rs.dcm", rois, spoil=spoil))


def test_a_contour_is_read_as_it_is_written() -> None:
    contour = drawn_contour(item())
    assert contour.points is not None
    np.testing.assert_array_equal(contour.points, SQUARE)
    assert (contour.geometric_type, contour.is_offset) == ("CLOSED_PLANAR", False)
    assert drawn_contour(Dataset()).geometric_type == ""


@pytest.mark.parametrize(
    ("written", "term"),
    [
        ("CLOSED_PLANAR", "CLOSED_PLANAR"),
        ("Closed Planar", "CLOSED_PLANAR"),
        ("CLOSEDPLANAR", "CLOSED_PLANAR"),
        ("CLOSEDPLANAR_XOR", "CLOSEDPLANAR_XOR"),
        ("CLOSED_PLANAR_XOR", "CLOSEDPLANAR_XOR"),
        ("OPEN_PLANAR", "OPEN_PLANAR"),
        ("POINT", "POINT"),
        ("", ""),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR CS:UserWarning")
@pytest.mark.filterwarnings("ignore:The value length:UserWarning")
def test_the_terms_of_closed_contours_are_known_however_they_are_parted(
    written: str, term: str
) -> None:
    assert drawn_contour(item(ContourGeometricType=written)).geometric_type == term


@pytest.mark.filterwarnings("ignore:Invalid value for VR IS:UserWarning")
def test_a_count_of_points_that_no_number_holds_makes_it_malformed_and_no_more() -> None:
    contour, tag = item(), Tag("NumberOfContourPoints")
    contour[tag] = RawDataElement(tag, "IS", 6, b"1e400 ", 0, False, True)
    assert drawn_contour(contour).points is None


@pytest.mark.parametrize(
    "offset", [[0, 0, 3], [0, 0, -1.5], [1.5, -2, 0.25], ["0", "0", "2.50"], [0, 0, 0]]
)
def test_the_offset_is_added_to_each_point(offset: list[float]) -> None:
    contour = drawn_contour(item(ContourOffsetVector=offset))
    expected = SQUARE + np.array(offset, dtype=float)
    assert contour.points is not None
    np.testing.assert_array_equal(contour.points, expected)
    assert contour.offset_mm == tuple(map(float, offset))
    assert contour.is_offset == any(map(float, offset))


@pytest.mark.filterwarnings("ignore:The value for the data element:UserWarning")
def test_more_points_than_an_explicit_length_counts_are_read(tmp_path: Path) -> None:
    many = np.tile(SQUARE, (2000, 1))

    def spoil(dataset: Dataset) -> None:
        dataset.ROIContourSequence[0].ContourSequence = [
            item(ContourData=[f"{value:.6f}" for value in many.ravel()], NumberOfContourPoints=8000)
        ]

    (contour,) = drawn_rois(written(tmp_path, spoil))[1].contours
    assert contour.points is not None
    np.testing.assert_array_equal(contour.points, many)


@pytest.mark.parametrize("odd", ["1_0", "1,0", "0x1", "-1.#IND", "\u0663", ""])
def test_what_is_no_decimal_string_makes_no_points(tmp_path: Path, odd: str) -> None:
    written(tmp_path, lambda _: None)
    path = tmp_path / "rs.dcm"
    content = path.read_bytes()
    found = content.index(b"4.000000")
    path.write_bytes(content[:found] + odd.encode().ljust(8) + content[found + 8 :])
    (contour, _) = drawn_rois(pydicom.dcmread(path))[1].contours
    assert contour.points is None


def test_an_empty_offset_is_none_and_every_contour_has_its_own(tmp_path: Path) -> None:
    def offset(dataset: Dataset) -> None:
        contours = dataset.ROIContourSequence[0].ContourSequence
        contours[0].ContourOffsetVector = None
        contours[1].ContourOffsetVector = [0, 0, 5]

    first, second = drawn_rois(written(tmp_path, offset))[1].contours
    assert first.points is not None
    assert second.points is not None
    np.testing.assert_array_equal(first.points, SQUARE)
    np.testing.assert_array_equal(second.points, SQUARE + 3 + np.array([0, 0, 5]))


@pytest.mark.parametrize(
    "values",
    [
        {"ContourData": SQUARE.ravel().tolist()[:-1]},
        {"ContourData": SQUARE.ravel().tolist()[:-3]},
        {"NumberOfContourPoints": 17},
        {"ContourOffsetVector": [0, 3]},
        {"ContourOffsetVector": 3},
        {"ContourOffsetVector": [0, 0, 3, 0]},
        {"ContourOffsetVector": [0, 0, float("nan")]},
        {"ContourOffsetVector": [0, float("inf"), 0]},
    ],
)
def test_what_cannot_be_read_as_points_has_none(values: dict[str, object]) -> None:
    contour = drawn_contour(item(**values))
    assert contour.points is None
    assert contour.geometric_type == "CLOSED_PLANAR"


@pytest.mark.parametrize("values", [{"ContourData": None, "NumberOfContourPoints": 0}])
def test_no_data_are_no_points(values: dict[str, object]) -> None:
    contour = drawn_contour(item(**values))
    assert contour.points is not None
    assert contour.points.shape == (0, 3)


def test_contours_of_several_items_of_one_roi_are_joined(tmp_path: Path) -> None:
    def split(dataset: Dataset) -> None:
        first = dataset.ROIContourSequence[0]
        for contour in list(first.ContourSequence)[1:]:
            more = Dataset()
            more.ReferencedROINumber = first.ReferencedROINumber
            more.ContourSequence = Sequence([contour])
            dataset.ROIContourSequence.append(more)
        del first.ContourSequence[1:]
        empty = Dataset()
        empty.ReferencedROINumber = 2
        dataset.ROIContourSequence.append(empty)

    drawn = drawn_rois(written(tmp_path, split))
    assert {number: (len(roi.contours), roi.items) for number, roi in drawn.items()} == {
        1: (2, 2),
        2: (1, 2),
        3: (0, 1),
    }
    for contour, expected in zip(drawn[1].contours, (SQUARE, SQUARE + 3), strict=True):
        assert contour.points is not None
        np.testing.assert_array_equal(contour.points, expected)


def test_numbers_that_two_rois_carry(tmp_path: Path) -> None:
    assert repeated_roi_numbers(written(tmp_path, lambda _: None)) == frozenset()

    def same_number(dataset: Dataset) -> None:
        dataset.StructureSetROISequence[2].ROINumber = 1

    assert repeated_roi_numbers(written(tmp_path, same_number)) == {1}
    assert repeated_roi_numbers(Dataset()) == frozenset()
    assert drawn_rois(Dataset()) == {}
