"""The features of one region: all 1316 of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.errors import ExtractionError
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.wording import counted


@dataclass(frozen=True, eq=False)
class FeatureVector:
    """The features of one region, in the order of `FEATURE_NAMES`.

    Parameters
    ----------
    region : Region
        Where they were measured.
    values : ndarray of float64, shape (1316,)
        Finite values; read-only.
    settings_digest : str
        Digest of the `ExtractionSettings` that they were made with.

    Raises
    ------
    ExtractionError
        If a value is missing or not finite.
    """

    region: Region
    values: npt.NDArray[np.float64]
    settings_digest: str

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        if values.shape != (len(FEATURE_NAMES),):
            raise ExtractionError(
                "feature-count",
                f"Region {self.region} has features of shape {values.shape}: expected "
                f"({len(FEATURE_NAMES)},).",
            )
        require_finite(self.region, dict(zip(FEATURE_NAMES, values.tolist(), strict=True)))
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    def as_dict(self) -> dict[str, float]:
        """Return the values by PyRadiomics' names."""
        return dict(zip(FEATURE_NAMES, self.values.tolist(), strict=True))


def require_finite(region: Region, features: Mapping[str, float]) -> None:
    """Refuse a region of which a feature has no finite value.

    Parameters
    ----------
    region : Region
        What it is called in the sentence.
    features : mapping of str to float
        By PyRadiomics' names.

    Raises
    ------
    ExtractionError
        If there is one.
    """
    lacking = [name for name, value in features.items() if not np.isfinite(value)]
    if lacking:
        raise ExtractionError(
            "undefined-features",
            f"{len(lacking)} of {counted(len(features), 'feature')} of region {region} "
            f"{'has' if len(lacking) == 1 else 'have'} no finite value (such as "
            f"{', '.join(lacking[:3])}): it is too small, too thin or too uniform for texture. "
            "Check the contour.",
        )
