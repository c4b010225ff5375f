"""How features are extracted, and which they are.

Every vector carries the digest of its settings, so that a model never scores features that were
made in another way.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

ENGINE = "pyradiomics 3.0.1"
"""The definitions that the values follow; another definition would be another engine, with another
digest.
"""


RING_TISSUES = ("all", "body", "lung")
NORMALIZE_OVER = ("image", "body")
OVERLAPPING_CONTOURS = ("refuse", "union")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FEATURES_BY_CLASS: dict[str, tuple[str, ...]] = {
    "shape": _names(
        "Elongation Flatness LeastAxisLength MajorAxisLength Maximum2DDiameterColumn "
        "Maximum2DDiameterRow Maximum2DDiameterSlice Maximum3DDiameter MeshVolume MinorAxisLength "
        "Sphericity SurfaceArea SurfaceVolumeRatio VoxelVolume"
    ),
    "firstorder": _names(
        "10Percentile 90Percentile Energy Entropy InterquartileRange Kurtosis Maximum "
        "MeanAbsoluteDeviation Mean Median Minimum Range RobustMeanAbsoluteDeviation "
        "RootMeanSquared Skewness TotalEnergy Uniformity Variance"
    ),
    "glcm": _names(
        "Autocorrelation ClusterProminence ClusterShade ClusterTendency Contrast Correlation "
        "DifferenceAverage DifferenceEntropy DifferenceVariance Id Idm Idmn Idn Imc1 Imc2 "
        "InverseVariance JointAverage JointEnergy JointEntropy MCC MaximumProbability SumAverage "
        "SumEntropy SumSquares"
    ),
    "gldm": _names(
        "DependenceEntropy DependenceNonUniformity DependenceNonUniformityNormalized "
        "DependenceVariance GrayLevelNonUniformity GrayLevelVariance HighGrayLevelEmphasis "
        "LargeDependenceEmphasis LargeDependenceHighGrayLevelEmphasis "
        "LargeDependenceLowGrayLevelEmphasis LowGrayLevelEmphasis SmallDependenceEmphasis "
        "SmallDependenceHighGrayLevelEmphasis SmallDependenceLowGrayLevelEmphasis"
    ),
    "glrlm": _names(
        "GrayLevelNonUniformity GrayLevelNonUniformityNormalized GrayLevelVariance "
        "HighGrayLevelRunEmphasis LongRunEmphasis LongRunHighGrayLevelEmphasis "
        "LongRunLowGrayLevelEmphasis LowGrayLevelRunEmphasis RunEntropy RunLengthNonUniformity "
        "RunLengthNonUniformityNormalized RunPercentage RunVariance ShortRunEmphasis "
        "ShortRunHighGrayLevelEmphasis ShortRunLowGrayLevelEmphasis"
    ),
    "glszm": _names(
        "GrayLevelNonUniformity GrayLevelNonUniformityNormalized GrayLevelVariance "
        "HighGrayLevelZoneEmphasis LargeAreaEmphasis LargeAreaHighGrayLevelEmphasis "
        "LargeAreaLowGrayLevelEmphasis LowGrayLevelZoneEmphasis SizeZoneNonUniformity "
        "SizeZoneNonUniformityNormalized SmallAreaEmphasis SmallAreaHighGrayLevelEmphasis "
        "SmallAreaLowGrayLevelEmphasis ZoneEntropy ZonePercentage ZoneVariance"
    ),
    "ngtdm": ("Busyness", "Coarseness", "Complexity", "Contrast", "Strength"),
}
"""Feature names of each PyRadiomics class, in its order."""

WAVELET_BANDS = ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")
"""Sub-bands of a level-1 stationary wavelet transform, filtered along x, y, z, in PyRadiomics'
order.
"""
LOG_SIGMAS_MM = (1.0, 2.0, 3.0, 4.0, 5.0)
"""Widths of the Laplacians of Gaussian (paper, radiomics)."""

IMAGE_NAMES: tuple[str, ...] = (
    "original",
    *(f"wavelet-{band}" for band in WAVELET_BANDS),
    *(f"log-sigma-{sigma}-mm-3D".replace(".", "-") for sigma in LOG_SIGMAS_MM),
)
"""PyRadiomics' names of the original and the 13 filtered images, in its order."""

