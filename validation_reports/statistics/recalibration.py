"""What the model could do here after recalibration: always apart from the frozen model's own
performance.

References
----------
.. [1] van Houwelingen HC. Stat Med 2000;19:3401-3415 (validation by calibration).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.survival.baseline_hazard import baseline_cumulative_hazard
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.brier_score import BrierScore, brier_score
from validation_reports.statistics.calibration import (
    CalibrationSlope,
    HorizonCalibration,
    SmoothCalibration,
    calibrate_at,
)

RECALIBRATION_METHOD = (
    "slope and baseline hazard re-estimated in these very patients, so optimistic; the frozen "
    "model is unchanged"
)


@dataclass(frozen=True)
class RecalibratedHorizon:
    """After recalibration, by horizon in days: mean predicted risk, ICI and Brier score."""

    days: int
    predicted: float
    ici: float | NotEstimable
    brier: BrierScore | NotEstimable


@dataclass(frozen=True)
class Recalibration:
    """The factor on the linear predictor, and what it and a new baseline hazard would give at each
    horizon.
    """

    slope: float
    horizons: tuple[RecalibratedHorizon, ...]
    method: str = RECALIBRATION_METHOD


def recalibrate(
    survival: Survival,
    linear_predictor: ArrayLike,
    slope: CalibrationSlope | NotEstimable,
    horizons: tuple[int, ...],
    confidence: float = 0.95,
) -> Recalibration | NotEstimable:
    """Re-estimate slope and baseline hazard, and say how the predictions would then do [1]_.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor : array_like, shape (n,)
        The frozen model's linear predictor.
    slope : CalibrationSlope or NotEstimable
        From `calibration_slope`.
    horizons : tuple of int
        Days.
    confidence : float
        Of the intervals.
    """
    if isinstance(slope, NotEstimable):
        return NotEstimable(
            "Recalibration is not possible: the calibration slope is not estimable."
        )
    lp = slope.estimate * np.asarray(linear_predictor, dtype=np.float64)
    baseline = baseline_cumulative_hazard(lp - lp.mean(), survival)
    found = []
    for days in (day for day in horizons if day <= baseline.last_day):
        alive = baseline.survival(days, lp - lp.mean())
        risk = 1.0 - alive
        at_horizon = calibrate_at(survival, alive, days, confidence)
        smooth = at_horizon.smooth if isinstance(at_horizon, HorizonCalibration) else at_horizon
        found.append(
            RecalibratedHorizon(
                days,
                float(risk.mean()),
                smooth.ici if isinstance(smooth, SmoothCalibration) else smooth,
                brier_score(survival, risk, days, confidence),
            )
        )
    return Recalibration(slope.estimate, tuple(found))
