"""Structure sets are read; what is wrong with one contour spoils neither file nor other ROIs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from feature_store.errors import ContourError, UnreadableInstance
from feature_store.imaging.reading import read_rtstruct
from feature_store.imaging.structure_set import MALFORMED, Roi
from tests.support.dicom_datasets import set_listed_images
from tests.support.dicom_files import FRAME_UID, write_ct, write_rtstruct

SQUARE = np.array([[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]])


def test_rois_are_read_in_order(tmp_path: Path) -> None:
    path = write_rtstruct(
        tmp_path / "rs.dcm", [(" GTV-1 ", [SQUARE, SQUARE + 3]), ("Lung_L", [SQUARE])]
    )
    structure_set = read_rtstruct(path).structure_set
    assert structure_set.roi_names == ("GTV-1", "Lung_L")
    assert structure_set.frame_of_reference_uid == FRAME_UID
    assert len(structure_set.referenced_sop_instance_uids) == 1
    np.testing.assert_array_equal(structure_set.rois[0].contours[1], SQUARE + 3)
    assert not structure_set.rois[0].contours[0].flags.writeable


def _wrong_count(dataset: Dataset) -> None:
    dataset.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 17


def test_a_backslash_in_a_name_is_of_the_name(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV\\CT2", [SQUARE])])
    assert read_rtstruct(path).structure_set.roi_names == ("GTV\\CT2",)


def test_contour_data_that_are_no_points_are_kept_as_such(tmp_path: Path) -> None:
    path = write_rtstruct(
        tmp_path / "rs.dcm", [("GTV", [SQUARE, SQUARE]), ("PTV", [SQUARE])], spoil=_wrong_count
    )
    gtv, ptv = read_rtstruct(path).structure_set.rois
    assert gtv.geometric_types == (MALFORMED, "CLOSED_PLANAR")
    assert [len(points) for points in gtv.contours] == [0, 4]
    assert ptv.geometric_types == ("CLOSED_PLANAR",)


def _others_without_numbers_and_names(dataset: Dataset) -> None:
    del dataset.StructureSetROISequence[1].ROINumber
    del dataset.ROIContourSequence[1].ReferencedROINumber
    dataset.ROIContourSequence[1].ContourSequence[0].ContourImageSequence = [Dataset()]


def test_what_another_roi_lacks_is_no_matter(tmp_path: Path) -> None:
    path = write_rtstruct(
        tmp_path / "rs.dcm",
        [("GTV", [SQUARE]), ("PTV", [SQUARE])],
        spoil=_others_without_numbers_and_names,
    )
    (gtv,) = read_rtstruct(path).structure_set.rois
    assert (gtv.name, len(gtv.contours), gtv.shares_its_number) == ("GTV", 1, False)


def test_what_it_lists_is_read_apart_from_what_its_rois_say(tmp_path: Path) -> None:
    def listing(dataset: Dataset) -> None:
        set_listed_images(dataset, "1.2", "1.2.9", "1.2.3.77", ["1.2.9.1"])

    path = write_rtstruct(tmp_path / "rs.dcm", [("GTV", [SQUARE])], spoil=listing)
    structure_set = read_rtstruct(path).structure_set
    assert structure_set.listed_frame_uids == {"1.2.3.77"}
    assert structure_set.listed_series_uids == {"1.2.9"}
    assert structure_set.frame_of_reference_uid == FRAME_UID
    assert "1.2.9.1" in structure_set.referenced_sop_instance_uids


def test_what_is_no_structure_set_is_refused(tmp_path: Path) -> None:
    ct = write_ct(tmp_path, np.zeros((1, 4, 4), dtype=np.int16))[0]
    with pytest.raises(
        UnreadableInstance, match="Expected RT Structure Set Storage, found CT Image Storage"
    ):
        read_rtstruct(ct)
    (tmp_path / "text").write_text("no DICOM")
    with pytest.raises(UnreadableInstance, match="cannot be read as DICOM"):
        read_rtstruct(tmp_path / "text")


def test_a_roi_validates_itself() -> None:
    with pytest.raises(ContourError, match=r"shape \(n, 3\)"):
        Roi(1, "GTV", (np.zeros((4, 2)),), FRAME_UID)


@pytest.mark.real_data
def test_pat1_lists_its_sixty_slices(real_data: Path) -> None:
    structure_set = read_rtstruct(
        next((real_data / "pat1" / "rtstruct").glob("*.dcm"))
    ).structure_set
    assert len(structure_set.referenced_sop_instance_uids) == 60
    (gtv,) = (roi for roi in structure_set.rois if roi.name == "GTV-1")
    assert len(gtv.contours) == 26
