"""What the result is without the patients whom the model does not know, beside that of all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.wording import counted
from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.calibration import CalibrationSlope, calibration_slope
from validation_reports.statistics.discrimination import Concordance, harrell_c
from validation_reports.statistics.hazard_calibration import HazardScaleRatio, hazard_scale_ratio

WITHIN_RANGE_METHOD = (
    "joint distances from the training patients in radiomics and in deep features, beyond the 1% "
    "rank of patients who were left out of what they are compared with; everything else includes "
    "all patients"
)
RANGE_UNKNOWN = NotEstimable(
    "Which patients the model knows is not known: its bundle was frozen by an earlier release, or "
    "features of these patients are not in the feature store."
)


@dataclass(frozen=True)
class WithinRange:
    """The main figures of the patients within the range of the training patients.

    Parameters
    ----------
    n_outside : int
        Patients outside the range, who are left out here and nowhere else.
    n, n_events : int
        Patients within, and deaths among them.
    concordance : Concordance or NotEstimable
        Harrell's C.
    slope : CalibrationSlope or NotEstimable
        Of the linear predictor.
    hazard : HazardScaleRatio or NotEstimable
        Observed over expected deaths on the hazard scale.
    method : str
        How the range was found.
    """

    n_outside: int
    n: int
    n_events: int
    concordance: Concordance | NotEstimable
    slope: CalibrationSlope | NotEstimable
    hazard: HazardScaleRatio | NotEstimable
    method: str = WITHIN_RANGE_METHOD


def within_range(
    survival: Survival,
    linear_predictor: NDArray[np.float64],
    in_range: NDArray[np.bool_] | None,
    baseline: BaselineHazard | None = None,
    confidence: float = 0.95,
) -> WithinRange | NotEstimable:
    """Compute the main figures without the patients outside the range.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor : ndarray, shape (n,)
        The frozen model's linear predictor.
    in_range : ndarray of bool, shape (n,), or None
        Whom the model knows; `None` where that is not known.
    baseline : BaselineHazard, optional
        The frozen model's baseline hazard.
    confidence : float
        Of all intervals.
    """
    if in_range is None:
        return RANGE_UNKNOWN
    inside = np.flatnonzero(in_range)
    if not inside.size:
        return NotEstimable(
            f"None of {counted(survival.n, 'patient')} is within the range of the patients that "
            "trained the model: it knows no such patients."
        )
    known, score = survival.subset(inside), linear_predictor[inside]
    return WithinRange(
        n_outside=survival.n - known.n,
        n=known.n,
        n_events=known.n_events,
        concordance=harrell_c(known, score, confidence),
        slope=calibration_slope(known, score, confidence),
        hazard=hazard_scale_ratio(known, score, baseline, confidence),
    )
