"""The features that IBSI defines alike have the consensus values of the image biomarker
standardisation initiative.

The digital phantom, and PAT1's CT in IBSI's configurations A (as it is, re-segmented to [-500, 400]
HU), C (2 mm, trilinear, [-1000, 400] HU, bins of 25 HU) and D (2 mm, trilinear, 3 standard
deviations, 32 bins). Interpolation, re-segmentation and discretisation are done here as IBSI
prescribes; the features are the project's own. Zwanenburg et al., Radiology 295, 2020; values and
tolerances are described in the data folder's README.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK

from feature_store.imaging.boxed_mask import bounding_box
from feature_store.imaging.reading import read_study
from feature_store.radiomic_features.first_order import first_order_features
from feature_store.radiomic_features.shape import shape_features
from feature_store.radiomic_features.texture import texture_features
from feature_store.radiomic_features.texture_matrices import TextureRegion, texture_matrices
from feature_store.study_features import load_study
from tests.oracles.ibsi_grid import on_aligned_grid

pytestmark = pytest.mark.real_data

IDS: dict[str, dict[str, str]] = {
    "shape": {
        "MeshVolume": "RNU0",
        "VoxelVolume": "YEKZ",
        "SurfaceArea": "C0JK",
        "SurfaceVolumeRatio": "2PR5",
        "Sphericity": "QCFX",
        "Maximum3DDiameter": "L0JK",
        "MajorAxisLength": "TDIC",
        "MinorAxisLength": "P9VJ",
        "LeastAxisLength": "7J51",
        "Elongation": "Q3CK",
        "Flatness": "N17B",
    },
    "firstorder": {
        "Mean": "Q4LE",
        "Variance": "ECT3",
        "Skewness": "KE2A",
        "Kurtosis": "IPH6",
        "Median": "Y12H",
        "Minimum": "1GSF",
        "10Percentile": "QG58",
        "90Percentile": "8DWT",
        "Maximum": "84IY",
        "InterquartileRange": "SALO",
        "Range": "2OJQ",
        "MeanAbsoluteDeviation": "4FUA",
        "RobustMeanAbsoluteDeviation": "1128",
        "Energy": "N8CA",
        "RootMeanSquared": "5ZWQ",
        "Entropy": "TLU2",
        "Uniformity": "BJ5W",
    },
    "glcm": {
        "MaximumProbability": "GYBY",
        "JointAverage": "60VM",
        "SumSquares": "UR99",
        "JointEntropy": "TU9B",
        "DifferenceAverage": "TF7R",
        "DifferenceVariance": "D3YU",
        "DifferenceEntropy": "NTRS",
        "SumAverage": "ZGXS",
        "SumEntropy": "P6QZ",
        "JointEnergy": "8ZQL",
        "Contrast": "ACUI",
        "Id": "IB1Z",
        "Idn": "NDRX",
        "Idm": "WF0Z",
        "Idmn": "1QCO",
        "InverseVariance": "E8JP",
        "Correlation": "NI2N",
        "Autocorrelation": "QWB0",
        "ClusterTendency": "DG8W",
        "ClusterShade": "7NFM",
        "ClusterProminence": "AE86",
        "Imc2": "JN9H",
    },
    "glrlm": {
        "ShortRunEmphasis": "22OV",
        "LongRunEmphasis": "W4KF",
        "LowGrayLevelRunEmphasis": "V3SW",
        "HighGrayLevelRunEmphasis": "G3QZ",
        "ShortRunLowGrayLevelEmphasis": "HTZT",
        "ShortRunHighGrayLevelEmphasis": "GD3A",
        "LongRunLowGrayLevelEmphasis": "IVPO",
        "LongRunHighGrayLevelEmphasis": "3KUM",
        "GrayLevelNonUniformity": "R5YN",
        "GrayLevelNonUniformityNormalized": "OVBL",
        "RunLengthNonUniformity": "W92Y",
        "RunLengthNonUniformityNormalized": "IC23",
        "RunPercentage": "9ZK5",
        "GrayLevelVariance": "8CE5",
        "RunVariance": "SXLW",
        "RunEntropy": "HJ9O",
    },
    "glszm": {
        "LargeAreaEmphasis": "48P8",
        "LowGrayLevelZoneEmphasis": "XMSY",
        "HighGrayLevelZoneEmphasis": "5GN9",
        "SmallAreaLowGrayLevelEmphasis": "5RAI",
        "SmallAreaHighGrayLevelEmphasis": "HW1V",
        "LargeAreaLowGrayLevelEmphasis": "YH51",
        "LargeAreaHighGrayLevelEmphasis": "J17V",
        "GrayLevelNonUniformity": "JNSA",
        "GrayLevelNonUniformityNormalized": "Y1RO",
        "SizeZoneNonUniformity": "4JP3",
        "SizeZoneNonUniformityNormalized": "VB3A",
        "ZonePercentage": "P30P",
        "GrayLevelVariance": "BYLV",
        "ZoneVariance": "3NSA",
        "ZoneEntropy": "GU8N",
    },
    "gldm": {
        "SmallDependenceEmphasis": "SODN",
        "LargeDependenceEmphasis": "IMOQ",
        "LowGrayLevelEmphasis": "TL9H",
        "HighGrayLevelEmphasis": "OAE7",
        "SmallDependenceLowGrayLevelEmphasis": "EQ3F",
        "SmallDependenceHighGrayLevelEmphasis": "JA6D",
        "LargeDependenceLowGrayLevelEmphasis": "NBZI",
        "LargeDependenceHighGrayLevelEmphasis": "9QMG",
        "GrayLevelNonUniformity": "FP8K",
        "DependenceNonUniformity": "Z87G",
        "DependenceNonUniformityNormalized": "OKJI",
        "GrayLevelVariance": "1PFV",
        "DependenceVariance": "DNX2",
        "DependenceEntropy": "FCBV",
    },
    "ngtdm": {
        "Coarseness": "QCDE",
        "Contrast": "65HE",
        "Busyness": "NQ30",
        "Complexity": "HDEZ",
        "Strength": "1X9X",
    },
}
"""IBSI's identifier of each feature that has IBSI's definition."""

_AVERAGED = ("glcm", "glrlm")
_VOLUMETRIC = ("glszm", "gldm", "ngtdm")


@dataclass(frozen=True)
class Consensus:
    """IBSI's value and tolerance."""

    value: float
    tolerance: float


