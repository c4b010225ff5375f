"""Whether the predicted risks of one cohort are right, at stated margins: which quantities are
judged, and what is still missing for a verdict.

Judged are the calibration slope, observed over expected deaths on the hazard scale, and at each
horizon. A ratio at a horizon is tested on the log(-log) scale of its Kaplan-Meier estimate, because
the variance of a risk near 1 is far too small on the log scale [1]_.

References
----------
.. [1] Kalbfleisch JD, Prentice RL. The Statistical Analysis of Failure Time Data. 2nd ed. Wiley
    2002, section 1.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import erfc

from validation_reports.not_estimable import MINIMUM_EVENTS, NotEstimable
from validation_reports.statistics.calibration import (
    Calibration,
    CalibrationSlope,
    HorizonCalibration,
    ObservedExpected,
)
from validation_reports.statistics.hazard_calibration import HazardScaleRatio
from validation_reports.statistics.margins import (
    Judged,
    Margins,
    Verdict,
    contradicted,
    deaths_needed,
    verdict_by_margins,
)
from validation_reports.statistics.one_covariate_cox import LEAST_SPREAD
from validation_reports.wording import horizon_words

HAZARD_SCALE = "O/E on the hazard scale"


@dataclass(frozen=True)
class CalibrationVerdict:
    """What the intervals of one cohort show of its predicted risks.

    Parameters
    ----------
    verdict : Verdict
        *yes*, *no* or *not shown*.
    judged : tuple of Judged
        Every quantity that could be estimated.
    wrong : tuple of Judged
        Those that are shown not to be right.
    missing : tuple of str
        Why the slope or the hazard-scale ratio could not be estimated, without which there is no
        *yes*.
    deaths_needed : int or None
        Deaths in all that would show it, were every quantity 1; `None` where the cohort does not
        tell, or no number would.
    """

    verdict: Verdict
    judged: tuple[Judged, ...]
    wrong: tuple[Judged, ...]
    missing: tuple[str, ...]
    deaths_needed: int | None


def judge_calibration(
    calibration: Calibration, deaths: int, margins: Margins
) -> CalibrationVerdict:
    """Judge the calibration of one cohort.

    Parameters
    ----------
    calibration : Calibration
        What was found.
    deaths : int
        In the cohort.
    margins : Margins
        How far from 1 is still right.
    """
    judged = judged_calibration(calibration, deaths, margins)
    missing = tuple(
        found.sentence
        for found in (calibration.slope, calibration.hazard)
        if isinstance(found, NotEstimable)
    )
    needed = [one.deaths_needed for one in judged]
    if isinstance(calibration.slope, NotEstimable):
        needed += _for_slope(calibration.score_spread, margins)
    if isinstance(calibration.hazard, NotEstimable):
        needed.append(deaths_needed(1, 1.0, margins, log_scale=True))
    would_show = (judged or calibration.score_spread) and not _is_beyond_deaths(calibration, deaths)
    return CalibrationVerdict(
        verdict_by_margins(judged, margins, complete=not missing),
        judged,
        contradicted(judged, margins),
        missing,
        max(needed) if would_show else None,
    )


def judged_calibration(
    calibration: Calibration, deaths: int, margins: Margins
) -> tuple[Judged, ...]:
    """Return the slope and the ratios that could be estimated, to be judged alone or with those of
    other centres.

    Parameters
    ----------
    calibration : Calibration
        What was found in one cohort.
    deaths : int
        In it.
    margins : Margins
        For the deaths needed.
    """
    found: list[Judged] = []
    if isinstance(slope := calibration.slope, CalibrationSlope):
        needed = deaths_needed(deaths, slope.standard_error, margins, log_scale=False)
        z = (slope.estimate - 1) / slope.standard_error
        found.append(
            Judged("slope", slope.estimate, slope.lower, slope.upper, _two_sided(z), needed)
        )
    if isinstance(hazard := calibration.hazard, HazardScaleRatio):
        error = 1 / math.sqrt(max(hazard.observed, 1))
        found.append(
            Judged(
                HAZARD_SCALE,
                hazard.estimate,
                hazard.lower,
                hazard.upper,
                hazard.p_value,
                deaths_needed(max(hazard.observed, 1), error, margins, log_scale=True),
            )
        )
    for days, at in calibration.horizons:
        if isinstance(at, HorizonCalibration) and isinstance(ratio := at.ratio, ObservedExpected):
            found.append(
                Judged(
                    f"O/E at {horizon_words(days)}",
                    ratio.estimate,
                    ratio.lower,
                    ratio.upper,
                    _of_ratio(at, ratio),
                    deaths_needed(deaths, ratio.log_standard_error, margins, log_scale=True),
                )
            )
    return tuple(found)


def _of_ratio(at: HorizonCalibration, ratio: ObservedExpected) -> float:
    """Return the p value of the predicted risk's being the one observed."""
    alive = 1 - at.observed.estimate
    if not (0 < alive < 1 and at.observed.standard_error > 0):
        return _two_sided(math.log(ratio.estimate) / ratio.log_standard_error)
    error = at.observed.standard_error / (alive * -math.log(alive))
    with np.errstate(divide="ignore"):
        predicted = float(np.log(-np.log1p(-min(at.predicted, 1.0))))
    return _two_sided((math.log(-math.log(alive)) - predicted) / error)


def _for_slope(score_spread: float | None, margins: Margins) -> list[int]:
    """Return the deaths that a slope needs, whose variance is 1 / (deaths x variance of the
    score).
    """
    if not score_spread:
        return []
    return [deaths_needed(1, 1 / score_spread, margins, log_scale=False)]


def _is_beyond_deaths(calibration: Calibration, deaths: int) -> bool:
    """Say whether something else than deaths lacks for a verdict: scores that differ and are on the
    model's scale, or its baseline hazard.
    """
    spread = calibration.score_spread
    alike = spread is not None and spread < LEAST_SPREAD
    return (alike and isinstance(calibration.slope, NotEstimable)) or (
        deaths >= MINIMUM_EVENTS and isinstance(calibration.hazard, NotEstimable)
    )


def _two_sided(z: float) -> float:
    return float(erfc(abs(z) / math.sqrt(2)))
