"""Thousands of features to those that say something alone: z-scores, one Cox model each (paper,
'Signatures').

Everything here is learnt from the training centre only and applied unchanged to the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.errors import FeatureMismatchError, TrainingError
from models.survival.cox_regression import univariate_cox
from models.survival.risk_sets import Array
from models.survival.survival_data import Survival
from models.wording import counted

_NO_SPREAD = 1e-10
"""A standard deviation below this share of the largest absolute value is rounding error, not
variation.
"""


@dataclass(frozen=True, eq=False)
class ZScore:
    """Means and standard deviations of the training centre, to be applied to everybody.

    Parameters
    ----------
    features : tuple of str
        Column names, p of them, without repetition.
    means, sds : ndarray, shape (p,)
        Training means and standard deviations (ddof = 1), in the features' own units.

    Raises
    ------
    TrainingError
        If lengths differ, a name repeats, or a standard deviation is not a finite number above 0.
    """

    features: tuple[str, ...]
    means: Array
    sds: Array

    def __post_init__(self) -> None:
        means, sds = frozen_vector(self.means), frozen_vector(self.sds)
        if not len(self.features) == means.size == sds.size:
            raise TrainingError(
                f"There are {counted(len(self.features), 'feature')}, "
                f"{counted(means.size, 'mean')} and {counted(sds.size, 'standard deviation')}: "
                "expected one of each."
            )
        if len(set(self.features)) != len(self.features):
            raise TrainingError("A feature name occurs twice: give every column its own name.")
        if not (np.isfinite(means).all() and np.isfinite(sds).all() and (sds > 0).all()):
            raise TrainingError(
                "A training mean is not finite or a standard deviation is not above 0: drop that "
                "feature."
            )
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "sds", sds)

    def apply(self, table: pd.DataFrame) -> Array:
        """Return the z-scores of `table`'s patients, shape (n, p), in the order of `features`.

        Raises
        ------
        FeatureMismatchError
            If a column is absent, occurs twice, or holds a missing or infinite value.
        """
        return (feature_values(table, self.features) - self.means) / self.sds

    def keep(self, positions: ArrayLike) -> ZScore:
        """Return the features at `positions` only."""
        rows = np.asarray(positions, dtype=np.intp)
        return ZScore(tuple(self.features[row] for row in rows), self.means[rows], self.sds[rows])


@dataclass(frozen=True, eq=False)
class UnivariateSelection:
    """The features that are associated with survival when looked at alone.

    Parameters
    ----------
    z_score : ZScore
        The features kept.
    p_values : ndarray, shape (p,)
        Their two-sided Wald p values (Efron ties).
    dropped : mapping of str to str
        Why each unusable feature was left out, apart from its p value.
    n_offered : int
        Number of features at the start.
    """

    z_score: ZScore
    p_values: Array
    dropped: Mapping[str, str] = field(default_factory=dict)
    n_offered: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "p_values", frozen_vector(self.p_values))
        object.__setattr__(self, "dropped", MappingProxyType(dict(self.dropped)))


def fit_z_score(table: pd.DataFrame) -> tuple[ZScore, dict[str, str]]:
    """Learn means and standard deviations; leave out columns that do not vary.

    Parameters
    ----------
    table : DataFrame, shape (n, p)
        One row per training patient, one column per feature.

    Returns
    -------
    ZScore
        Of the columns that vary.
    dict of str to str
        The reason for each column that was left out.

    Raises
    ------
    FeatureMismatchError
        If a value is missing or infinite, or a column occurs twice.
    TrainingError
        If there are fewer than two patients.
    """
    columns = tuple(str(column) for column in table.columns)
    values = feature_values(table, columns)
    if values.shape[0] < 2:
        raise TrainingError(
            f"There is {values.shape[0]} training patient: z-scores need at least two."
        )
    means, sds = values.mean(axis=0), values.std(axis=0, ddof=1)
    varies = varying(values)
    dropped = {
        columns[position]: f"constant in all {counted(values.shape[0], 'training patient')}"
        for position in np.flatnonzero(~varies)
    }
    kept = np.flatnonzero(varies)
    return ZScore(tuple(columns[position] for position in kept), means[kept], sds[kept]), dropped


def varying(values: Array) -> NDArray[np.bool_]:
    """Return which columns of `values`, shape (n, p), vary by more than rounding, shape (p,)."""
    varies: NDArray[np.bool_] = values.std(axis=0, ddof=1) > _NO_SPREAD * np.abs(values).max(
        axis=0, initial=0.0
    )
    return varies


def select_univariate(
    table: pd.DataFrame, survival: Survival, alpha: float = 0.05
) -> UnivariateSelection:
    """Keep the features whose univariate Cox p value is below `alpha`.

    Parameters
    ----------
    table : DataFrame, shape (n, p)
        Training features.
    survival : Survival
        Follow-up of the same patients in the same order.
    alpha : float
        Two-sided level; the paper's is 0.05, without correction for multiplicity.

    Returns
    -------
    UnivariateSelection
        Possibly of no feature.
    """
    z_score, dropped = fit_z_score(table)
    if not z_score.features:
        return UnivariateSelection(z_score, np.empty(0), dropped, table.shape[1])
    fits = univariate_cox(z_score.apply(table), survival)
    for position in np.flatnonzero(~fits.estimable):
        dropped[z_score.features[position]] = (
            "separates early from late deaths perfectly, so its effect has no estimate"
        )
    kept = np.flatnonzero(fits.estimable & (np.nan_to_num(fits.p_values, nan=1.0) < alpha))
    return UnivariateSelection(z_score.keep(kept), fits.p_values[kept], dropped, table.shape[1])


def feature_values(table: pd.DataFrame, features: tuple[str, ...]) -> Array:
    """Return the columns `features` as float64, shape (n, p).

    Raises
    ------
    FeatureMismatchError
        If a column is absent, occurs twice, or holds a missing, infinite or non-numeric value.
    """
    columns = [str(column) for column in table.columns]
    where = {column: position for position, column in enumerate(columns)}
    absent = tuple(feature for feature in features if feature not in where)
    if absent:
        raise FeatureMismatchError(
            f"{len(absent)} of {counted(len(features), 'feature')} "
            f"{'is' if len(absent) == 1 else 'are'} absent, the first is {absent[0]}: extract the "
            "same regions with the same settings as in training.",
            absent,
        )
    if len(where) != len(columns):
        twice = tuple(sorted({column for column in columns if columns.count(column) > 1}))
        raise FeatureMismatchError(
            f"{counted(len(twice), 'feature column')} {'occurs' if len(twice) == 1 else 'occur'} "
            f"more than once, the first is {twice[0]}: give each column once.",
            twice,
        )
    part = table.iloc[:, [where[feature] for feature in features]]
    try:
        values = np.ascontiguousarray(part.to_numpy(dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise FeatureMismatchError(
            "A feature holds something that is not a number: extract the features again."
        ) from error
    bad = ~np.isfinite(values)
    if bad.any():
        names = tuple(features[position] for position in np.flatnonzero(bad.any(axis=0)))
        raise FeatureMismatchError(
            f"Features with missing or infinite values: {len(names)}, the first is {names[0]}; "
            f"such values: {int(bad.sum())}. Leave those patients out, or extract them again.",
            names,
        )
    return values


def frozen_vector(values: ArrayLike) -> Array:
    """Return a read-only float64 copy of `values`."""
    array = np.array(values, dtype=np.float64, order="C")
    array.flags.writeable = False
    return array
