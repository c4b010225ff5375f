"""From files to features in two calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from feature_store import study_features
from feature_store.errors import ContourError, RegionError, StudyDefect
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.harmonize import HarmonizedCt
from feature_store.imaging.perturbation import Perturbation
from feature_store.imaging.reading import read_study
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.extractor import extract
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES, ExtractionSettings
from feature_store.study_features import (
    ContourFeatures,
    compute_features,
    load_study,
    measure_contours,
    perturbed_contours,
    prepared,
)
from tests.support.dicom_files import write_ct, write_rtstruct


def circle(radius: float, z: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.column_stack(
        [14 + radius * np.cos(angle), 30 + radius * np.sin(angle), np.full(60, z)]
    )


def synthetic(
    folder: Path, radius: float, names: tuple[str, ...] = ("GTV-1", "PTV")
) -> tuple[list[Path], Path]:
    noise = np.random.default_rng(1).normal(size=(14, 50, 48))
    hu = np.clip(ndimage.gaussian_filter(noise, 1) * 800 - 100, -1000, 1500)
    ct = write_ct(folder / "ct", hu.astype(np.int16), spacing_mm=(1.0, 1.0, 3.0))
    contours = [circle(radius, -30 + 3 * z) for z in range(4, 10)]
    return ct, write_rtstruct(folder / "rs.dcm", [(name, contours) for name in names])


def test_a_synthetic_study(tmp_path: Path) -> None:
    ct, rtstruct = synthetic(tmp_path, 7)
    study = load_study(read_study(ct, rtstruct), "gtv.*")
    assert study.gtv.name == "GTV-1"
    features = compute_features(study, ExtractionSettings(), (3, 6))
    assert list(features.vectors) == [Region.GTV, Region.RING_3MM, Region.RING_6MM]
    assert features.gtv_voxels == 3 * int(study.gtv_mask.sum())
    assert features.gtv_voxels == pytest.approx(np.pi * 7**2 * 18, rel=0.06)
    assert features.ring_share_beyond_ct == 0
    assert list(features.tissues) == list(features.vectors)
    assert all(sum(astuple(shares)) == pytest.approx(1) for shares in features.tissues.values())
    assert features.deep_input.shape == (64, 64, 64)
    assert (
        features.vectors[Region.GTV].as_dict()["original_shape_VoxelVolume"] == features.gtv_voxels
    )


@pytest.mark.slow
@pytest.mark.parametrize("normalize_over", ["image", "body"])
def test_what_is_far_from_the_tumour_is_not_kept_and_changes_no_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, normalize_over: str
) -> None:
    noise = np.random.default_rng(1).normal(size=(14, 120, 110))
    hu = np.clip(ndimage.gaussian_filter(noise, 1) * 800 - 100, -1000, 1500)
    ct = write_ct(tmp_path / "ct", hu.astype(np.int16), spacing_mm=(2.0, 2.0, 3.0))
    contours = [circle(7, -30 + 3 * z) + np.array([85, 85, 0]) for z in range(4, 10)]
    rtstruct = write_rtstruct(tmp_path / "rs.dcm", [("GTV-1", contours)])
    study = load_study(read_study(ct, rtstruct), "gtv.*")
    settings = ExtractionSettings(normalize_over=normalize_over)
    seen: list[HarmonizedCt] = []

    def of_the_whole(
        ct: HarmonizedCt, regions: Mapping[Region, BoxedMask], settings: ExtractionSettings
    ) -> dict[Region, FeatureVector]:
        seen.append(ct)
        return extract(ct, regions, settings)

    whole = compute_features(study, settings, engine=of_the_whole)
    monkeypatch.setattr(study_features, "extract", of_the_whole)
    near = compute_features(study, settings, engine=of_the_whole)
    assert near.deep_input.tobytes() == whole.deep_input.tobytes()
    assert near.tissues == whole.tissues
    for region, vector in whole.vectors.items():
        assert near.vectors[region].as_dict() == vector.as_dict()
    assert seen[1].coefficients.size < 0.7 * seen[0].coefficients.size


def test_a_ring_beyond_the_ct_is_told(tmp_path: Path) -> None:
    features = compute_features(
        load_study(read_study(*synthetic(tmp_path, 20)), "gtv.*"), ExtractionSettings()
    )
    assert 0 < features.ring_share_beyond_ct < 1


def test_a_gtv_of_remnants_is_a_verdict(tmp_path: Path) -> None:
    with pytest.raises(ContourError, match="none of which encloses a voxel"):
        load_study(read_study(*synthetic(tmp_path, 0.3)), "gtv.*")


def test_a_gtv_of_few_voxels_is_a_verdict(tmp_path: Path) -> None:
    study = load_study(read_study(*synthetic(tmp_path, 0.6)), "gtv.*")
    with pytest.raises(RegionError, match="expected at least 27"):
        compute_features(study, ExtractionSettings())


def test_the_rule_of_the_centre_is_asked_first(tmp_path: Path) -> None:
    with pytest.raises(ContourError, match="2 ROIs could be the GTV"):
        load_study(read_study(*synthetic(tmp_path, 7, ("GTV-1", "GTV-2"))), "gtv.*")


@pytest.mark.parametrize("settings", [ExtractionSettings(), ExtractionSettings(ring_tissue="body")])
def test_the_drawn_contour_measured_among_others_has_the_values_of_the_study(
    tmp_path: Path, settings: ExtractionSettings
) -> None:
    study = load_study(read_study(*synthetic(tmp_path, 7)), "gtv.*")
    alone = compute_features(study, settings)
    drawn = prepared(study, settings)[1]
    others = perturbed_contours(study, settings, 3, "study", Perturbation())
    columns = [f"{region}:{name}" for region in alone.vectors for name in FEATURE_NAMES]
    first, *moved = measure_contours(study, settings, [drawn, *others], columns)
    assert isinstance(first, ContourFeatures)
    for region, vector in alone.vectors.items():
        of_region = [first.values[f"{region}:{name}"] for name in FEATURE_NAMES]
        np.testing.assert_allclose(of_region, vector.values, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(first.deep_input, alone.deep_input)
    for one in moved:
        assert isinstance(one, ContourFeatures)
        assert one.values.keys() == first.values.keys()
        assert one.values != first.values


def test_only_what_is_wanted_is_measured_and_a_contour_without_voxels_is_a_defect(
    tmp_path: Path,
) -> None:
    study, settings = load_study(read_study(*synthetic(tmp_path, 7)), "gtv.*"), ExtractionSettings()
    contours = perturbed_contours(study, settings, 2, "study", Perturbation())
    nothing = BoxedMask(np.zeros_like(contours[0].voxels), contours[0].box, contours[0].grid_shape)
    columns = [
        "ring_3mm:log-sigma-2-0-mm-3D_glcm_Id",
        "gtv:wavelet-HHL_firstorder_Mean",
        "gtv:original_shape_Sphericity",
    ]
    one, two, defect = measure_contours(study, settings, [*contours, nothing], columns)
    assert isinstance(one, ContourFeatures)
    assert isinstance(two, ContourFeatures)
    assert set(one.values) == set(columns)
    assert isinstance(defect, StudyDefect)
    assert defect.code == "gtv-too-small"
    (alone,) = measure_contours(study, settings, contours[1:], columns)
    assert isinstance(alone, ContourFeatures)
    assert alone.values == pytest.approx(dict(two.values), rel=1e-9)
