"""Are these patients like those that trained the model: stability index, membership model and
ranges of what it reads.

References
----------
.. [1] Yurdakul B, Naranjo J. J Risk Model Valid 2020;14:89-100 (population stability index and
    its chance level).
.. [2] Debray TPA, Vergouwe Y, Koffijberg H, et al. J Clin Epidemiol 2015;68:279-289 (membership
    model).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from feature_store.wording import counted
from validation_reports.cohort.training_patients import Array, TrainingPatients
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.stage_groups import equally_deep
from validation_reports.statistics.time_dependent_auc import (
    auc_limits,
    delong_variance,
    placements,
)

SHIFT_METHOD = (
    "population stability index over tenths of the training patients, beside what 99 of 100 "
    "cohorts without a shift stay below; membership model: logistic regression, AUC by 5-fold "
    "cross-validation, DeLong interval"
)
MODERATE, LARGE = 0.10, 0.25
"""Stability index beyond chance from which a shift is called moderate and large [1]_."""
MINIMUM_PATIENTS = 20
_BINS = 10
_FOLDS = 5
_RIDGE = 1.0


class ShiftVerdict(StrEnum):
    """How like the training patients these are."""

    ALIKE = "like the training patients"
    DIFFERENT = "different from the training patients"
    VERY_DIFFERENT = "very different from the training patients"


@dataclass(frozen=True)
class VariableShift:
    """One variable: stability index, what chance may give for these sizes, patients outside the
    training range, and of how many patients it is known (`None` in reports of before).
    """

    name: str
    stability_index: float
    by_chance: float
    n_outside: int | None
    n: int | None = None

    @property
    def shift(self) -> float:
        """The stability index where chance does not explain it, else 0."""
        return self.stability_index if self.stability_index > self.by_chance else 0.0


@dataclass(frozen=True)
class Membership:
    """Can a model tell these patients from the training patients: AUC (0.5: it cannot) and its
    interval.
    """

    auc: float
    lower: float
    upper: float
    confidence: float


@dataclass(frozen=True)
class CohortShift:
    """The comparison with the training patients.

    Parameters
    ----------
    center : str
        The training centre.
    n_training : int
        Its patients.
    variables : tuple of VariableShift
        The score first, then what a clinician knows, then the features that the model reads.
    membership : Membership or NotEstimable
        From the score and what a clinician knows.
    verdict : ShiftVerdict
        In plain words.
    method : str
        How it was computed.
    n : int or None
        The patients that are compared with them; `None` in reports of before.
    """

    center: str
    n_training: int
    variables: tuple[VariableShift, ...]
    membership: Membership | NotEstimable
    verdict: ShiftVerdict
    method: str = SHIFT_METHOD
    n: int | None = None


def compare_with_training(
    training: TrainingPatients | None,
    linear_predictor: Array,
    covariates: pd.DataFrame,
    features: pd.DataFrame | None,
    confidence: float = 0.95,
) -> CohortShift | NotEstimable:
    """Compare a cohort with the training patients.

    Parameters
    ----------
    training : TrainingPatients or None
        `None` where they are not in this installation.
    linear_predictor : ndarray, shape (n,)
        The cohort's scores.
    covariates : DataFrame, shape (n, any)
        As of `TrainingPatients`.
    features : DataFrame or None, shape (n, p)
        The features that the model reads.
    confidence : float
        Of the membership model's AUC.
    """
    n = linear_predictor.size
    if training is None:
        return NotEstimable(
            "The cohort is not compared with the training patients: they are not in this "
            "installation."
        )
    if min(n, training.linear_predictor.size) < MINIMUM_PATIENTS:
        return NotEstimable(
            f"The cohort of {counted(n, 'patient')} is not compared with "
            f"{counted(training.linear_predictor.size, 'training patient')}: {MINIMUM_PATIENTS} of "
            "each are needed."
        )
    variables = [_numeric("score", training.linear_predictor, linear_predictor)]
    # what one of them tells of stage more finely is no difference between their patients
    theirs, these = (
        table.assign(stage=stages)
        for table, stages in zip(
            (training.covariates, covariates),
            equally_deep(training.covariates["stage"], covariates["stage"]),
            strict=True,
        )
    )
    variables += [_numeric("age", *(_known(table["age"]) for table in (theirs, these)))]
    variables += [
        _category(name, theirs[name], these[name]) for name in ("sex", "histology", "stage")
    ]
    if features is not None:
        variables += [
            _numeric(str(name), training.features[name].to_numpy(), features[name].to_numpy())
            for name in training.features.columns
            if name in features.columns
        ]
    membership = _membership(
        training.linear_predictor, linear_predictor, (theirs, these), confidence
    )
    worst = max(variable.shift for variable in variables[:5])
    verdict = (
        ShiftVerdict.VERY_DIFFERENT
        if worst > LARGE and membership.lower > 0.5
        else ShiftVerdict.DIFFERENT
        if worst > MODERATE or membership.lower > 0.6
        else ShiftVerdict.ALIKE
    )
    return CohortShift(
        training.center,
        training.linear_predictor.size,
        tuple(variables),
        membership,
        verdict,
        n=n,
    )


def stability_index(
    reference: NDArray[np.integer], now: NDArray[np.integer]
) -> tuple[float, float]:
    """Return the population stability index of two rows of counts and what chance gives in 1 of 100
    cohorts [1]_.

    Parameters
    ----------
    reference, now : ndarray of int, shape (k,)
        Patients in each bin; half a patient is added to each, so that an empty bin has a logarithm.
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * counts.size) for counts in (reference, now))
    most = scipy.stats.chi2.ppf(0.99, reference.size - 1) if reference.size > 1 else 0.0
    chance = most * (1 / max(int(reference.sum()), 1) + 1 / max(int(now.sum()), 1))
    return float(((q - p) * np.log(q / p)).sum()), float(chance)


