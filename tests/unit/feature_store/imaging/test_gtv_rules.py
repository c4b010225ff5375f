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
from feature_store.imaging.ct_headers import CtHeaders
from feature_store.imaging.gtv_rules import (
    GTV_RULES,
    ChosenGtv,
    gtv_facts,
    in_the_ct_that_is_listed,
    select_gtv,
)
from feature_store.imaging.reading import read_ct, read_rtstruct
from feature_store.imaging.structure_set import MALFORMED, Roi, StructureSet
from feature_store.rules import refuse, unmet
from tests.support.dicom_files import FRAME_UID, write_ct, write_rtstruct

SQUARE = np.array([[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]])
EXTENT = CtExtent(
    frozenset({"1.2"}), np.zeros(3), np.eye(3), np.array([1.0, 1, 3]), np.array([10, 10, 4])
)


@pytest.mark.parametrize(
    "name", ["GTV-1", "gtv", "GTVp", "Gtv_Primary", "\uff27\uff34\uff36\uff0d\uff11", "GTV\u00a01"]
)
def test_the_rule_ignores_case_and_matches_the_whole_name(tmp_path: Path, name: str) -> None:
    path = write_rtstruct(
        tmp_path / "rs.dcm",
        [("PTV", [SQUARE]), (name, [SQUARE]), ("GTVn", [SQUARE])],
        spoil=lambda dataset: setattr(dataset, "SpecificCharacterSet", "ISO_IR 192"),
    )
    assert select_gtv(read_rtstruct(path).structure_set, r"gtv[-_ ]?(p|1|primary)?").name == name


def test_no_gtv_lists_the_names(tmp_path: Path) -> None:
    structure_set = read_rtstruct(
        write_rtstruct(tmp_path / "rs.dcm", [("PTV", [SQUARE]), ("Lung", [SQUARE])])
    ).structure_set
    with pytest.raises(ContourError, match=r"No ROI is the GTV: .*found 'PTV', 'Lung'") as caught:
        select_gtv(structure_set, "gtv")
    assert caught.value.code == "gtv-name"


def test_letters_that_look_like_latin_ones_are_told() -> None:
    facts = gtv_facts((), None, ("PTV", "G\u0422V-1"), "gtv-1")
    with pytest.raises(ContourError, match="letters of another alphabet look like Latin") as caught:
        refuse(GTV_RULES, facts)
    assert "'G\u0422V-1'" in str(caught.value)
    assert "PTV" not in str(caught.value)


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


def test_the_roi_that_was_chosen_is_found_by_its_number(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV-1", [SQUARE]), ("GTV-2", [SQUARE])])
    structure_set = read_rtstruct(path).structure_set
    assert select_gtv(structure_set, r"gtv-\d", ChosenGtv(2)).name == "GTV-2"
    assert select_gtv(structure_set, "renamed since", ChosenGtv(1)).name == "GTV-1"
    with pytest.raises(ContourError, match="2 ROIs could be the GTV"):
        select_gtv(structure_set, r"gtv-\d", ChosenGtv(None))


def test_of_two_rois_with_the_chosen_number_the_named_one_is_refused_for_its_number(
    tmp_path: Path,
) -> None:
    def same_number(dataset: Dataset) -> None:
        dataset.StructureSetROISequence[1].ROINumber = 1
        dataset.ROIContourSequence[1].ReferencedROINumber = 1

    path = write_rtstruct(
        tmp_path / "rs.dcm", [("GTV-1", [SQUARE]), ("Heart", [SQUARE])], spoil=same_number
    )
    with pytest.raises(ContourError) as caught:
        select_gtv(read_rtstruct(path).structure_set, "gtv-1", ChosenGtv(1))
    assert caught.value.code == "repeated-roi-number"
    assert caught.value.sentence == (
        "Another ROI has the same ROI Number (3006,0022) as 'GTV-1', expected one of its own "
        "(PS3.3 C.8.8.5): their contours cannot be told apart. Export the RTSTRUCT again, with "
        "each ROI under its own number."
    )


def test_an_older_rtstruct_that_has_the_gtv_is_named(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", [("PTV", [SQUARE])])
    with pytest.raises(ContourError) as caught:
        select_gtv(read_rtstruct(path).structure_set, "gtv", ChosenGtv(None, True))
    assert caught.value.sentence == (
        "No ROI of the newest RTSTRUCT is the GTV: expected one ROI whose whole name matches "
        "'gtv', found 'PTV'. An older RTSTRUCT of the study has one: draw the GTV in the newest "
        "too, or export the older one again, so that it becomes the newest."
    )


FRAMES = ("1.2.3.77", None)


def _structure(
    tmp_path: Path,
    own: str | None,
    frames: tuple[str, ...],
    series: str | None,
    images: tuple[str, ...],
) -> tuple[Roi, StructureSet, CtHeaders]:
    headers = read_ct(write_ct(tmp_path / "ct", np.zeros((3, 4, 4), dtype=np.int16))).headers
    first = headers.slices[0]
    roi = Roi(1, "GTV", (SQUARE,), own)
    known = {"ct": first.series_instance_uid, "slice": first.sop_instance_uid}
    structure_set = StructureSet(
        "1.1",
        "1.2",
        "1.3",
        None,
        (roi,),
        frozenset(known.get(one, one) for one in images),
        frozenset(FRAME_UID if one == "ct" else one for one in frames),
        frozenset({known.get(series, series)} if series else ()),
    )
    return roi, structure_set, headers


@pytest.mark.parametrize("own", FRAMES)
@pytest.mark.parametrize(
    ("frames", "series", "images", "is_meant"),
    [
        (("ct",), "ct", ("slice",), True),
        (("ct",), "ct", (), True),
        (("ct",), None, ("slice",), True),
        ((), "ct", ("slice",), False),
        (("ct",), None, (), False),
        (("ct",), "1.9.9", ("slice",), False),
        (("ct",), "ct", ("1.9.9",), False),
        (("1.2.3.78",), "ct", ("slice",), False),
    ],
)
def test_a_frame_that_the_rtstruct_does_not_list_yields_to_the_ct_that_it_lists(
    tmp_path: Path,
    own: str | None,
    frames: tuple[str, ...],
    series: str | None,
    images: tuple[str, ...],
    *,
    is_meant: bool,
) -> None:
    roi, structure_set, headers = _structure(tmp_path, own, frames, series, images)
    found = in_the_ct_that_is_listed(roi, structure_set, headers)
    assert found.frame_of_reference_uid == (FRAME_UID if is_meant else own)


def test_a_frame_that_the_rtstruct_lists_itself_is_believed(tmp_path: Path) -> None:
    roi, structure_set, headers = _structure(
        tmp_path, "1.2.3.77", ("ct", "1.2.3.77"), "ct", ("slice",)
    )
    assert in_the_ct_that_is_listed(roi, structure_set, headers) is roi
