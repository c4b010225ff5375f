"""What hospitals do to the voxels of one small study, from its files to its features: the same
features come out, or it is said.

34 slices of 72 x 80 voxels of 1.5 x 1.5 x 3 mm:
a thorax in air, two lungs, a tumour in one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataset import Dataset
from scipy import ndimage

from feature_store.expectations.suites import Severity, check_voxels
from feature_store.imaging.reading import read_study
from feature_store.imaging.regions import Region
from feature_store.imaging.voxel_rules import voxel_facts
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.study_features import StudyFeatures, compute_features, load_study
from flows.settings import ExpectationsTable
from tests.support.dicom_files import write_ct, write_rtstruct
from tests.support.encodings import POSITIONS, in_position

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")
SHAPE = (34, 72, 80)
SPACING_MM = (1.5, 1.5, 3.0)
CENTRE_MM = np.array([30.0, 54.0, 51.0])
RADIUS_MM = 14.0
Hu = npt.NDArray[np.int16]


def thorax() -> Hu:
    z, y, x = np.indices(SHAPE)
    place = np.stack([x, y, z], axis=-1) * SPACING_MM
    hu = np.full(SHAPE, -1000.0)
    hu[((x - 39.5) / 36) ** 2 + ((y - 35.5) / 31) ** 2 < 1] = 30
    for middle in (21, 58):
        hu[((x - middle) / 14) ** 2 + ((y - 35.5) / 22) ** 2 < 1] = -820
    tumour = ((place - CENTRE_MM) ** 2).sum(axis=-1) < RADIUS_MM**2
    rough = ndimage.gaussian_filter(np.random.default_rng(8).normal(size=SHAPE), 1) * 250
    hu[tumour] = 40 + rough[tumour]
    inside = hu > -1000
    hu[inside] += np.random.default_rng(9).normal(0, 12, int(inside.sum()))
    return np.maximum(np.round(hu), -1000).astype(np.int16)


def corners() -> npt.NDArray[np.bool_]:
    """Return where nothing was measured: all beyond the reconstruction circle."""
    y, x = np.indices(SHAPE[1:])
    return np.broadcast_to((x - 39.5) ** 2 + (y - 35.5) ** 2 > 38**2, SHAPE)


def circles(centre: npt.NDArray[np.float64] = CENTRE_MM) -> list[npt.NDArray[np.float64]]:
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    found = []
    for z in np.arange(SHAPE[0]) * SPACING_MM[2]:
        if abs(z - centre[2]) < RADIUS_MM - 1:
            radius = np.sqrt(RADIUS_MM**2 - (z - centre[2]) ** 2)
            ring = [centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)]
            found.append(np.column_stack([*ring, np.full(angle.size, z)]))
    return found


class Study:
    """The study's files in a folder, spoilt in one way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(
        self,
        hu: Hu | None = None,
        spoil: Callable[[int, Dataset], None] | None = None,
        contours: list[npt.NDArray[np.float64]] | None = None,
    ) -> tuple[list[Path], Path]:
        slices = write_ct(
            self.folder / "ct",
            thorax() if hu is None else hu,
            spacing_mm=SPACING_MM,
            origin_mm=(0, 0, 0),
            spoil=spoil,
        )
        drawn = write_rtstruct(self.folder / "rs.dcm", [("GTV", contours or circles())])
        return slices, drawn

    def said(self, *args: Any, **changes: Any) -> dict[str, Severity]:
        """Return what is said of the voxels under the default settings, by code."""
        study = load_study(read_study(*self.files(*args, **changes)), "gtv")
        facts = voxel_facts(study.volume, study.drawn, -1000.0)
        findings = check_voxels(facts, ExpectationsTable().quarantine)
        return {finding.code: finding.severity for finding in findings}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def features(files: tuple[list[Path], Path]) -> StudyFeatures:
    return compute_features(load_study(read_study(*files), "gtv"), ExtractionSettings())


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> StudyFeatures:
    return features(Study(tmp_path_factory.mktemp("air")).files())


def assert_same(found: StudyFeatures, expected: StudyFeatures) -> None:
    assert found.tissues == expected.tissues
    for region, vector in expected.vectors.items():
        np.testing.assert_allclose(
            found.vectors[region].values, vector.values, rtol=1e-6, atol=1e-9
        )
    np.testing.assert_allclose(found.deep_input, expected.deep_input, atol=1e-6)


def _stored(values: list[tuple[str, int]]) -> Callable[[int, Dataset], None]:
    """Store signed values as HU, and name some of them."""

    def spoil(z: int, dataset: Dataset) -> None:
        stored = np.frombuffer(dataset.PixelData, dtype="<u2").astype(np.int32) - 1024 - z
        dataset.RescaleIntercept, dataset.PixelRepresentation = 0, 1
        dataset.PixelData = stored.astype("<i2").tobytes()
        for keyword, value in values:
            dataset.add_new(keyword, "SS", value)

    return spoil


