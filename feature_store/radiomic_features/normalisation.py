"""How the values of a CT are normalised before they are filtered, in ITK's order of operations, so
that they are the same to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.imaging.harmonize import HarmonizedCt
from feature_store.radiomic_features.settings import ExtractionSettings


class Normalisation(NamedTuple):
    """Values less `mean`, times `per_sd`, times `scale`."""

    mean: float = 0.0
    per_sd: float = 1.0
    scale: float = 1.0

    @classmethod
    def of(cls, ct: HarmonizedCt, settings: ExtractionSettings) -> Normalisation:
        """Return what the settings ask for; the default values change nothing."""
        if not settings.normalize:
            return cls()
        return cls(ct.mean_hu, 1.0 / ct.sd_hu, settings.normalize_scale)

    def of_values(self, hu: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return normalised values, C-contiguous."""
        values = np.empty(hu.shape)
        _normalise(np.ascontiguousarray(hu).reshape(-1), *self, values.reshape(-1))
        return values


UNCHANGED = Normalisation()


@compiled
def _normalise(
    hu: npt.NDArray[np.float32],
    mean: float,
    per_sd: float,
    scale: float,
    values: npt.NDArray[np.float64],
) -> None:
    for i in range(len(hu)):
        values[i] = (np.float64(hu[i]) - mean) * per_sd * scale
