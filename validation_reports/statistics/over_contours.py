"""How far the main figures move when every patient's contour is one that another reader might have
drawn, and how many patients' risk group is uncertain.

Contour number k of all patients makes one cohort of other contours; the figures are computed in
each. Their spread says what a change of readers does to the figures of these same patients. It says
nothing of other patients: that is what the intervals of the figures themselves are for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.combined.certainty import PERCENTILES, UNCERTAIN_FROM
from models.survival.baseline_hazard import BaselineHazard
from models.survival.risk_sets import Array
from models.survival.survival_data import Survival
from validation_reports.cohort.contour_cohort import ContourCohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.calibration import CalibrationSlope, calibration_slope
from validation_reports.statistics.discrimination import Concordance, harrell_c
from validation_reports.statistics.hazard_calibration import HazardScaleRatio, hazard_scale_ratio

OVER_CONTOURS_METHOD = (
    "every patient scored again over contours whose surface is moved by a smooth random field; "
    "10th to 90th percentile of the figures over them; a risk group is uncertain where "
    f"{UNCERTAIN_FROM:.0%} of a patient's contours or more fall into the other one"
)
CONTOURS_UNKNOWN = NotEstimable(
    "How far the scores move with other contours is not known: they were not computed for these "
    "patients, or by an earlier release."
)


@dataclass(frozen=True)
class FigureOverContours:
    """One figure: of the drawn contours, and its 10th and 90th percentile over the others."""

    drawn: float
    p10: float
    p90: float


@dataclass(frozen=True)
class OverContours:
    """What other contours would change.

    Parameters
    ----------
    n : int
        Patients whose scores over contours are known.
    n_uncertain : int
        Those of them whose risk group is uncertain.
    contours : int
        Contours of each.
    concordance, slope, hazard : FigureOverContours or NotEstimable
        Harrell's C, the calibration slope, and observed over expected deaths on the hazard scale,
        in these patients.
    method : str
        How it was found.
    """

    n: int
    n_uncertain: int
    contours: int
    concordance: FigureOverContours | NotEstimable
    slope: FigureOverContours | NotEstimable
    hazard: FigureOverContours | NotEstimable
    method: str = OVER_CONTOURS_METHOD


def over_contours(
    survival: Survival,
    linear_predictor: Array,
    contours: ContourCohort | None,
    baseline: BaselineHazard | None = None,
) -> OverContours | NotEstimable:
    """Compute the main figures over contours.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor : ndarray, shape (n,)
        The frozen model's linear predictor of the drawn contours.
    contours : ContourCohort or None
        Scores over other contours; `None` where none are known.
    baseline : BaselineHazard, optional
        The frozen model's baseline hazard.
    """
    if contours is None:
        return CONTOURS_UNKNOWN
    rows = np.flatnonzero(contours.known)
    known, drawn = survival.subset(rows), linear_predictor[rows]
    columns = [drawn, *np.ascontiguousarray(contours.scores[rows].T)]
    return OverContours(
        n=known.n,
        n_uncertain=int((contours.other_group[rows] >= UNCERTAIN_FROM).sum()),
        contours=contours.scores.shape[1],
        concordance=_spread([harrell_c(known, column) for column in columns]),
        slope=_spread([calibration_slope(known, column) for column in columns]),
        hazard=_spread([hazard_scale_ratio(known, column, baseline) for column in columns]),
    )


def _spread(
    found: list[Concordance | NotEstimable]
    | list[CalibrationSlope | NotEstimable]
    | list[HazardScaleRatio | NotEstimable],
) -> FigureOverContours | NotEstimable:
    """Return a figure of the drawn contours, the first, with its percentiles over the others; why
    it is not estimated where one of them is not.
    """
    estimates = []
    for one in found:
        if isinstance(one, NotEstimable):
            return one
        estimates.append(one.estimate)
    low, high = np.percentile(estimates[1:], PERCENTILES)
    return FigureOverContours(estimates[0], float(low), float(high))