@pytest.mark.parametrize(
    ("outside", "named"),
    [
        (-2000, [("PixelPaddingValue", -2000)]),
        (-1024, []),
        (-2000, []),
        (-900, [("PixelPaddingValue", -900), ("PixelPaddingRangeLimit", -890)]),
        (2500, [("PixelPaddingValue", 2500)]),
    ],
    ids=["named", "air of 12 bits", "not named", "a range within air", "named, and bright"],
)
def test_padding_is_air(
    study: Study, expected: StudyFeatures, outside: int, named: list[tuple[str, int]]
) -> None:
    hu = np.where(corners(), np.int16(outside), thorax())
    assert_same(features(study.files(hu, _stored(named))), expected)


@pytest.mark.parametrize("position", ["FFS", "HFP", "HFDR"])
def test_the_position_of_the_patient_changes_nothing(
    study: Study, expected: StudyFeatures, position: str
) -> None:
    assert position in POSITIONS
    slices, drawn = study.files()
    assert_same(features((in_position(slices, study.folder / position, position), drawn)), expected)


def test_the_rings_hold_lung_and_chest_wall(expected: StudyFeatures) -> None:
    gtv, ring = expected.tissues[Region.GTV], expected.tissues[Region.RING_6MM]
    assert gtv.soft_tissue > 0.95
    assert ring.lung > 0.6
    assert ring.outside == 0
    assert expected.gtv_voxels == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3, rel=0.03)


def test_a_sound_study_is_told_nothing_of(study: Study) -> None:
    assert study.said() == {}


@pytest.mark.parametrize("shift", [1024, -1024, 1000])
def test_a_shifted_intercept_quarantines(study: Study, shift: int) -> None:
    def spoil(_: int, dataset: Dataset) -> None:
        dataset.RescaleIntercept += shift

    said = study.said(spoil=spoil)
    assert said["gtv-hu"] is Severity.CRITICAL
    assert said.keys() & {"no-air", "no-soft-tissue"}


@pytest.mark.parametrize(
    ("slice_number", "rescale"),
    [(17, (1, -1024)), (17, (1, 300)), (2, (1, 1024)), (33, (1, 500)), (9, (2, 0))],
    ids=["body as air", "bright", "far from the tumour", "the last", "slope"],
)
def test_a_slice_with_the_rescale_of_another_quarantines(
    study: Study, slice_number: int, rescale: tuple[int, int]
) -> None:
    def spoil(z: int, dataset: Dataset) -> None:
        if z == slice_number:
            dataset.RescaleSlope, shift = rescale
            dataset.RescaleIntercept += shift

    assert study.said(spoil=spoil)["slice-level"] is Severity.CRITICAL


def test_an_empty_slice_within_the_body_quarantines(study: Study) -> None:
    hu = thorax()
    hu[20] = -1024
    assert study.said(hu)["slice-level"] is Severity.CRITICAL


def test_padding_that_names_a_value_of_the_lung_quarantines(study: Study) -> None:
    said = study.said(spoil=_stored([("PixelPaddingValue", -820)]))
    assert said == {"padding-within": Severity.CRITICAL}


def test_a_slope_that_is_doubled_quarantines(study: Study) -> None:
    def spoil(_: int, dataset: Dataset) -> None:
        dataset.RescaleSlope = 2

    assert study.said(spoil=spoil)["gtv-hu"] is Severity.CRITICAL


@pytest.mark.parametrize(
    "centre",
    [(30 + 57.0, 54.0, 51.0), (15.0, 15.0, 51.0)],
    ids=["the other lung", "the air before the chest"],
)
def test_a_contour_in_the_wrong_place_quarantines(
    study: Study, centre: tuple[float, float, float]
) -> None:
    said = study.said(contours=circles(np.array(centre)))
    assert said == {"gtv-hu": Severity.CRITICAL}


def test_metal_far_away_is_told(study: Study) -> None:
    hu = thorax()
    hu[2, 40:44, 38:42] = 30_000
    assert study.said(hu) == {"metal": Severity.WARNING}


def test_padding_that_was_read_as_unsigned_quarantines(study: Study) -> None:
    def spoil(z: int, dataset: Dataset) -> None:
        _stored([])(z, dataset)
        dataset.PixelRepresentation = 0

    assert study.said(spoil=spoil)["beyond-scale"] is Severity.CRITICAL


def test_a_gtv_that_reaches_into_padding_quarantines(study: Study) -> None:
    hu = thorax()
    hu[15:18, 30:36, 18:22] = -2000
    assert study.said(hu, _stored([]))["gtv-not-measured"] is Severity.CRITICAL