def consensus(folder: Path, data: str) -> dict[tuple[str, str], Consensus]:
    """Return the values of one data set by class and feature, of three-dimensional aggregations."""
    with (folder / "ibsi" / "reference_values.csv").open(newline="") as file:
        rows = {
            (row["ibsi_id"], row["aggregation"]): row
            for row in csv.DictReader(file)
            if row["data"] == data
        }
    found = {}
    for group, ids in IDS.items():
        aggregation = "3D, averaged" if group in _AVERAGED else "3D" if group in _VOLUMETRIC else ""
        for feature, ibsi_id in ids.items():
            row = rows.get((ibsi_id, aggregation))
            if row is not None and row["value"]:
                found[group, feature] = Consensus(float(row["value"]), float(row["tolerance"] or 0))
    return found


def measured(
    hu: npt.NDArray[np.float64],
    shape_mask: npt.NDArray[np.bool_],
    intensity_mask: npt.NDArray[np.bool_],
    levels: npt.NDArray[np.int64],
    spacing_mm: tuple[float, float, float],
) -> dict[tuple[str, str], float]:
    """Return the project's features; `levels` are those of the intensity mask's voxels, spacing
    along (x, y, z).
    """
    tight = intensity_mask[bounding_box(intensity_mask)]
    classes: dict[str, Mapping[str, float]] = {
        "shape": shape_features(shape_mask[bounding_box(shape_mask)], spacing_mm),
        "firstorder": first_order_features(hu[intensity_mask], levels, float(np.prod(spacing_mm))),
        **texture_features(texture_matrices(TextureRegion.of(tight), levels)),
    }
    classes["firstorder"] = {
        **classes["firstorder"],
        "Kurtosis": classes["firstorder"]["Kurtosis"] - 3,
    }  # the excess
    return {
        (group, name): value
        for group, features in classes.items()
        for name, value in features.items()
    }


