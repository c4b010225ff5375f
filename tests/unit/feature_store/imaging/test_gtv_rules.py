"""Exactly one ROI is the GTV, all its contours enclose an area, and they are of this CT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from feature_store.errors import ContourError
from feature_store.imaging.ct_extent import CtExtent
from feature_store.imaging.gtv_choice import select_gtv
from feature_store.imaging.gtv_rules import GTV_RULES, gtv_facts
from feature_store.imaging.reading import read_rtstruct
from feature_store.imaging.structure_set import MALFORMED, FrameDoubt, Roi
from feature_store.rules import refuse, unmet
from tests.support.dicom_files import write_rtstruct

SQUARE = np.array([[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]])
EXTENT = CtExtent(
    frozenset({"1.2"}), np.zeros(3), np.eye(3), np.array([1.0, 1, 3]), np.array([10, 10, 4])
)


def test_letters_that_look_like_latin_ones_are_told() -> None:
    facts = gtv_facts((), None, ("PTV", "G\u0422V-1"), "gtv-1")
    with pytest.raises(ContourError, match="letters of another alphabet look like Latin") as caught:
        refuse(GTV_RULES, facts)
    assert "'G\u0422V-1'" in str(caught.value)
    assert "PTV" not in str(caught.value)


def _first_contour(dataset: Dataset) -> Dataset:
    contour: Dataset = dataset.ROIContourSequence[0].ContourSequence[0]
    return contour


def _open(dataset: Dataset) -> None:
    _first_contour(dataset).ContourGeometricType = "OPEN_PLANAR"


def _odd_data(dataset: Dataset) -> None:
    _first_contour(dataset).ContourData = _first_contour(dataset).ContourData[:-1]


def _wrong_count(dataset: Dataset) -> None:
    _first_contour(dataset).NumberOfContourPoints = 17


def _no_number(dataset: Dataset) -> None:
    data = b"nan\\" + b"\\".join(b"1" for _ in range(11))
    _first_contour(dataset)["ContourData"] = RawDataElement(
        Tag("ContourData"), "DS", len(data), data, 0, is_implicit_VR=False, is_little_endian=True
    )


def _no_contours(dataset: Dataset) -> None:
    del dataset.ROIContourSequence[0]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_open, "open-contour"),
        (_odd_data, "malformed-contour"),
        (_wrong_count, "malformed-contour"),
        (_no_number, "empty-contour"),
        (_no_contours, "empty-gtv"),
    ],
)
def test_a_gtv_that_encloses_nothing_is_refused(
    tmp_path: Path, spoil: Callable[[Dataset], None], code: str
) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV", [SQUARE]), ("PTV", [SQUARE])], spoil=spoil)
    structure_set = read_rtstruct(path).structure_set
    with pytest.raises(ContourError) as caught:
        select_gtv(structure_set, "gtv")
    assert caught.value.code == code
    assert (
        select_gtv(structure_set, "ptv").name == "PTV"
    )  # what is wrong with one ROI does not spoil another


def test_facts_count_the_contours_of_every_candidate() -> None:
    types = ("CLOSED_PLANAR", "OPEN_PLANAR", MALFORMED, "CLOSED_PLANAR", "POINT")
    click = SQUARE[:1] + 1e6
    unfinished = np.where(SQUARE.max() == SQUARE, np.inf, SQUARE)
    points = (SQUARE, SQUARE, np.empty((0, 3)), unfinished, click)
    first = Roi(1, "GTV-1", points, "1.2", types, shares_its_number=True)
    second = Roi(2, "GTV-2", (SQUARE + 7, SQUARE + np.array([0, 0, 10.7])), "1.2")
    facts = gtv_facts((first, second), EXTENT, ("GTV-1", "GTV-2", "PTV"), "gtv.*")
    assert (facts.gtv_candidates, facts.gtv_contours) == (("GTV-1", "GTV-2"), 7)
    assert (facts.open_contours, facts.malformed_contours, facts.infinite_contours) == (
        (2,),
        (3,),
        (4,),
    )
    assert facts.same_frame_of_reference
    assert facts.shares_its_number
    assert facts.contours_outside_ct == 2
    assert facts.farthest_outside_mm == pytest.approx(1.5)


@pytest.mark.parametrize(("beyond_mm", "outside"), [(0.04, 0), (0.09, 0), (0.2, 1)])
def test_a_contour_a_hair_outside_the_ct_is_within(beyond_mm: float, outside: int) -> None:
    at_the_edge = Roi(1, "GTV", (SQUARE - np.array([0.5 + beyond_mm, 0, 0]),), "1.2")
    assert gtv_facts((at_the_edge,), EXTENT).contours_outside_ct == outside


def _observed(*types: str) -> Callable[[Dataset], None]:
    """Return what gives the first ROI observations of these types, and another ROI one."""

    def spoil(dataset: Dataset) -> None:
        number = dataset.StructureSetROISequence[0].ROINumber
        dataset.RTROIObservationsSequence = []
        for place, (of, kind) in enumerate([*((number, kind) for kind in types), (99, "PTV")]):
            item = Dataset()
            item.ObservationNumber, item.ReferencedROINumber = place, of
            item.RTROIInterpretedType, item.ROIInterpreter = kind, ""
            dataset.RTROIObservationsSequence.append(item)

    return spoil


@pytest.mark.parametrize(
    ("types", "others"),
    [
        ((), ()),
        (("GTV",), ()),
        (("",), ()),
        (("ORGAN",), ()),
        (("PTV",), ("PTV",)),
        (("GTV", "EXTERNAL"), ("EXTERNAL",)),
    ],
)
def test_a_gtv_that_an_observation_takes_for_something_else_is_told(
    tmp_path: Path, types: tuple[str, ...], others: tuple[str, ...]
) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV", [SQUARE])], spoil=_observed(*types))
    rois = read_rtstruct(path).structure_set.rois
    facts = gtv_facts(rois, EXTENT)
    assert facts.other_types == others
    assert [f.code for f in unmet(GTV_RULES, facts) if f.code == "interpreted-type"] == (
        ["interpreted-type"] if others else []
    )


def test_without_a_candidate_nothing_is_known_of_contours() -> None:
    facts = gtv_facts((), EXTENT, ("PTV",), "gtv")
    assert (facts.gtv_contours, facts.contours_outside_ct) == (None, 0)
    with pytest.raises(ContourError, match="found 'PTV'"):
        refuse(GTV_RULES, facts)


@pytest.mark.parametrize("frame", ["1.3", None])
def test_another_frame_of_reference_is_seen_where_the_ct_is_known(frame: str | None) -> None:
    roi = Roi(1, "GTV", (SQUARE,), frame)
    assert not gtv_facts((roi,), EXTENT).same_frame_of_reference
    assert gtv_facts((roi,)).same_frame_of_reference
    found = "found another. Send the CT" if frame else "cannot be placed on the CT: it names no"
    with pytest.raises(ContourError, match=found):
        refuse(GTV_RULES, gtv_facts((roi,), EXTENT))
    without = replace(EXTENT, frame_of_reference_uids=frozenset({None}))
    with pytest.raises(ContourError, match="the CT names no Frame of Reference, expected one and"):
        refuse(GTV_RULES, gtv_facts((roi,), without))


@pytest.mark.parametrize(
    ("doubt", "code"),
    [
        (None, None),
        (FrameDoubt.UNLISTED, "unlisted-frame-of-reference"),
        (FrameDoubt.MISSING, "no-frame-of-reference"),
        (FrameDoubt.OTHER, "other-frame-of-reference"),
    ],
)
def test_why_a_roi_lies_on_a_ct_in_spite_of_its_frame_is_told(
    doubt: FrameDoubt | None, code: str | None
) -> None:
    roi = Roi(1, "GTV", (SQUARE,), "1.2" if doubt is None else None, frame_doubt=doubt)
    facts = gtv_facts((roi,), EXTENT)
    refuse(GTV_RULES, facts)
    assert [found.code for found in unmet(GTV_RULES, facts)] == ([code] if code else [])
