"""What the model could do here after recalibration: always apart from the frozen model's own
performance.

References
----------
.. [1] van Houwelingen HC. Stat Med 2000;19:3401-3415 (validation by calibration).
.. [2] Simon RM, Subramanian J, Li MC, Menezes S. Brief Bioinform 2011;12:203-214 (cross-validated
    survival predictions, pooled).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.survival.baseline_hazard import baseline_cumulative_hazard
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.brier_score import BrierScore, brier_score
from validation_reports.statistics.calibration import (
    CalibrationSlope,
    HorizonCalibration,
    calibrate_at,
)
from validation_reports.statistics.one_covariate_cox import single_cox
from validation_reports.statistics.smooth_calibration import SmoothCalibration

PARTS = 10

RECALIBRATION_METHOD = (
    "slope and baseline hazard re-estimated in all patients but a tenth, and tried on that tenth, "
    "ten times (cross-validation); the frozen model is unchanged"
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
    """The factor on the linear predictor in all patients, and what such a factor and a new baseline
    hazard give at each horizon in patients whom they were not estimated from.
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
    """Re-estimate slope and baseline hazard [1]_, and say how the predictions then do in patients
    whom they were not estimated from [2]_.

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
    score = np.asarray(linear_predictor, dtype=np.float64)
    reached = tuple(day for day in horizons if day <= survival.days.max())
    predicted = _cross_validated(survival, score, reached)
    if predicted is None:
        return NotEstimable(
            "Recalibration is not tried: without a tenth of the patients the others do not "
            "determine the slope."
        )
    found = []
    for days, alive in zip(reached, predicted.T, strict=True):
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


def _cross_validated(
    survival: Survival, score: NDArray[np.float64], horizons: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """Return each patient's survival at each horizon, shape (n, horizons), by slope and baseline of
    the patients of the other parts; `None` where those do not determine a slope.

    The parts take turns in the order of event and time, so each is like the whole, and nothing is
    drawn.
    """
    parts = np.empty(survival.n, dtype=np.intp)
    parts[np.lexsort((score, survival.days, survival.event))] = np.arange(survival.n) % PARTS
    predicted = np.empty((survival.n, len(horizons)))
    for part in np.unique(parts):
        out = parts == part
        if out.all() or not survival.event[~out].any() or np.ptp(score[~out]) == 0:
            return None
        rest = survival.subset(~out)
        slope = single_cox(score[~out], rest)
        if slope is None:
            return None
        mean = score[~out].mean()
        baseline = baseline_cumulative_hazard(slope.estimate * (score[~out] - mean), rest)
        within = np.minimum(np.array(horizons, dtype=np.float64), baseline.last_day)
        predicted[out] = baseline.survival(within, slope.estimate * (score[out] - mean))
    return predicted
