"""Structure sets are read, and exactly one ROI is the GTV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from feature_store.errors import AmbiguousGtvError, ContourError, NoGtvError, UnreadableInstance
from feature_store.imaging.structure_set import Roi, read_structure_set, select_gtv
from tests.support.dicom_files import FRAME_UID, write_ct, write_rtstruct

SQUARE = np.array([[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]])


def test_rois_are_read_in_order(tmp_path: Path) -> None:
    path = write_rtstruct(
        tmp_path / "rs.dcm", [(" GTV-1 ", [SQUARE, SQUARE + 3]), ("Lung_L", [SQUARE])]
    )
    structure_set = read_structure_set(path)
    assert structure_set.roi_names == ("GTV-1", "Lung_L")
    assert structure_set.frame_of_reference_uid == FRAME_UID
    assert len(structure_set.referenced_sop_instance_uids) == 1
    np.testing.assert_array_equal(structure_set.rois[0].contours[1], SQUARE + 3)
    assert not structure_set.rois[0].contours[0].flags.writeable


@pytest.mark.parametrize("name", ["GTV-1", "gtv", "GTVp", "Gtv_Primary"])
def test_the_rule_ignores_case_and_matches_the_whole_name(tmp_path: Path, name: str) -> None:
    path = write_rtstruct(
        tmp_path / "rs.dcm", [("PTV", [SQUARE]), (name, [SQUARE]), ("GTVn", [SQUARE])]
    )
    assert select_gtv(read_structure_set(path), r"gtv[-_ ]?(p|1|primary)?").name == name


def test_no_gtv_lists_the_names(tmp_path: Path) -> None:
    structure_set = read_structure_set(
        write_rtstruct(tmp_path / "rs.dcm", [("PTV", [SQUARE]), ("Lung", [SQUARE])])
    )
    with pytest.raises(NoGtvError, match="found 'PTV', 'Lung'") as caught:
        select_gtv(structure_set, "gtv")
    assert caught.value.roi_names == ("PTV", "Lung")


def test_two_gtvs_are_ambiguous(tmp_path: Path) -> None:
    structure_set = read_structure_set(
        write_rtstruct(tmp_path / "rs.dcm", [("GTV-1", [SQUARE]), ("GTV-2", [SQUARE])])
    )
    with pytest.raises(AmbiguousGtvError, match="2 ROIs could be the GTV") as caught:
        select_gtv(structure_set, r"gtv-\d")
    assert caught.value.roi_names == ("GTV-1", "GTV-2")


def _first_contour(dataset: Dataset) -> Dataset:
    contour: Dataset = dataset.ROIContourSequence[0].ContourSequence[0]
    return contour


def _open(dataset: Dataset) -> None:
    _first_contour(dataset).ContourGeometricType = "OPEN_PLANAR"


def _odd_data(dataset: Dataset) -> None:
    _first_contour(dataset).ContourData = _first_contour(dataset).ContourData[:-1]


def _wrong_count(dataset: Dataset) -> None:
    _first_contour(dataset).NumberOfContourPoints = 17


def _two_points(dataset: Dataset) -> None:
    _first_contour(dataset).ContourData = _first_contour(dataset).ContourData[:6]
    _first_contour(dataset).NumberOfContourPoints = 2


def _no_contours(dataset: Dataset) -> None:
    del dataset.ROIContourSequence[0]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_open, "open-contour"),
        (_odd_data, "malformed-contour"),
        (_wrong_count, "malformed-contour"),
        (_two_points, "empty-contour"),
        (_no_contours, "empty-roi"),
    ],
)
def test_a_gtv_that_encloses_nothing_is_refused(
    tmp_path: Path, spoil: Callable[[Dataset], None], code: str
) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV", [SQUARE]), ("PTV", [SQUARE])], spoil=spoil)
    structure_set = read_structure_set(path)
    with pytest.raises(ContourError) as caught:
        select_gtv(structure_set, "gtv")
    assert caught.value.code == code
    assert (
        select_gtv(structure_set, "ptv").name == "PTV"
    )  # what is wrong with one ROI does not spoil another


def test_what_is_no_structure_set_is_refused(tmp_path: Path) -> None:
    ct = write_ct(tmp_path, np.zeros((1, 4, 4), dtype=np.int16))[0]
    with pytest.raises(
        UnreadableInstance, match="Expected RT Structure Set Storage, found CT Image Storage"
    ):
        read_structure_set(ct)
    (tmp_path / "text").write_text("no DICOM")
    with pytest.raises(UnreadableInstance, match="cannot be read as DICOM"):
        read_structure_set(tmp_path / "text")


def test_a_roi_validates_itself() -> None:
    with pytest.raises(ContourError, match=r"shape \(n, 3\)"):
        Roi(1, "GTV", (np.zeros((4, 2)),), FRAME_UID)


@pytest.mark.real_data
def test_pat1_lists_its_sixty_slices(real_data: Path) -> None:
    structure_set = read_structure_set(next((real_data / "pat1" / "rtstruct").glob("*.dcm")))
    assert len(structure_set.referenced_sop_instance_uids) == 60
    assert len(select_gtv(structure_set, r"gtv-1").contours) == 26
