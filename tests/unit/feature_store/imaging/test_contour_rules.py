"""What the field does to contours, written as RTSTRUCT files: the right voxels come out and what
happened is told, or the study is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from feature_store.errors import ContourError
from feature_store.expectations.suites import check_contours
from feature_store.imaging.contour_combination import OverlappingContours
from feature_store.imaging.contour_rules import in_words
from feature_store.imaging.reading import read_study
from feature_store.study_features import LoadedStudy, load_study
from tests.support.dicom_files import write_ct, write_rtstruct

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")
Contour = npt.NDArray[np.float64]
GAP_MM = 3.0
SLICES = range(2, 12)


def square(z: float, centre: tuple[float, float] = (20.0, 20.0), half: float = 6.2) -> Contour:
    x, y = centre
    corners = [
        (x - half, y - half),
        (x + half, y - half),
        (x + half, y + half),
        (x - half, y + half),
    ]
    return np.array([(a, b, z * GAP_MM) for a, b in corners])


def tumour() -> list[Contour]:
    return [square(z) for z in SLICES]


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    hu = np.random.default_rng(3).integers(-100, 100, (14, 40, 40)).astype(np.int16)
    return write_ct(tmp_path_factory.mktemp("ct"), hu, origin_mm=(0.0, 0.0, 0.0))


Load = Callable[..., LoadedStudy]


@pytest.fixture
def load(ct: list[Path], tmp_path: Path) -> Load:
    def drawn(
        contours: list[Contour],
        spoil: Callable[[Dataset], None] | None = None,
        overlapping: OverlappingContours = OverlappingContours.REFUSE,
    ) -> LoadedStudy:
        path = write_rtstruct(
            tmp_path / "rs.dcm", [("GTV", contours), ("Heart", [square(3, (8, 8), 3)])], spoil=spoil
        )
        return load_study(read_study(ct, path), "gtv", overlapping)

    return drawn


@pytest.fixture
def voxels(load: Load) -> int:
    return int(load(tumour()).gtv_mask.sum())


def codes(study: LoadedStudy) -> list[str]:
    return [finding.code for finding in check_contours(study.contours)]


@pytest.mark.slow
def test_a_sound_contour_is_told_nothing_of(load: Load, voxels: int) -> None:
    study = load(tumour())
    assert voxels == len(SLICES) * 13 * 13
    assert codes(study) == []


def _twice_round(z: float) -> Contour:
    return np.vstack([square(z), square(z)])


@pytest.mark.parametrize(
    "again",
    [
        lambda: [square(5)],
        lambda: [square(5)[::-1]],
        lambda: [np.roll(square(5), 2, axis=0) + np.array([0.03, 0, 0])],
        tumour,
    ],
)
def test_a_contour_that_comes_again_counts_once(
    load: Load, voxels: int, again: Callable[[], list[Contour]]
) -> None:
    study = load([*tumour(), *again()])
    assert study.gtv_mask.sum() == voxels
    assert codes(study) == ["repeated-contour"]


def test_a_contour_that_goes_round_twice_counts_once(load: Load, voxels: int) -> None:
    contours = [square(z) if z != 5 else _twice_round(z) for z in SLICES]
    study = load(contours)
    assert study.gtv_mask.sum() == voxels
    assert codes(study) == ["repeated-contour"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_contour_within_another_is_a_hole_however_often_it_comes(
    load: Load, voxels: int, times: int
) -> None:
    study = load([*tumour(), *[square(5, half=2.2)] * times])
    assert study.gtv_mask.sum() == voxels - 25
    assert "Among its contours: 1 hole, 0 islands" in in_words(study.contours)
    assert codes(study) == ["repeated-contour"] * (times - 1)


def test_an_overlap_is_refused_or_united_as_the_settings_say(load: Load, voxels: int) -> None:
    contours = [*tumour(), square(5, (26, 20))]
    with pytest.raises(ContourError, match="overlap in part") as caught:
        load(contours)
    assert caught.value.code == "overlapping-contours"
    assert "overlapping_contours to 'union'" in str(caught.value)
    study = load(contours, overlapping=OverlappingContours.UNION)
    assert study.gtv_mask.sum() == voxels + 6 * 13
    assert codes(study) == ["united-contours"]


def test_contours_of_two_planes_on_one_slice_are_refused(load: Load) -> None:
    contours = [*tumour(), square(5.2, (26, 20))]
    with pytest.raises(ContourError, match="mm apart along the normal"):
        load(contours)


@pytest.mark.parametrize(
    "remnant",
    [
        square(5)[:1],
        square(5)[:2],
        np.array([[20.0, 20, 15], [21, 20, 15], [22, 20, 15]]),
        square(5, half=0.2),
        square(5)[:1] + np.array([500.0, 0, 0]),
        np.array([[20.0, 20, 16.4]]),
        square(5, (-30, 20), half=0.2),
        square(80, half=0.2),
    ],
)
def test_a_click_that_was_left_is_skipped(load: Load, voxels: int, remnant: Contour) -> None:
    study = load([*tumour(), remnant])
    assert study.gtv_mask.sum() == voxels
    assert study.contours.remnants == 1
    assert codes(study)[0] == "remnant-contour"
    assert set(codes(study)) <= {"remnant-contour", "empty-contoured-slice"}


def test_a_gtv_of_clicks_is_refused(load: Load) -> None:
    with pytest.raises(ContourError, match="none of which encloses a voxel"):
        load([square(5)[:2], square(6, half=0.2)])


def test_a_slice_of_clicks_is_told(load: Load, voxels: int) -> None:
    contours = [*tumour()[:-1], square(SLICES[-1], half=0.2)]
    study = load(contours)
    assert study.gtv_mask.sum() == voxels - 169
    assert codes(study) == ["remnant-contour", "empty-contoured-slice"]


@pytest.mark.parametrize(
    ("off_mm", "told"), [(0.05, []), (0.3, ["contour-off-plane"]), (0.7, ["contour-off-plane"])]
)
def test_a_contour_off_its_plane_is_told(
    load: Load, voxels: int, off_mm: float, told: list[str]
) -> None:
    contours = [square(z) if z != 5 else square(z) + np.array([0, 0, off_mm]) for z in SLICES]
    study = load(contours)
    assert study.gtv_mask.sum() == voxels
    assert codes(study) == told


def test_a_gtv_of_one_slice_is_told(load: Load) -> None:
    assert codes(load([square(5)])) == ["one-slice-gtv"]


def test_two_lesions_on_one_axis_are_told_and_a_missing_contour_is_refused(load: Load) -> None:
    sizes = {2: 2.2, 3: 6.2, 4: 2.2, 8: 2.2, 9: 6.2, 10: 2.2}
    study = load([square(z, half=half) for z, half in sizes.items()])
    assert study.contours.between_lesions == (6, 7, 8)
    assert codes(study) == ["between-lesions"]
    with pytest.raises(ContourError, match="no contour on 1 slice"):
        load([square(z) for z in SLICES if z != 6])


def _one_number(dataset: Dataset) -> None:
    for item in dataset.StructureSetROISequence:
        item.ROINumber = 1
    for item in dataset.ROIContourSequence:
        item.ReferencedROINumber = 1


def test_two_rois_of_one_number_are_refused(load: Load) -> None:
    with pytest.raises(ContourError, match="Another ROI has the same ROI Number") as caught:
        load(tumour(), _one_number)
    assert caught.value.code == "repeated-roi-number"


def _two_items(dataset: Dataset) -> None:
    item = dataset.ROIContourSequence[0]
    second = deepcopy(item)
    item.ContourSequence, second.ContourSequence = (
        item.ContourSequence[:4],
        item.ContourSequence[4:],
    )
    dataset.ROIContourSequence.append(second)


def test_contours_in_two_items_are_joined(load: Load, voxels: int) -> None:
    study = load(tumour(), _two_items)
    assert study.gtv_mask.sum() == voxels
    assert codes(study) == ["several-contour-items"]


def _offset(dataset: Dataset) -> None:
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        contour.ContourOffsetVector = [2.0, 0.0, 0.0]


def test_the_offset_vector_moves_the_contours(load: Load, voxels: int) -> None:
    study = load(tumour(), _offset)
    expected = np.roll(load(tumour()).gtv_mask, 2, axis=2)
    np.testing.assert_array_equal(study.gtv_mask, expected)
    assert codes(study) == ["contour-offset"]
    assert study.gtv_mask.sum() == voxels


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS:UserWarning")
@pytest.mark.parametrize("kind", ["closed_planar", "CLOSED_PLANAR ", " Closed_Planar"])
def test_the_type_is_read_whatever_its_case(load: Load, voxels: int, kind: str) -> None:
    def spell(dataset: Dataset) -> None:
        for contour in dataset.ROIContourSequence[0].ContourSequence:
            with disable_value_validation():
                contour.ContourGeometricType = kind

    assert load(tumour(), spell).gtv_mask.sum() == voxels


@pytest.mark.parametrize(("kind", "found"), [("OPEN_PLANAR", "OPEN_PLANAR"), (None, "none")])
def test_a_contour_that_is_not_closed_is_refused_by_what_it_says(
    load: Load, kind: str | None, found: str
) -> None:
    def spell(dataset: Dataset) -> None:
        dataset.ROIContourSequence[0].ContourSequence[3].ContourGeometricType = kind

    with pytest.raises(ContourError, match=rf"number 4\) .* CLOSED_PLANAR, found {found}\."):
        load(tumour(), spell)


def _broken_heart(dataset: Dataset) -> None:
    dataset.ROIContourSequence[1].ContourSequence[0].ContourData = [1.0, 2.0]


def test_what_is_wrong_with_another_roi_does_not_matter(load: Load, voxels: int) -> None:
    assert load(tumour(), _broken_heart).gtv_mask.sum() == voxels
