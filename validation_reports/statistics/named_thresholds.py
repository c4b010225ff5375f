"""Is the model of use at the thresholds that were named beforehand: net benefit against treating
all, none or by stage, with intervals that hold at all of them at once.

A decision curve shows dozens of thresholds; at some of them chance alone puts any score above its
alternatives. So a verdict is given only at thresholds that the settings name before the outcomes
are looked at, and each interval has the level that all together need (Bonferroni over thresholds
and horizons) [1]_. At a threshold the model is of use where it beats every alternative, so each of
these intervals must lie above 0 [2]_.

References
----------
.. [1] Vickers AJ, Cronin AM, Elkin EB, Gonen M. BMC Med Inform Decis Mak 2008;8:53 (intervals).
.. [2] Berger RL, Hsu JC. Stat Sci 1996;11:283-319 (intersection-union tests).
.. [3] Reid N. Ann Stat 1981;9:78-92 (influence function of the Kaplan-Meier estimate).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.margins import Verdict

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
NAMED_METHOD = (
    "difference in net benefit, influence-function standard error, t interval; simultaneous over "
    "the named thresholds and the horizons (Bonferroni)"
)


@dataclass(frozen=True)
class NetBenefitDifference:
    """Net benefit of the model less that of an alternative, with its simultaneous interval, and in
    how many patients both were judged (`None` in reports of before).
    """

    estimate: float
    lower: float
    upper: float
    n: int | None = None


@dataclass(frozen=True, eq=False)
class Alternative:
    """Another way to choose whom to treat.

    Parameters
    ----------
    name : str
        What it does.
    treats : ndarray of bool, shape (n,)
        Whom it treats.
    known : ndarray of bool, shape (n,)
        Of whom it is known whether it treats them; by default of all.
    """

    name: str
    treats: Mask
    known: Mask = field(default_factory=lambda: np.ones(0, dtype=np.bool_))

    def __post_init__(self) -> None:
        if not self.known.size:
            object.__setattr__(self, "known", np.ones(self.treats.size, dtype=np.bool_))


@dataclass(frozen=True)
class NamedThreshold:
    """The model at one threshold that was named beforehand.

    Parameters
    ----------
    threshold : float
        Threshold probability of death.
    differences : tuple of (str, NetBenefitDifference or NotEstimable)
        Alternative, and the model against it.
    method : str
        How it was computed.
    """

    threshold: float
    differences: tuple[tuple[str, NetBenefitDifference | NotEstimable], ...]
    method: str = NAMED_METHOD

    @property
    def verdict(self) -> Verdict:
        """*Yes* where the model is shown to beat every alternative, *no* where one is shown to beat
        it.
        """
        known = [found for _, found in self.differences if isinstance(found, NetBenefitDifference)]
        if any(found.upper < 0 for found in known):
            return Verdict.NO
        if len(known) == len(self.differences) and all(found.lower > 0 for found in known):
            return Verdict.YES
        return Verdict.UNKNOWN


def judge_threshold(
    survival: Survival,
    predicted_risk: ArrayLike,
    days: int,
    threshold: float,
    alternatives: Sequence[Alternative],
    *,
    at_once: int,
    confidence: float = 0.95,
) -> NamedThreshold:
    """Compare treating above a threshold with each alternative.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    predicted_risk : array_like, shape (n,)
        Predicted probability of death by the horizon.
    days : int
        The horizon.
    threshold : float
        Between 0 and 1.
    alternatives : sequence of Alternative
        With each the model is compared in the patients of whom the alternative is known.
    at_once : int
        Intervals that are to hold together: thresholds times horizons.
    confidence : float
        Of all of them together.
    """
    treated = np.asarray(predicted_risk, dtype=np.float64) > threshold
    tail = (1 - confidence) / 2 / at_once
    found: list[tuple[str, NetBenefitDifference | NotEstimable]] = []
    for other in alternatives:
        name, known = other.name, survival.subset(other.known)
        by_model, by_other = treated[other.known], other.treats[other.known]
        if (by_model == by_other).all():
            reason = NotEstimable(
                f"At {threshold:.0%} the model and “{name}” treat the same patients, so there is "
                "no difference to judge."
            )
            found.append((name, reason))
            continue
        parts = _benefit_parts(known, by_model, days, threshold)
        parts = parts - _benefit_parts(known, by_other, days, threshold)
        estimate, freedom = float(parts.mean()), max(known.n - 1, 1)
        half = float(stdtrit(freedom, 1 - tail)) * float(parts.std()) / np.sqrt(freedom)
        found.append(
            (name, NetBenefitDifference(estimate, estimate - half, estimate + half, known.n))
        )
    return NamedThreshold(threshold, tuple(found))


def _benefit_parts(survival: Survival, treated: Mask, days: int, threshold: float) -> Array:
    """Return each patient's part in the net benefit, shape (n,): their mean is the net benefit,
    their spread its standard error.

    With p the share treated, F the risk among them and w the odds of the threshold it is
    p ((1 + w) F - w); a patient adds to p, and if treated to F [3]_.
    """
    if not treated.any():
        return np.zeros(survival.n)
    odds = threshold / (1 - threshold)
    risk, influence = _risk_parts(survival.subset(treated), days)
    gain = (1 + odds) * risk - odds
    parts = np.zeros(survival.n)
    parts[treated] = gain + (1 + odds) * influence
    return parts


def _risk_parts(survival: Survival, days: float) -> tuple[float, Array]:
    """Return the Kaplan-Meier risk by a day, and each patient's influence on it [3]_."""
    times, inverse = np.unique(survival.days, return_inverse=True)
    deaths = np.bincount(inverse[survival.event], minlength=times.size)
    left = survival.n - np.searchsorted(np.sort(survival.days), times, side="left")
    counted = times <= days
    alive = float(np.prod(1 - deaths[counted] / left[counted]))
    rate = np.where(counted, deaths / left.astype(np.float64) ** 2, 0.0)
    compensator = np.cumsum(rate)[inverse]
    jump = (survival.event & (survival.days <= days)) / left[inverse]
    influence: Array = alive * survival.n * (jump - compensator)
    return 1 - alive, influence