FEATURE_NAMES: tuple[str, ...] = (
    *(f"original_shape_{feature}" for feature in FEATURES_BY_CLASS["shape"]),
    *(
        f"{image}_{group}_{feature}"
        for image in IMAGE_NAMES
        for group, features in FEATURES_BY_CLASS.items()
        if group != "shape"
        for feature in features
    ),
)
"""PyRadiomics' names of the 1316 features: 14 of shape first, then 93 of each image, class by
class.
"""


@dataclass(frozen=True)
class ExtractionSettings:
    """Everything that decides the value of a feature.

    Parameters
    ----------
    bin_width : float
        Width of a grey-level bin, in units of the normalised image.
    normalize : bool
        Whether the image is centred at its mean and divided by its standard deviation.
    normalize_scale : float
        Factor after normalisation. With 1 and a bin width of 25 every image has two grey levels;
        with 100 about 16.
    spacing_mm : float
        Voxel edge of the harmonised image in mm.
    log_sigmas_mm : tuple of float
        Widths of the Laplacian of Gaussian in mm.
    wavelet : str
        Wavelet of the level-1 stationary transform.
    engine : str
        Whose definitions the values follow.
    ring_tissue : str
        What rings hold: ``"all"`` (the paper's), what lies in the ``"body"``, or its ``"lung"``.
    hu_floor : float
        Padding and every value below count as this, in HU.
    overlapping_contours : str
        What becomes of contours of one slice that overlap in part: ``"refuse"`` the study, or take
        their ``"union"``.
    normalize_over : str
        Whose mean and standard deviation the normalisation takes: those of the whole ``"image"``
        (the paper's), or of the ``"body"``, which depend less on the field of view.

    Raises
    ------
    ValueError
        If a value is outside its range.
    """

    bin_width: float = 25.0
    normalize: bool = True
    normalize_scale: float = 100.0
    spacing_mm: float = 1.0
    log_sigmas_mm: tuple[float, ...] = LOG_SIGMAS_MM
    wavelet: str = "coif1"
    engine: str = ENGINE
    ring_tissue: str = "all"
    hu_floor: float = -1000.0
    overlapping_contours: str = "refuse"
    normalize_over: str = "image"

    def __post_init__(self) -> None:
        for name in ("bin_width", "normalize_scale", "spacing_mm"):
            value = getattr(self, name)
            object.__setattr__(self, name, float(value))
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}: use a finite number above 0.")
        object.__setattr__(
            self, "log_sigmas_mm", tuple(float(sigma) for sigma in self.log_sigmas_mm)
        )
        if self.log_sigmas_mm != LOG_SIGMAS_MM:
            raise ValueError(
                f"log_sigmas_mm is {self.log_sigmas_mm}: the 1316 features have 1, 2, 3, 4 and 5 "
                "mm."
            )
        if self.wavelet != "coif1":
            raise ValueError(f"wavelet is {self.wavelet!r}: the 1316 features have 'coif1'.")
        for name, known in (
            ("ring_tissue", RING_TISSUES),
            ("normalize_over", NORMALIZE_OVER),
            ("overlapping_contours", OVERLAPPING_CONTOURS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}: use {', '.join(map(repr, known))}."
                )
        object.__setattr__(self, "hu_floor", float(self.hu_floor))
        if not -1100 <= self.hu_floor <= -900:
            raise ValueError(f"hu_floor is {self.hu_floor:g}: use air's value, -1100 to -900 HU.")
        if self.engine != ENGINE:
            raise ValueError(f"engine is {self.engine!r}: this version follows {ENGINE!r}.")

    def to_json(self) -> str:
        """Return the settings as canonical JSON: sorted keys, no blanks."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ExtractionSettings:
        """Read settings that `to_json` wrote; `ValueError` if a key is unknown or missing, or a
        value is not usable.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or values.keys() != cls.__dataclass_fields__.keys():
            found = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise ValueError(
                f"Extraction settings have {found}: expected {sorted(cls.__dataclass_fields__)}."
            )
        try:
            return cls(**{**values, "log_sigmas_mm": tuple(values["log_sigmas_mm"])})
        except TypeError as error:
            raise ValueError(
                f"Extraction settings have a value of the wrong type: {error}"
            ) from error

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, lowercase hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()
