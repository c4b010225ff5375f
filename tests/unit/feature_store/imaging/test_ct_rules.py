"""Facts of a CT series: what is off is found, and where; what cannot be compared is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from feature_store.errors import CtGeometryError
from feature_store.imaging.ct_headers import CtHeaders
from feature_store.imaging.ct_rules import CT_RULES, CtFacts, ct_facts
from feature_store.imaging.reading import read_ct
from feature_store.rules import refuse
from tests.support.dicom_files import Spoil, write_ct


@pytest.fixture
def hu() -> npt.NDArray[np.int16]:
    return np.random.default_rng(3).integers(-1000, 1500, (8, 6, 5)).astype(np.int16)


def _at(z: int, **values: object) -> Spoil:
    def spoil(index: int, dataset: Dataset) -> None:
        if index == z:
            for keyword, value in values.items():
                setattr(dataset, keyword, value)

    return spoil


def _sheared(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [-10, 5 + 0.5 * z, -30 + 3 * z]


def _two_centres(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [-10 if z < 4 else -4, 5, -30 + 3 * z]


def _phases(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [-10, 5, -30 + 3 * (z // 2)]


def _with_nan_slope(z: int, dataset: Dataset) -> None:
    if z == 0:
        dataset["RescaleSlope"] = RawDataElement(
            Tag("RescaleSlope"), "DS", 4, b"nan ", 0, is_implicit_VR=False, is_little_endian=True
        )


def _wide_ends(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [-10, 5, [-32, *range(-27, -11, 3), -7][z]]


def _thinner_end(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [-10, 5, -30 + 3 * z if z < 4 else -21 + 1.25 * (z - 3)]


def _without_rescale(_: int, dataset: Dataset) -> None:
    del dataset.RescaleSlope


def test_a_regular_series_meets_every_rule(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    facts = ct_facts(read_ct(write_ct(tmp_path, hu)).headers)
    refuse(CT_RULES, facts)
    assert facts == CtFacts(
        n_slices=8,
        n_series=1,
        n_frames_of_reference=1,
        orientation_consistent=True,
        spacing_consistent=True,
        sizes=("6 x 5 of 1 x 1 mm",),
        unscaled_at_mm=(),
        rescale_types=(),
        shift_mm=0.0,
        shift_at_mm=-30.0,
        median_gap_mm=3.0,
        largest_gap_ratio=1.0,
        largest_gap_after_mm=-30.0,
        even_gap_mm=3.0,
        off_grid_mm=0.0,
        off_grid_at_mm=-30.0,
        evenly_spaced=True,
    )


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (_at(4, ImagePositionPatient=[-10, 5, -21]), "duplicate-slice", "-21.00 mm"),
        (_at(4, ImagePositionPatient=[-10, 5, -17.5]), "irregular-spacing", "-17.50 mm"),
        (
            _sheared,
            "gantry-tilt",
            "sheared (gantry tilt): the slice at -9.00 mm is shifted by 3.5",
        ),
        (_two_centres, "gantry-tilt", "not as by a gantry tilt: the slice at -18.00 mm is shifted"),
        (
            _phases,
            "duplicate-slice",
            "has 2 slices at each of its 4 positions, expected one: phas",
        ),
        (_at(2, ImageOrientationPatient=[0, 1, 0, 0, 0, 1]), "mixed-orientation", "orientation"),
        (_at(2, SeriesInstanceUID="1.2.3"), "mixed-series", "2 series"),
        (_at(2, FrameOfReferenceUID="1.2.3"), "mixed-frame-of-reference", "2 Frames"),
        (_at(2, PixelSpacing=[1.0, 1.01]), "mixed-spacing", "6 x 5 of 1 x 1.01 mm"),
        (_without_rescale, "no-rescale", "The CT has 8 slices, the first at -30.00 mm"),
        (_at(0, RescaleSlope=0), "no-rescale", "The CT has 1 slice, the first at -30.00 mm"),
        (_at(0, RescaleType="OD"), "not-hounsfield", "'OD'"),
        (_at(0, BitsAllocated=12), "packed-pixels", "12 bits each"),
        (_with_nan_slope, "no-rescale", "The CT has 1 slice, the first at -30.00 mm"),
        (_wide_ends, "unequal-spacing", "3, 5 mm apart, expected 3.00 mm throughout"),
        (_thinner_end, "unequal-spacing", "1.25, 3 mm apart, expected 1.25 mm throughout"),
    ],
)
def test_what_is_no_regular_volume_is_refused(
    tmp_path: Path, hu: npt.NDArray[np.int16], spoil: Spoil, code: str, words: str
) -> None:
    facts = ct_facts(read_ct(write_ct(tmp_path, hu, spoil=spoil)).headers)
    with pytest.raises(CtGeometryError) as caught:
        refuse(CT_RULES, facts)
    assert caught.value.code == code
    assert words in str(caught.value)


@pytest.mark.parametrize("unit", ["hu", "Hounsfield Units", "[HU]", ["HU", "HU"], "US"])
def test_the_rescale_type_is_hu_whatever_its_spelling(
    tmp_path: Path, hu: npt.NDArray[np.int16], unit: str | list[str]
) -> None:
    paths = write_ct(tmp_path, hu, spoil=_at(3, RescaleType=unit))
    refuse(CT_RULES, ct_facts(read_ct(paths).headers))


@pytest.mark.parametrize("unit", ["HU_MOD", "ED", "PCT", ["HU", "OD"]])
def test_values_of_another_unit_are_refused(
    tmp_path: Path, hu: npt.NDArray[np.int16], unit: str | list[str]
) -> None:
    paths = write_ct(tmp_path, hu, spoil=_at(3, RescaleType=unit))
    with pytest.raises(CtGeometryError, match="expected HU"):
        refuse(CT_RULES, ct_facts(read_ct(paths).headers))


def test_a_missing_slice_is_located(tmp_path: Path, hu: npt.NDArray[np.int16]) -> None:
    paths = write_ct(tmp_path, hu)
    facts = ct_facts(read_ct(paths[:3] + paths[4:]).headers)
    assert facts.missing_slices == 1
    assert facts.largest_gap_ratio == pytest.approx(2.0)
    assert facts.evenly_spaced is None
    with pytest.raises(CtGeometryError) as caught:
        refuse(CT_RULES, facts)
    assert caught.value.code == "missing-slice"
    assert (
        "lacks 1 slice: after the slice at -24.00 mm the next is 6.00 mm away, expected 3.00 mm"
        in str(caught.value)
    )


def _distances(headers: CtHeaders) -> dict[str, Any]:
    facts = ct_facts(headers)
    return {
        name: getattr(facts, name)
        for name in ("shift_mm", "median_gap_mm", "largest_gap_ratio", "off_grid_mm")
    }


@pytest.mark.parametrize(
    "spoil",
    [
        _at(2, SeriesInstanceUID="1.2.3"),
        _at(2, FrameOfReferenceUID="1.2.3"),
        _at(2, ImageOrientationPatient=[0, 1, 0, 0, 0, 1]),
    ],
)
def test_slices_of_several_stacks_have_no_distances(
    tmp_path: Path, hu: npt.NDArray[np.int16], spoil: Spoil
) -> None:
    headers = read_ct(write_ct(tmp_path, hu, spoil=spoil)).headers
    assert set(_distances(headers).values()) == {None}


def test_one_slice_has_no_distances_and_slices_in_one_place_no_usual_one(
    tmp_path: Path, hu: npt.NDArray[np.int16]
) -> None:
    one = read_ct(write_ct(tmp_path / "one", hu[:1])).headers
    assert set(_distances(one).values()) == {None}

    def flat(_: int, dataset: Dataset) -> None:
        dataset.ImagePositionPatient = [-10, 5, -30]

    facts = ct_facts(read_ct(write_ct(tmp_path / "flat", hu, spoil=flat)).headers)
    assert (len(facts.coinciding_at_mm), facts.largest_gap_ratio) == (7, None)
    with pytest.raises(CtGeometryError, match=r"^All 8 slices of the CT say that they lie at -30"):
        refuse(CT_RULES, facts)
