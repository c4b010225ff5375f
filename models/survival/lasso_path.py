"""The Lasso-penalised Cox path, solved at each penalty until nothing is left to gain.

At penalty lambda the coefficients minimise  -l(beta) / n + lambda * |beta|_1,  l being Breslow's
log likelihood.
Coordinate descent, as in ``glmnet`` and Coxnet, ends when its steps are small; where features are
correlated above 0.99 that is while coefficients are still wrong in the fifth digit. Here Newton's
method acts on the few features of the active set, and each of its quadratic problems is solved
exactly by adding and dropping features one at a time, so that the conditions of Karush, Kuhn and
Tucker hold up to rounding:

    dl/dbeta_j / n = lambda * sign(beta_j)  where beta_j is not 0,
    |dl/dbeta_j| / n <= lambda           elsewhere.

References
----------
.. [1] Simon N, Friedman J, Hastie T, Tibshirani R. Regularization paths for Cox's proportional
    hazards model via
   coordinate descent. J Stat Softw 2011;39(5):1-13.
.. [2] Osborne MR, Presnell B, Turlach BA. A new approach to variable selection in least squares
    problems. IMA J Numer
   Anal 2000;20:389-403 (active sets).
.. [3] Friedman J et al. R package glmnet 4.1-6, ``glmnet.control``; where its Cox path stops was
    measured with several ``fdev``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpotrf

from models.errors import NotConvergedError
from models.survival.risk_sets import Array, RiskSets, Ties
from models.survival.survival_data import Survival

OPTIMALITY = 1e-10
"""Largest violation of the optimality conditions, relative to the penalty."""
_FIRST_PENALTIES = 5
"""A path has as many penalties at least, and its gain is looked at over as many (glmnet's
``mnlam``).
"""
_LEAST_GAIN = 1e-3
"""Of what is explained; glmnet's ``fdev`` of 1e-5, of which its Cox path takes 100 times."""
_MOST_EXPLAINED = 0.999
"""glmnet's ``devmax``."""
_MOST_STEPS = 100
_MOST_HALVINGS = 40
_MOST_CANDIDATES = 40
"""Features that one Newton step may newly consider: those that violate the conditions most."""
_CONDITION = 1e-13
"""A feature of which others leave less than this share of curvature unexplained follows from those
in the model.
"""


def lasso_path(
    columns: ArrayLike, survival: Survival, lambdas: ArrayLike, *, stops: bool = False
) -> Array:
    """Fit the Lasso at each penalty.

    Parameters
    ----------
    columns : array_like, shape (n, p)
        Candidate features; columns without variation get coefficient 0. Of columns that are copies
        of each other up to scale, only one gets a coefficient.
    survival : Survival
        Follow-up of the same patients.
    lambdas : array_like, shape (m,)
        Penalties, above 0, falling.
    stops : bool
        Whether the path ends where glmnet's does: where smaller penalties no longer explain more,
        nearly everything is explained, or, after the first few, there is no finite solution.

    Returns
    -------
    ndarray, shape (p, m)
        Fewer than m where it stops. Coefficients per unit of the columns. The penalty acts on
        columns scaled to population standard deviation 1, as in ``glmnet(standardize = TRUE)``.

    Raises
    ------
    NotConvergedError
        If the optimality conditions are not reached, and it does not stop there.
    """
    x = np.asarray(columns, dtype=np.float64)
    sd = population_sd(x)
    sets = RiskSets.of(survival, Ties.BRESLOW)
    scaled = np.asfortranarray(((x - x.mean(axis=0)) / sd)[sets.order])
    problem = _Problem(scaled, survival.event[sets.order].astype(np.float64), sets)
    beta = np.zeros(x.shape[1])
    path = np.zeros((x.shape[1], np.size(lambdas)))
    empty = problem.at(beta).value
    explained: list[float] = []
    for position, penalty in enumerate(np.asarray(lambdas, dtype=np.float64)):
        try:
            beta = _fit(problem, beta, float(penalty))
        except NotConvergedError:
            if not stops or position < _FIRST_PENALTIES:
                raise
            return path[:, :position] / sd[:, None]
        path[:, position] = beta
        if stops:
            explained.append((problem.at(beta).value - empty) / (problem.best - empty))
            if _is_at_its_end(explained):
                return path[:, : position + 1] / sd[:, None]
    return path / sd[:, None]


def _is_at_its_end(explained: Sequence[float]) -> bool:
    """Say whether glmnet's path ends here, by the share of the null deviance that is explained at
    each penalty so far [3]_.
    """
    if len(explained) < _FIRST_PENALTIES:
        return False
    before, now = explained[-_FIRST_PENALTIES], explained[-1]
    return now - before < _LEAST_GAIN * now or now > _MOST_EXPLAINED


def population_sd(x: Array) -> Array:
    """Return the standard deviation (ddof = 0) per column, infinite where a column does not vary,
    to scale it to 0.
    """
    sd = x.std(axis=0)
    return np.where(sd > 1e-10 * np.abs(x).max(axis=0, initial=0.0), sd, np.inf)


@dataclass(frozen=True, eq=False)
class _Point:
    """The likelihood at some coefficients: value and gradient per patient, and what the curvature
    needs.
    """

    value: float
    gradient: Array
    weights: Array
    hazard: Array
    at_risk: Array