def assert_agree(
    found: Mapping[tuple[str, str], float], wanted: Mapping[tuple[str, str], Consensus]
) -> None:
    """Demand IBSI's tolerance, and half a unit of the last of the three digits that IBSI gives."""
    off = {}
    for key, expected in wanted.items():
        digits = 0.5 * 10.0 ** (np.floor(np.log10(abs(expected.value) or 1)) - 2)
        if abs(found[key] - expected.value) > expected.tolerance + digits:
            off[key] = (found[key], expected.value, expected.tolerance)
    assert not off


def pat1(folder: Path) -> tuple[Any, Any]:
    """Return PAT1's CT and mask as SimpleITK images of float64."""
    ct = sorted((folder / "pat1" / "ct").glob("*.dcm"))
    study = load_study(read_study(ct, next((folder / "pat1" / "rtstruct").glob("*.dcm"))), "gtv.*")
    return study.volume.image_of(study.volume.hu.astype(np.float64)), study.volume.image_of(
        study.gtv_mask.astype(np.float64)
    )


def test_the_digital_phantom(real_data: Path) -> None:
    folder = real_data / "ibsi" / "digital_phantom" / "nifti"
    image = SimpleITK.ReadImage(str(folder / "image" / "phantom.nii.gz"))
    values = SimpleITK.GetArrayFromImage(image).astype(np.float64)
    mask = (
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / "mask" / "mask.nii.gz"))) > 0
    )
    wanted = consensus(real_data, "dig. phantom")
    assert len(wanted) == 99
    found = measured(values, mask, mask, values[mask].astype(np.int64), (2.0, 2.0, 2.0))
    voxels = int(mask.sum())
    for axis in ("MajorAxisLength", "MinorAxisLength", "LeastAxisLength"):
        found["shape", axis] *= np.sqrt(voxels / (voxels - 1))  # IBSI's covariance has n - 1
    assert_agree(found, wanted)


def test_a_lung_tumour_as_it_is(real_data: Path) -> None:
    image, label = pat1(real_data)
    hu, mask = SimpleITK.GetArrayFromImage(image), SimpleITK.GetArrayFromImage(label) > 0.5
    intensity = mask & (hu >= -500) & (hu <= 400)
    levels = np.floor((hu[intensity] + 500) / 25).astype(np.int64) + 1
    wanted = {
        key: value
        for key, value in consensus(real_data, "config. A").items()
        if key[0] in ("shape", "firstorder")
    }
    assert len(wanted) == 25
    assert_agree(measured(hu, mask, intensity, levels, image.GetSpacing()), wanted)


@pytest.mark.parametrize("configuration", ["C", "D"])
def test_a_lung_tumour_on_two_millimetres(real_data: Path, configuration: str) -> None:
    image, label = pat1(real_data)
    hu, mask = np.round(on_aligned_grid(image, 2.0)), on_aligned_grid(label, 2.0) >= 0.5
    if configuration == "C":
        intensity = mask & (hu >= -1000) & (hu <= 400)
        levels = np.floor((hu[intensity] + 1000) / 25).astype(np.int64) + 1
    else:
        intensity = mask & (np.abs(hu - hu[mask].mean()) <= 3 * hu[mask].std())
        low, high = hu[intensity].min(), hu[intensity].max()
        levels = np.minimum(
            np.floor(32 * (hu[intensity] - low) / (high - low)).astype(np.int64) + 1, 32
        )
    wanted = consensus(real_data, f"config. {configuration}")
    assert len(wanted) == 96
    assert_agree(measured(hu, mask, intensity, levels, (2.0, 2.0, 2.0)), wanted)
