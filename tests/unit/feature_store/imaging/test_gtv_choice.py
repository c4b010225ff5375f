"""Which of an RTSTRUCT's ROIs is the GTV, and on which CT it lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from feature_store.errors import ContourError
from feature_store.imaging.ct_headers import CtHeaders
from feature_store.imaging.gtv_choice import (
    ChosenGtv,
    in_the_ct_that_is_listed,
    matching_rois,
    select_gtv,
    undrawn_namesakes,
)
from feature_store.imaging.reading import read_ct, read_rtstruct
from feature_store.imaging.structure_set import MALFORMED, FrameDoubt, Roi, StructureSet
from tests.support.dicom_files import FRAME_UID, write_ct, write_rtstruct

SQUARE = np.array([[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]])


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


def test_two_gtvs_are_ambiguous(tmp_path: Path) -> None:
    structure_set = read_rtstruct(
        write_rtstruct(tmp_path / "rs.dcm", [("GTV-1", [SQUARE]), ("GTV-2", [SQUARE])])
    ).structure_set
    with pytest.raises(ContourError, match="2 ROIs could be the GTV") as caught:
        select_gtv(structure_set, r"gtv-\d")
    assert caught.value.code == "gtv-name"


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


def _empty(name: str, number: int, *points: object) -> Roi:
    return Roi(number, name, tuple(np.array(one, dtype=float) for one in points), "1.2")


@pytest.mark.parametrize("clicks", [(), ([[1, 2, 3]],), ([[1, 2, 3], [2, 3, 3]],)])
def test_of_two_rois_of_the_name_the_one_that_is_drawn_is_the_gtv(clicks: tuple[object]) -> None:
    drawn = Roi(4, "GTVp", (SQUARE,), "1.2")
    rois = (_empty("GTV-1", 3, *clicks), drawn, _empty("Heart", 5))
    structure_set = StructureSet("1.1", "1.2", "1.3", None, rois, frozenset())
    found = matching_rois(structure_set, "gtv.*")
    assert found == (drawn,)
    assert matching_rois(structure_set, "gtv.*", ChosenGtv(4)) == (drawn,)
    assert undrawn_namesakes(structure_set, "gtv.*", found) == ("GTV-1",)
    assert undrawn_namesakes(structure_set, "gtvp", found) == ()


def test_a_contour_that_cannot_be_read_may_be_the_tumours() -> None:
    rois = (
        Roi(3, "GTV-1", (np.empty((0, 3)),), "1.2", (MALFORMED,)),
        Roi(4, "GTVp", (SQUARE,), "1.2"),
    )
    structure_set = StructureSet("1.1", "1.2", "1.3", None, rois, frozenset())
    assert matching_rois(structure_set, "gtv.*") == rois


def test_an_older_rtstruct_that_has_drawn_what_is_undrawn_in_the_newest_is_named() -> None:
    structure_set = StructureSet("1.1", "1.2", "1.3", None, (_empty("GTV", 1),), frozenset())
    with pytest.raises(ContourError, match="An older RTSTRUCT of the study has the GTV drawn: "):
        select_gtv(structure_set, "gtv", ChosenGtv(1, True))


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
        (("ct",), None, (), False),
        (("ct",), "1.9.9", ("slice",), False),
        (("ct",), "ct", ("1.9.9",), False),
        (("1.2.3.77", "1.2.3.78"), "ct", ("slice",), False),
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
    assert found.frame_doubt is (FrameDoubt.UNLISTED if is_meant else None)


def test_a_frame_that_the_rtstruct_lists_itself_is_believed(tmp_path: Path) -> None:
    roi, structure_set, headers = _structure(
        tmp_path, "1.2.3.77", ("ct", "1.2.3.77"), "ct", ("slice",)
    )
    assert in_the_ct_that_is_listed(roi, structure_set, headers) is roi


@pytest.mark.parametrize(
    ("own", "frames", "of_ct", "doubt"),
    [
        ("1.2.3.77", ("1.2.3.77",), FRAME_UID, FrameDoubt.OTHER),
        ("1.2.3.77", (), FRAME_UID, FrameDoubt.OTHER),
        (None, ("1.2.3.78",), FRAME_UID, FrameDoubt.OTHER),
        (None, (), FRAME_UID, FrameDoubt.MISSING),
        ("1.2.3.77", ("1.2.3.77",), None, FrameDoubt.MISSING),
        (None, ("1.2.3.78",), None, FrameDoubt.MISSING),
        (None, (), None, FrameDoubt.MISSING),
        ("1.2.3.77", ("1.2.3.78",), None, None),
    ],
)
def test_a_ct_that_is_listed_under_the_rois_frame_is_meant_and_the_doubt_is_kept(
    tmp_path: Path,
    own: str | None,
    frames: tuple[str, ...],
    of_ct: str | None,
    doubt: FrameDoubt | None,
) -> None:
    roi, structure_set, headers = _structure(tmp_path, own, frames, "ct", ("slice",))
    ct = CtHeaders(tuple(replace(one, frame_of_reference_uid=of_ct) for one in headers.slices))
    found = in_the_ct_that_is_listed(roi, structure_set, ct)
    assert (found.frame_doubt, found.frame_of_reference_uid) == (doubt, of_ct if doubt else own)
    unnamed = replace(structure_set, listed_series_uids=frozenset({"1.9.9"}))
    assert in_the_ct_that_is_listed(roi, unnamed, ct) is roi
