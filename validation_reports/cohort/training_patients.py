"""What is known of the patients that trained the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrainingPatients:
    """What is known of the patients that trained the model.

    Parameters
    ----------
    center : str
        The training centre.
    linear_predictor : ndarray, shape (m,)
        Their scores by the frozen model.
    covariates : DataFrame, shape (m, any)
        Columns ``age``, ``sex``, ``histology``, ``stage``.
    features : DataFrame, shape (m, p)
        The features that the model reads.
    acquisitions : DataFrame or None, shape (m, any)
        How they were scanned, as of `ScoredCohort`.
    """

    center: str
    linear_predictor: Array
    covariates: pd.DataFrame
    features: pd.DataFrame
    acquisitions: pd.DataFrame | None = None