def _numeric(name: str, reference: Array, now: Array) -> VariableShift:
    edges = (
        np.unique(np.quantile(reference, np.arange(1, _BINS) / _BINS))
        if reference.size
        else np.empty(0)
    )
    counts = [
        np.bincount(np.searchsorted(edges, values), minlength=edges.size + 1)
        for values in (reference, now)
    ]
    outside = (
        int(((now < reference.min()) | (now > reference.max())).sum()) if reference.size else None
    )
    return VariableShift(name, *stability_index(counts[0], counts[1]), outside, now.size)


def _category(name: str, reference: pd.Series[str], now: pd.Series[str]) -> VariableShift:
    rows = [values.dropna().map(str) for values in (reference, now)]
    levels = sorted(set(rows[0]) | set(rows[1]))
    counts = [
        np.array([int((values == level).sum()) for level in levels], dtype=np.int64)
        for values in rows
    ]
    new = int((~rows[1].isin(set(rows[0]))).sum())
    return VariableShift(
        name, *(stability_index(counts[0], counts[1]) if levels else (0.0, 0.0)), new, len(rows[1])
    )


def _known(values: pd.Series[float]) -> Array:
    return np.asarray(values.dropna().to_numpy(dtype=np.float64), dtype=np.float64)


def _membership(
    theirs: Array, these: Array, covariates: tuple[pd.DataFrame, pd.DataFrame], confidence: float
) -> Membership:
    columns = [np.concatenate([theirs, these])]
    both = pd.concat(covariates, ignore_index=True)
    # what nobody recorded in one of the cohorts tells nothing of its patients
    told = [name for name in both if all(table[name].notna().any() for table in covariates)]
    if "age" in told:
        age = both["age"].to_numpy(dtype=np.float64)
        columns.append(np.where(np.isfinite(age), age, np.nanmedian(age)))
    for name in ("sex", "histology", "stage"):
        if name not in told:
            continue
        known = both[name].notna().to_numpy()
        levels = sorted({str(value) for value in both.loc[known, name]})
        for level in levels[1:]:
            of_level = (both[name].map(str) == level).to_numpy(dtype=np.float64)
            # who has none recorded is not of the first level for that
            columns.append(np.where(known, of_level, of_level[known].mean()))
    x = np.column_stack(columns)
    spread = x.std(axis=0)
    x = (x[:, spread > 0] - x[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    new = np.r_[np.zeros(theirs.size), np.ones(these.size)]
    fold = np.concatenate([np.arange(size) % _FOLDS for size in (theirs.size, these.size)])
    predicted = np.empty(new.size)
    for number in range(_FOLDS):
        beta = _logistic(x[fold != number], new[fold != number])
        predicted[fold == number] = beta[0] + x[fold == number] @ beta[1:]
    found = placements(predicted[new == 1], predicted[new == 0])
    error = float(np.sqrt(delong_variance(found.of_cases, found.of_controls)))
    auc = found.estimate
    return Membership(auc, *auc_limits(auc, error, these.size, theirs.size, confidence), confidence)


def _logistic(x: Array, y: Array) -> Array:
    """Return intercept and coefficients of a logistic regression with a small ridge penalty, by
    Newton's method.
    """
    design = np.column_stack([np.ones(len(x)), x])
    penalty = np.diag(np.r_[0.0, np.full(x.shape[1], _RIDGE)])
    beta = np.zeros(design.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + penalty
        step = np.linalg.solve(hessian, design.T @ (y - p) - penalty @ beta)
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return np.asarray(beta, dtype=np.float64)
