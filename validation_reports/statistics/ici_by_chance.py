"""What the ICI of a perfectly calibrated model would be in this very cohort: an absolute error is
never 0 by chance, and in few patients far from it.

Deaths are drawn from the frozen model's own predictions and censored as these patients were; the
smooth curve is fitted to each drawn cohort as to the real one [1]_.

References
----------
.. [1] Austin PC, Harrell FE, van Klaveren D. Stat Med 2020;39:2714-2742 (ICI).
.. [2] Efron B, Tibshirani RJ. An Introduction to the Bootstrap. Chapman & Hall 1993, chapter 6
    (parametric bootstrap).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import NotConvergedError, TrainingError
from models.survival.baseline_hazard import BaselineHazard, baseline_cumulative_hazard
from models.survival.cox_regression import fit_cox
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.censoring import uncensored_at, uncensored_before
from validation_reports.statistics.smooth_calibration import (
    MINIMUM_EVENTS_SMOOTH,
    spline_of_survival,
)

Array = NDArray[np.float64]
MOST_DRAWS, LEAST_DRAWS = 200, 40
PATIENTS_DRAWN = 200_000
"""Patients in all draws together: large cohorts, whose ICI varies little, take no longer."""
LEAST_USABLE = 0.9
CHANCE_METHOD = (
    "mean and 95th percentile over cohorts with deaths drawn from the model's own predictions and "
    "censored as these patients were"
)


@dataclass(frozen=True)
class IciByChance:
    """ICI that a perfectly calibrated model would show in this cohort.

    Parameters
    ----------
    days : int
        The horizon.
    mean, upper : float
        Mean, and what it exceeds in 5 of 100 such cohorts.
    method : str
        How it was computed.
    """

    days: int
    mean: float
    upper: float
    method: str = CHANCE_METHOD


def ici_by_chance(
    survival: Survival,
    linear_predictor: ArrayLike,
    baseline: BaselineHazard | None,
    predicted_survival: Mapping[int, ArrayLike],
    *,
    seed: int,
    draws: int | None = None,
) -> tuple[tuple[int, IciByChance | NotEstimable], ...]:
    """Simulate the ICI of right predictions at each horizon [2]_.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients, for how they were censored.
    linear_predictor : array_like, shape (n,)
        The frozen model's linear predictor.
    baseline : BaselineHazard or None
        Its baseline hazard.
    predicted_survival : mapping of int to array_like, shape (n,)
        Its survival probabilities by horizon in days.
    seed : int
        Of the drawn cohorts.
    draws : int, optional
        How many; 200, and fewer of more than 1000 patients, by default.
    """
    if draws is None:
        draws = max(LEAST_DRAWS, min(MOST_DRAWS, PATIENTS_DRAWN // survival.n))
    horizons = sorted(predicted_survival)
    if baseline is None:
        refusal = NotEstimable(
            "The ICI by chance is not simulated: the frozen baseline hazard was not given."
        )
        return tuple((days, refusal) for days in horizons)
    score = np.asarray(linear_predictor, dtype=np.float64)
    found: dict[int, list[float]] = {days: [] for days in horizons}
    bases = {
        days: spline_of_survival(np.asarray(predicted_survival[days], dtype=np.float64))
        for days in horizons
    }
    random = np.random.default_rng([seed, survival.n])
    contact = _LastContact.of(survival)
    for _ in range(draws):
        drawn = _drawn(contact.draw(random), score, baseline, random)
        if drawn is None or drawn.n_events < MINIMUM_EVENTS_SMOOTH:
            continue
        for days, error in _errors(drawn, bases, predicted_survival).items():
            found[days].append(error)
    return tuple((days, _summary(days, found[days], draws)) for days in horizons)


@dataclass(frozen=True, eq=False)
class _LastContact:
    """When each patient's follow-up would have ended had nobody died.

    Who was censored has the day; who died has one drawn from the reverse Kaplan-Meier curve after
    the death, the longest follow-up where that curve ends.
    """

    days: Array
    died: NDArray[np.intp]
    steps: Array
    remaining: Array
    at_death: Array
    at_end: float

    @classmethod
    def of(cls, survival: Survival) -> _LastContact:
        died = np.flatnonzero(survival.event)
        order = np.argsort(survival.days, kind="stable")
        censored = order[~survival.event[order]]
        before = uncensored_before(survival)
        return cls(
            survival.days.copy(),
            died,
            survival.days[censored],
            before[censored],
            before[died],
            uncensored_at(survival, float(survival.days.max())),
        )

    def draw(self, random: np.random.Generator) -> Array:
        """Return the day of each patient's last contact, shape (n,)."""
        days = self.days.copy()
        last = float(self.days.max())
        level = self.at_death * random.random(self.died.size)
        if not self.steps.size:
            days[self.died] = last
            return days
        # the last censoring day just before which at least that share was still uncensored
        place = np.searchsorted(-self.remaining, -level, side="right") - 1
        after = np.maximum(place, 0)
        reached = (level > self.at_end) & (self.steps[after] >= self.days[self.died])
        days[self.died] = np.where(reached, self.steps[after], last)
        return days


def _drawn(
    contact: Array, score: Array, baseline: BaselineHazard, random: np.random.Generator
) -> Survival | None:
    """Return one cohort whose hazards are the predicted ones; `None` where nobody died."""
    with np.errstate(over="ignore", divide="ignore"):  # never, or at once
        hazard = random.standard_exponential(score.size) / np.exp(score)
    step = np.searchsorted(baseline.cumulative, hazard, side="left")
    death = np.append(baseline.days, np.inf)[step]
    until = np.minimum(contact, baseline.last_day)
    event = death <= until
    if not event.any():
        return None
    return Survival(np.minimum(death, until), event)


def _errors(
    drawn: Survival,
    bases: Mapping[int, Array | NotEstimable],
    predicted_survival: Mapping[int, ArrayLike],
) -> dict[int, float]:
    """Return the ICI at each horizon that has one in a drawn cohort."""
    found: dict[int, float] = {}
    fitted: list[tuple[Array, Array, BaselineHazard]] = []
    for days, basis in bases.items():
        if isinstance(basis, NotEstimable):
            continue
        known = next((fit for fit in fitted if _same_shape(fit[0], basis)), None)
        if known is None:
            try:
                fit = fit_cox(basis, drawn)
            except (NotConvergedError, TrainingError):
                continue
            curve = fit.linear_predictor(basis)
            known = basis, curve, baseline_cumulative_hazard(curve, drawn)
            fitted.append(known)
        _, curve, hazard = known
        observed = 1.0 - hazard.survival(days, curve)
        error = observed - (1.0 - np.asarray(predicted_survival[days], dtype=np.float64))
        if np.isfinite(error).all():
            found[days] = float(np.abs(error).mean())
    return found


def _same_shape(one: Array, other: Array) -> bool:
    """Whether two spline bases are one but for a constant, as under proportional hazards."""
    return bool(np.ptp(one - other, axis=0).max() < 1e-9)


def _summary(days: int, values: list[float], draws: int) -> IciByChance | NotEstimable:
    if len(values) < max(LEAST_USABLE * draws, 1):
        return NotEstimable(
            f"The ICI by chance at {days} days is not simulated: only {len(values)} of {draws} "
            "drawn cohorts determine a curve there."
        )
    return IciByChance(days, float(np.mean(values)), float(np.quantile(values, 0.95)))
