"""Between which values a feature lies by its definition, whatever the image.

Only what the definitions of PyRadiomics force: shares and correlations lie between their ends, sums
of squares and entropies are not negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES

_SLACK = 1e-6
"""Rounding, as a share of the end that is passed."""
_INFINITE = float("inf")
_SHARE, _NOT_NEGATIVE = (0.0, 1.0), (0.0, _INFINITE)
_ENDS: Mapping[tuple[str, str], tuple[float, float]] = MappingProxyType(
    {
        **{
            ("shape", name): _NOT_NEGATIVE
            for name in (
                "LeastAxisLength",
                "MajorAxisLength",
                "Maximum2DDiameterColumn",
                "Maximum2DDiameterRow",
                "Maximum2DDiameterSlice",
                "Maximum3DDiameter",
                "MeshVolume",
                "MinorAxisLength",
                "SurfaceArea",
                "SurfaceVolumeRatio",
                "VoxelVolume",
            )
        },
        **{("shape", name): _SHARE for name in ("Elongation", "Flatness")},
        **{
            ("firstorder", name): _NOT_NEGATIVE
            for name in (
                "Energy",
                "Entropy",
                "InterquartileRange",
                "Kurtosis",
                "MeanAbsoluteDeviation",
                "Range",
                "RobustMeanAbsoluteDeviation",
                "RootMeanSquared",
                "TotalEnergy",
                "Variance",
            )
        },
        ("firstorder", "Uniformity"): _SHARE,
        ("glcm", "Correlation"): (-1.0, 1.0),
        ("glcm", "Imc1"): (-1.0, 1.0),
        **{
            ("glcm", name): _SHARE
            for name in (
                "Id",
                "Idm",
                "Idmn",
                "Idn",
                "Imc2",
                "InverseVariance",
                "JointEnergy",
                "MCC",
                "MaximumProbability",
            )
        },
        **{
            ("glcm", name): _NOT_NEGATIVE
            for name in (
                "ClusterProminence",
                "ClusterTendency",
                "Contrast",
                "DifferenceAverage",
                "DifferenceEntropy",
                "DifferenceVariance",
                "JointEntropy",
                "SumEntropy",
                "SumSquares",
            )
        },
        **{
            (matrix, name): _SHARE
            for matrix, names in (
                ("glrlm", ("GrayLevelNonUniformityNormalized", "RunPercentage")),
                ("glrlm", ("RunLengthNonUniformityNormalized", "ShortRunEmphasis")),
                ("glszm", ("GrayLevelNonUniformityNormalized", "ZonePercentage")),
                ("glszm", ("SizeZoneNonUniformityNormalized", "SmallAreaEmphasis")),
                ("gldm", ("DependenceNonUniformityNormalized", "SmallDependenceEmphasis")),
            )
            for name in names
        },
        **{
            (matrix, name): _NOT_NEGATIVE
            for matrix, names in (
                ("glrlm", ("GrayLevelVariance", "RunEntropy", "RunVariance")),
                ("glszm", ("GrayLevelVariance", "ZoneEntropy", "ZoneVariance")),
                ("gldm", ("DependenceEntropy", "DependenceVariance", "GrayLevelVariance")),
                ("ngtdm", ("Coarseness", "Complexity", "Contrast", "Strength")),
            )
            for name in names
        },
    }
)
"""By class and name of a feature."""


def possible_values(name: str) -> tuple[float, float]:
    """Return the least and the greatest value that a feature can have, by PyRadiomics' name of it,
    such as ``original_glcm_Correlation``.
    """
    _, group, feature = name.rsplit("_", 2)
    return _ENDS.get((group, feature), (-_INFINITE, _INFINITE))


def impossible_features(vector: FeatureVector) -> tuple[str, ...]:
    """Return the features of a region whose value their definition excludes, the region before a
    colon.
    """
    values = vector.values
    beyond = (values < _LEAST - _SLACK) | (values > _MOST + _SLACK)
    return tuple(f"{vector.region}:{FEATURE_NAMES[place]}" for place in np.flatnonzero(beyond))


_LEAST, _MOST = np.array([possible_values(name) for name in FEATURE_NAMES]).T
