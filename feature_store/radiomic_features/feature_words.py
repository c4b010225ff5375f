"""Feature columns in words: what is measured, where, and what a larger value means.

The definitions are those of PyRadiomics, which are IBSI's but for those that its documentation
names [1]_ [2]_.

References
----------
.. [1] Zwanenburg A et al. The Image Biomarker Standardization Initiative. Radiology
    2020;295:328-338.
.. [2] van Griethuysen JJM et al. Computational radiomics system to decode the radiographic
    phenotype. Cancer Res 2017;77:e104-e107.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureWords:
    """A feature in words.

    Parameters
    ----------
    name : str
        Where, of which image and which feature.
    meaning : str
        What a larger value means.
    """

    name: str
    meaning: str


def in_words(column: str) -> FeatureWords:
    """Return a feature column in words.

    Parameters
    ----------
    column : str
        ``<region>:<image>_<class>_<feature>``, or ``deep:<number>``; any other is its own name.
    """
    region, _, feature = column.partition(":")
    if region == "deep":
        return FeatureWords(
            f"Deep feature {int(feature) if feature.isdigit() else feature}",
            "an output of the network on the image of the GTV, without a meaning of its own",
        )
    image, _, rest = feature.partition("_")
    family, _, name = rest.partition("_")
    if family not in _FAMILIES:
        return FeatureWords(column, "a feature of which nothing is known here")
    where = _regions(region)
    parts = [f"{where}: {_spaced(name)}", _FAMILIES[family], _image(image)]
    meaning = _MEANINGS[family].get(name, "as PyRadiomics defines it")
    return FeatureWords(", ".join(part for part in parts if part), meaning)


def _regions(region: str) -> str:
    ring = re.fullmatch(r"ring_(\d+)mm", region)
    return f"{ring[1]} mm ring" if ring else region.upper()


def _image(image: str) -> str:
    if image == "original":
        return ""
    sigma = re.fullmatch(r"log-sigma-(\d+)-(\d+)-mm-3D", image)
    if sigma:
        millimetres = sigma[1] if sigma[2] == "0" else f"{sigma[1]}.{sigma[2]}"
        return f"edges of {millimetres} mm (LoG)"
    return image.replace("-", " ", 1)


def _spaced(name: str) -> str:
    """Write a name in words: ``GrayLevelVariance`` as *gray level variance*."""
    if name in _NAMES:
        return _NAMES[name]
    words = re.findall(r"[A-Z]?[a-z]+|\d+[A-Z](?![a-z])|\d+|[A-Z]+(?![a-z])", name)
    return " ".join(words).lower().replace("2d ", "2D ").replace("3d ", "3D ")


_NAMES = {
    "10Percentile": "10th percentile",
    "90Percentile": "90th percentile",
    "Id": "inverse difference",
    "Idm": "inverse difference moment",
    "Idn": "inverse difference, normalized",
    "Idmn": "inverse difference moment, normalized",
    "Imc1": "information measure of correlation 1",
    "Imc2": "information measure of correlation 2",
    "MCC": "maximal correlation coefficient",
}

_FAMILIES = {
    "shape": "shape",
    "firstorder": "density",
    "glcm": "neighbours (GLCM)",
    "glrlm": "runs (GLRLM)",
    "glszm": "zones (GLSZM)",
    "gldm": "dependence (GLDM)",
    "ngtdm": "neighbourhood (NGTDM)",
}

_LOW, _HIGH = "low values", "high values"
_UNEVEN = "the values are spread less evenly over the grey levels"

_MEANINGS: Mapping[str, Mapping[str, str]] = {
    "shape": {
        "Elongation": "as wide as it is long",
        "Flatness": "as thick as it is long",
        "LeastAxisLength": "thicker",
        "MajorAxisLength": "longer",
        "Maximum2DDiameterColumn": "a larger diameter in a sagittal plane",
        "Maximum2DDiameterRow": "a larger diameter in a coronal plane",
        "Maximum2DDiameterSlice": "a larger diameter in an axial plane",
        "Maximum3DDiameter": "a larger diameter in any direction",
        "MeshVolume": "a larger volume",
        "MinorAxisLength": "wider",
        "Sphericity": "rounder",
        "SurfaceArea": "more surface",
        "SurfaceVolumeRatio": "more surface for its volume: smaller or less round",
        "VoxelVolume": "a larger volume",
    },
    "firstorder": {
        "10Percentile": "the low values are higher",
        "90Percentile": "the high values are higher",
        "Energy": "larger, or with values further from zero",
        "Entropy": "more different values",
        "InterquartileRange": "the middle half of the values is wider apart",
        "Kurtosis": "more values far from the mean",
        "Maximum": "a higher highest value",
        "MeanAbsoluteDeviation": "values further from the mean",
        "Mean": "denser on average",
        "Median": "denser in the middle",
        "Minimum": "a higher lowest value",
        "Range": "the lowest and the highest value lie further apart",
        "RobustMeanAbsoluteDeviation": "values further from the mean, without the extremes",
        "RootMeanSquared": "values further from zero",
        "Skewness": "a longer tail of high values",
        "TotalEnergy": "larger, or with values further from zero",
        "Uniformity": "fewer different values",
        "Variance": "values further from the mean",
    },
    "glcm": {
        "Autocorrelation": "high values beside each other",
        "ClusterProminence": "clusters of unusual values",
        "ClusterShade": "clusters of unusual values on the high side",
        "ClusterTendency": "clusters of like values",
        "Contrast": "neighbours differ more",
        "Correlation": "neighbours follow each other",
        "DifferenceAverage": "neighbours differ more",
        "DifferenceEntropy": "neighbours differ in more ways",
        "DifferenceVariance": "neighbours differ more unevenly",
        "Id": "neighbours are more alike",
        "Idm": "neighbours are more alike",
        "Idmn": "neighbours are more alike",
        "Idn": "neighbours are more alike",
        "Imc1": "neighbours tell less of each other",
        "Imc2": "neighbours tell more of each other",
        "InverseVariance": "neighbours differ by little",
        "JointAverage": "denser on average",
        "JointEnergy": "fewer kinds of neighbours",
        "JointEntropy": "more kinds of neighbours",
        "MCC": "a more complex texture",
        "MaximumProbability": "one kind of neighbours prevails",
        "SumAverage": "denser on average",
        "SumEntropy": "more different sums of neighbours",
        "SumSquares": "values further from the mean",
    },
    "glrlm": {
        "GrayLevelNonUniformity": _UNEVEN,
        "GrayLevelNonUniformityNormalized": _UNEVEN,
        "GrayLevelVariance": "runs of more different values",
        "HighGrayLevelRunEmphasis": f"more runs of {_HIGH}",
        "LongRunEmphasis": "longer runs: a coarser texture",
        "LongRunHighGrayLevelEmphasis": f"longer runs of {_HIGH}",
        "LongRunLowGrayLevelEmphasis": f"longer runs of {_LOW}",
        "LowGrayLevelRunEmphasis": f"more runs of {_LOW}",
        "RunEntropy": "more kinds of runs",
        "RunLengthNonUniformity": "runs of more different lengths",
        "RunLengthNonUniformityNormalized": "runs of less different lengths",
        "RunPercentage": "shorter runs: a finer texture",
        "RunVariance": "runs of more different lengths",
        "ShortRunEmphasis": "shorter runs: a finer texture",
        "ShortRunHighGrayLevelEmphasis": f"short runs of {_HIGH}",
        "ShortRunLowGrayLevelEmphasis": f"short runs of {_LOW}",
    },
    "glszm": {
        "GrayLevelNonUniformity": _UNEVEN,
        "GrayLevelNonUniformityNormalized": _UNEVEN,
        "GrayLevelVariance": "zones of more different values",
        "HighGrayLevelZoneEmphasis": f"more zones of {_HIGH}",
        "LargeAreaEmphasis": "larger zones: a coarser texture",
        "LargeAreaHighGrayLevelEmphasis": f"larger zones of {_HIGH}",
        "LargeAreaLowGrayLevelEmphasis": f"larger zones of {_LOW}",
        "LowGrayLevelZoneEmphasis": f"more zones of {_LOW}",
        "SizeZoneNonUniformity": "zones of more different sizes",
        "SizeZoneNonUniformityNormalized": "zones of less different sizes",
        "SmallAreaEmphasis": "smaller zones: a finer texture",
        "SmallAreaHighGrayLevelEmphasis": f"small zones of {_HIGH}",
        "SmallAreaLowGrayLevelEmphasis": f"small zones of {_LOW}",
        "ZoneEntropy": "more kinds of zones",
        "ZonePercentage": "more zones: a finer texture",
        "ZoneVariance": "zones of more different sizes",
    },
    "gldm": {
        "DependenceEntropy": "more kinds of dependence",
        "DependenceNonUniformity": "dependence of more different sizes",
        "DependenceNonUniformityNormalized": "dependence of less different sizes",
        "DependenceVariance": "dependence of more different sizes",
        "GrayLevelNonUniformity": _UNEVEN,
        "GrayLevelVariance": "more different values",
        "HighGrayLevelEmphasis": f"more {_HIGH}",
        "LargeDependenceEmphasis": "more like neighbours: a more even texture",
        "LargeDependenceHighGrayLevelEmphasis": f"like neighbours of {_HIGH}",
        "LargeDependenceLowGrayLevelEmphasis": f"like neighbours of {_LOW}",
        "LowGrayLevelEmphasis": f"more {_LOW}",
        "SmallDependenceEmphasis": "fewer like neighbours: a less even texture",
        "SmallDependenceHighGrayLevelEmphasis": f"unlike neighbours of {_HIGH}",
        "SmallDependenceLowGrayLevelEmphasis": f"unlike neighbours of {_LOW}",
    },
    "ngtdm": {
        "Busyness": "quick changes from voxel to voxel",
        "Coarseness": "slow changes: an even texture",
        "Complexity": "many quick changes of the values",
        "Contrast": "values that differ much over short distances",
        "Strength": "a clear texture of large differences",
    },
}
