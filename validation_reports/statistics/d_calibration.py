"""D-calibration: are the predicted survival probabilities at the time of death spread evenly over
0-1.

References
----------
.. [1] Haider H, Hoehn B, Davis S, Greiner R. J Mach Learn Res 2020;21:1-63.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, too_few_events

BINS = 10
D_CALIBRATION_METHOD = (
    "D-calibration, 10 bins, chi-square with 9 df; censored patients are spread over lower bins"
)


@dataclass(frozen=True)
class DistributionCalibration:
    """D-calibration: patients by predicted survival at their time (lowest bin first), chi-square
    and p value.
    """

    bins: tuple[float, ...]
    chi_square: float
    p_value: float
    method: str = D_CALIBRATION_METHOD


def d_calibration(
    survival: Survival, linear_predictor: ArrayLike, baseline: BaselineHazard | None
) -> DistributionCalibration | NotEstimable:
    """Test whether predicted survival at the time of death is uniform [1]_.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor : array_like, shape (n,)
        The frozen model's linear predictor.
    baseline : BaselineHazard or None
        The frozen model's baseline hazard; beyond its last day it is carried on flat.
    """
    if baseline is None:
        return NotEstimable(
            "D-calibration is not tested: the frozen baseline hazard was not given."
        )
    if refusal := too_few_events("D-calibration", survival.n_events, survival.n):
        return refusal
    predicted = np.exp(-baseline.hazard_until(survival.days, linear_predictor))
    lower = np.arange(BINS) / BINS
    own = np.minimum((predicted * BINS).astype(np.intp), BINS - 1)
    bins = np.bincount(own[survival.event], minlength=BINS).astype(np.float64)
    for value, place in zip(predicted[~survival.event], own[~survival.event], strict=True):
        if value > 0:
            bins[place] += (value - lower[place]) / value
            bins[:place] += 1.0 / (BINS * value)
        else:
            bins[0] += 1.0
    expected = survival.n / BINS
    chi_square = float(((bins - expected) ** 2).sum() / expected)
    return DistributionCalibration(
        tuple(float(count) for count in bins), chi_square, float(chdtrc(BINS - 1, chi_square))
    )
