"""The features of one region: all 1316 of them, or none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.errors import ExtractionError
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.settings import FEATURE_NAMES


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
        lacking = np.flatnonzero(~np.isfinite(values))
        if lacking.size:
            examples = ", ".join(FEATURE_NAMES[index] for index in lacking[:3])
            raise ExtractionError(
                "undefined-features",
                f"{lacking.size} of {len(FEATURE_NAMES)} features of region {self.region} have no "
                f"finite value (such as {examples}): it is too small, too thin or too uniform for "
                "texture. Check the contour.",
            )
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    def as_dict(self) -> dict[str, float]:
        """Return the values by PyRadiomics' names."""
        return dict(zip(FEATURE_NAMES, self.values.tolist(), strict=True))