@dataclass(frozen=True, eq=False)
class _Problem:
    """Scaled columns and events, both sorted by time, with their risk sets."""

    x: Array
    event: Array
    sets: RiskSets

    @property
    def best(self) -> float:
        """The log partial likelihood per patient of the saturated model (Breslow ties)."""
        tied = np.bincount(self.sets.tie_of_death)
        tied = tied[tied > 0]
        return -float((tied * np.log(tied)).sum()) / self.event.size

    def at(self, beta: Array) -> _Point:
        """Evaluate the log partial likelihood per patient."""
        active = np.flatnonzero(beta)
        eta = self.x[:, active] @ beta[active]
        shift = float(eta.max())
        weights = np.exp(eta - shift)
        at_risk = self.sets.sums(weights)
        jumps = np.zeros(eta.size)
        np.add.at(jumps, self.sets.risk_from, 1.0 / at_risk)
        hazard = np.cumsum(jumps)
        n = eta.size
        value = float((eta[self.sets.deaths] - shift - np.log(at_risk)).sum()) / n
        return _Point(
            value, self.x.T @ (self.event - weights * hazard) / n, weights, hazard, at_risk
        )

    def curvature(self, point: _Point, among: NDArray[np.intp]) -> Array:
        """Return the negative second derivatives among some features, shape (k, k)."""
        x = self.x[:, among]
        weighted = point.weights[:, None] * x
        mean = self.sets.sums(weighted) / point.at_risk[:, None]
        return np.asarray(
            (weighted.T @ (x * point.hazard[:, None]) - mean.T @ mean) / self.event.size
        )


def _fit(problem: _Problem, start: Array, penalty: float) -> Array:
    """Minimise the penalised likelihood from `start`."""
    beta = start
    point = problem.at(beta)
    objective = penalty * np.abs(beta).sum() - point.value
    for _ in range(_MOST_STEPS):
        excess = _violation(point.gradient, beta, penalty)
        if excess.max(initial=0.0) <= OPTIMALITY * penalty:
            return beta
        outside = np.flatnonzero((beta == 0) & (excess > 0))
        newly = outside[np.argsort(-excess[outside], kind="stable")[:_MOST_CANDIDATES]]
        among = np.concatenate([np.flatnonzero(beta), newly])
        target = _minimise_quadratic(
            problem.curvature(point, among),
            point.gradient[among],
            beta[among],
            penalty,
            excess[among],
        )
        for halving in range(_MOST_HALVINGS):
            trial = np.zeros_like(beta)
            share = 0.5**halving
            trial[among] = target if halving == 0 else beta[among] + share * (target - beta[among])
            new_point = problem.at(trial)
            new_objective = penalty * np.abs(trial).sum() - new_point.value
            if new_objective <= objective + 1e-14 * abs(objective):
                break
        beta, point, objective = trial, new_point, new_objective
    excess = _violation(point.gradient, beta, penalty)
    raise NotConvergedError(
        f"The Lasso at penalty {penalty:.3g} ended {excess.max() / penalty:.1e} from its optimum, "
        f"more than the {OPTIMALITY:.0e} allowed: use a larger smallest penalty or more patients."
    )


def _violation(gradient: Array, beta: Array, penalty: float) -> Array:
    """Return by how much each feature misses the optimality conditions."""
    return np.where(
        beta == 0,
        np.maximum(np.abs(gradient) - penalty, 0.0),
        np.abs(gradient - penalty * np.sign(beta)),
    )


def _minimise_quadratic(
    curvature: Array, gradient: Array, start: Array, penalty: float, excess: Array
) -> Array:
    """Minimise  (b - start)' H (b - start) / 2 - g' (b - start) + penalty |b|_1  exactly, by its
    active set.
    """
    b, sign = start.copy(), np.sign(start)
    active = [int(row) for row in np.flatnonzero(sign)]
    if not active:
        active = [int(np.argmax(excess))]
        sign[active] = np.sign(gradient[active])
    for _ in range(20 * b.size + 20):
        rows = np.array(active)
        slope = gradient - curvature @ (b - start)
        step, longest = _direction(
            curvature[np.ix_(rows, rows)], slope[rows] - penalty * sign[rows]
        )
        falling = np.flatnonzero(step * sign[rows] < 0)
        shares = -b[rows[falling]] / step[falling]
        reach = min(float(shares.min(initial=np.inf)), longest)
        if not np.isfinite(reach):
            break
        b[rows] += reach * step
        if reach < longest:
            leaving = int(rows[falling[np.argmin(shares)]])
            b[leaving] = sign[leaving] = 0.0
            active.remove(leaving)
            if active:
                continue
        slope = gradient - curvature @ (b - start)
        over = np.where(sign == 0, np.abs(slope) - penalty, -np.inf)
        entering = int(np.argmax(over))
        if over[entering] <= 0.01 * OPTIMALITY * penalty:
            break
        sign[entering] = np.sign(slope[entering])
        active.append(entering)
    return b


def _direction(curvature: Array, slope: Array) -> tuple[Array, float]:
    """Return where to go within the active set, and how far at most.

    That is Newton's step; or, where a feature follows from those before it, the exchange of one for
    the others, along which the penalty falls until a coefficient is 0.
    """
    factor, failed = dpotrf(curvature, lower=1)
    dependent = np.flatnonzero(np.diag(factor) ** 2 < _CONDITION * np.diag(curvature))
    if failed == 0 and dependent.size == 0:
        return np.asarray(cho_solve((factor, True), slope)), 1.0
    row = min([*dependent.tolist(), *([failed - 1] if failed else [])])
    step = np.zeros_like(slope)
    step[row] = 1.0
    if row:
        step[:row] = -cho_solve((np.asfortranarray(factor[:row, :row]), True), curvature[:row, row])
    return (step if step @ slope >= 0 else -step), np.inf
