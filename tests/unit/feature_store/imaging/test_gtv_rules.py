"""Exactly one ROI is the GTV, all its contours enclose an area, and they are of this CT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from feature_store.errors import ContourError
from feature_store.imaging.ct_extent import CtExtent
from feature_store.imaging.gtv_rules import GTV_RULES, gtv_facts, select_gtv
from feature_store.imaging.reading import read_rtstruct
from feature_store.imaging.structure_set import MALFORMED, Roi
from feature_store.rules import refuse
from tests.support.dicom_files import write_rtstruct

SQUARE = np.array([[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]])
EXTENT = CtExtent(
    frozenset({"1.2"}), np.zeros(3), np.eye(3), np.array([1.0, 1, 3]), np.array([10, 10, 4])
)


@pytest.mark.parametrize("name", ["GTV-1", "gtv", "GTVp", "Gtv_Primary"])
def test_the_rule_ignores_case_and_matches_the_whole_name(tmp_path: Path, name: str) -> None:
    path = write_rtstruct(
        tmp_path / "rs.dcm", [("PTV", [SQUARE]), (name, [SQUARE]), ("GTVn", [SQUARE])]
    )
    assert select_gtv(read_rtstruct(path).structure_set, r"gtv[-_ ]?(p|1|primary)?").name == name


def test_no_gtv_lists_the_names(tmp_path: Path) -> None:
    structure_set = read_rtstruct(
        write_rtstruct(tmp_path / "rs.dcm", [("PTV", [SQUARE]), ("Lung", [SQUARE])])
    ).structure_set
    with pytest.raises(ContourError, match=r"No ROI is the GTV: .*found 'PTV', 'Lung'") as caught:
        select_gtv(structure_set, "gtv")
    assert caught.value.code == "gtv-name"


def test_two_gtvs_are_ambiguous(tmp_path: Path) -> None:
    structure_set = read_rtstruct(
        write_rtstruct(tmp_path / "rs.dcm", [("GTV-1", [SQUARE]), ("GTV-2", [SQUARE])])
    ).structure_set
    with pytest.raises(ContourError, match="2 ROIs could be the GTV") as caught:
        select_gtv(structure_set, r"gtv-\d")
    assert caught.value.code == "gtv-name"


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
    second = Roi(2, "GTV-2", (SQUARE + 7, SQUARE + np.array([0, 0, 10.6])), "1.2")
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
