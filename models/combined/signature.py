"""A signature: the weighted sum of the few features of one block that the Lasso left (paper,
'Signatures').

A block is what stands before the colon of a feature column: a region (``gtv``, ``ring_6mm``) or
``deep``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.combined.feature_selection import ZScore, frozen_vector, select_univariate
from models.errors import NoFeatureSelectedError, TrainingError
from models.survival.lasso_cross_validation import (
    LambdaRule,
    assign_folds,
    cross_validate_lasso,
    lasso_lambdas,
)
from models.survival.risk_sets import Array
from models.survival.survival_data import Survival
from models.wording import counted

_HOW_WELL = {
    LambdaRule.MIN: "best",
    LambdaRule.ONE_STANDARD_ERROR: "within one standard error of the best model",
}


@dataclass(frozen=True)
class SelectionSettings:
    """How features are selected.

    Parameters
    ----------
    alpha : float
        Level of the univariate Cox p value.
    n_folds : int
        Folds of the Lasso's cross-validation.
    n_lambdas : int
        Penalties on the path, at most.
    lambda_ratio : float or None
        Smallest over largest penalty; `None` for glmnet's default path, which also ends where
        smaller penalties no longer explain more.
    lambda_rule : LambdaRule
        Which penalty is taken: ``min`` (default) or ``1se``, which keeps fewer features.

    Raises
    ------
    TrainingError
        If a setting is outside its range.
    """

    alpha: float = 0.05
    n_folds: int = 10
    n_lambdas: int = 100
    lambda_ratio: float | None = None
    lambda_rule: LambdaRule = LambdaRule.MIN

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 1:
            raise TrainingError(
                f"The selection level alpha is {self.alpha}: use a number above 0 and up to 1."
            )
        if self.n_folds < 2:
            raise TrainingError(
                f"Cross-validation has {counted(self.n_folds, 'fold')}: use at least 2."
            )
        if self.n_lambdas < 2 or not (self.lambda_ratio is None or 0 < self.lambda_ratio < 1):
            raise TrainingError(
                f"The Lasso path has {counted(self.n_lambdas, 'penalty', 'penalties')} down to "
                f"{self.lambda_ratio} of the largest: use at least 2 penalties and a ratio between "
                "0 and 1."
            )
        if self.lambda_rule not in list(LambdaRule):
            raise TrainingError(
                f"The rule {self.lambda_rule!r} does not choose a penalty: use "
                + " or ".join(LambdaRule)
                + "."
            )
        object.__setattr__(self, "lambda_rule", LambdaRule(self.lambda_rule))


@dataclass(frozen=True)
class SelectionSummary:
    """What was offered and what each step left.

    Parameters
    ----------
    n_offered, n_unusable, n_significant, n_selected : int
        Features at the start, left out as constant or not estimable, below alpha alone, kept by the
        Lasso.
    penalty : float
        The Lasso's penalty, chosen by the settings' rule.
    deviance : float
        Its cross-validated deviance per death.
    at_path_end : bool
        Whether no smaller penalty was tried, so that a better one may lie beyond.
    """

    n_offered: int
    n_unusable: int
    n_significant: int
    n_selected: int
    penalty: float
    deviance: float
    at_path_end: bool = field(default=False, metadata={"later": True})


@dataclass(frozen=True, eq=False)
class Signature:
    """A frozen signature of one block.

    Parameters
    ----------
    block : str
        Region name or ``deep``.
    z_score : ZScore
        The p selected features with the training centre's means and standard deviations.
    coefficients : ndarray, shape (p,)
        Lasso coefficients per standard deviation, none of them 0.
    selection : SelectionSummary
        How they were found.

    Raises
    ------
    TrainingError
        If there is not one finite, non-zero coefficient per feature, or a feature is of another
        block.
    """

    block: str
    z_score: ZScore = field(metadata={"inline": True})
    coefficients: Array
    selection: SelectionSummary

    def __post_init__(self) -> None:
        coefficients = frozen_vector(self.coefficients)
        if coefficients.shape != (len(self.z_score.features),) or coefficients.size == 0:
            raise TrainingError(
                f"The signature of {self.block} has "
                f"{counted(len(self.z_score.features), 'feature')} and "
                f"{counted(coefficients.size, 'coefficient')}: expected one each, and at least one."
            )
        if not np.isfinite(coefficients).all() or (coefficients == 0).any():
            raise TrainingError(
                f"A coefficient of the signature of {self.block} is 0 or not finite: train it "
                "again."
            )
        foreign = [name for name in self.z_score.features if block_of(name) != self.block]
        if foreign:
            raise TrainingError(
                f"The signature of {self.block} has a feature of another block: {foreign[0]}."
            )
        object.__setattr__(self, "coefficients", coefficients)

    @property
    def features(self) -> tuple[str, ...]:
        """The selected feature columns."""
        return self.z_score.features

    def values(self, table: pd.DataFrame) -> Array:
        """Return each patient's sum of coefficient x z-score, shape (n,).

        Raises
        ------
        FeatureMismatchError
            If a selected column is absent or has a missing value.
        """
        # A row sum, not a matrix product: the same bits however many patients are scored at once.
        return np.asarray(
            (self.z_score.apply(table) * self.coefficients).sum(axis=1), dtype=np.float64
        )


def block_of(column: str) -> str:
    """Return the block of a feature column: what stands before the colon."""
    return column.partition(":")[0]


def block_columns(table: pd.DataFrame, block: str) -> pd.DataFrame:
    """Return the columns of `block`, in their order."""
    return table.loc[:, [block_of(str(column)) == block for column in table.columns]]


def train_signature(
    block: str,
    table: pd.DataFrame,
    survival: Survival,
    *,
    settings: SelectionSettings | None = None,
    seed: int = 0,
    folds: NDArray[np.intp] | None = None,
) -> Signature:
    """Select the features of one block and weigh them.

    Parameters
    ----------
    block : str
        Block to train.
    table : DataFrame, shape (n, any)
        Features of the training patients; only columns of `block` are looked at.
    survival : Survival
        Follow-up of the same patients in the same order.
    settings : SelectionSettings, optional
        Default is the paper's.
    seed : int
        Seed of the cross-validation folds.
    folds : ndarray of int, shape (n,), optional
        Folds to use instead of drawing them.

    Returns
    -------
    Signature

    Raises
    ------
    NoFeatureSelectedError
        If no feature is associated with survival, or the Lasso keeps none.
    TrainingError
        If there are too few deaths.
    """
    chosen = settings or SelectionSettings()
    candidates = block_columns(table, block)
    if candidates.shape[1] == 0:
        raise TrainingError(
            f"There is no feature column of block {block}: extract it, or train without this block."
        )
    if folds is None:
        folds = assign_folds(survival, chosen.n_folds, seed)
    return Signature(block, *select_weights(block, candidates, survival, chosen, folds))


def select_weights(
    block: str,
    candidates: pd.DataFrame,
    survival: Survival,
    chosen: SelectionSettings,
    folds: NDArray[np.intp],
) -> tuple[ZScore, Array, SelectionSummary]:
    """Select among candidate features, of one block or of several.

    Parameters
    ----------
    block : str
        What the candidates are called in messages.
    candidates : DataFrame, shape (n, p)
        Every column is a candidate.
    survival : Survival
        Follow-up of the same patients in the same order.
    chosen : SelectionSettings
        How to select.
    folds : ndarray of int, shape (n,)
        Fold of each patient.

    Returns
    -------
    ZScore
        Of the k features that were selected.
    ndarray, shape (k,)
        Their Lasso coefficients, none of them 0.
    SelectionSummary
        How they were found.

    Raises
    ------
    NoFeatureSelectedError
        If no feature is associated with survival, or the Lasso keeps none.
    """
    selection = select_univariate(candidates, survival, chosen.alpha)
    n_significant = len(selection.z_score.features)
    if n_significant == 0:
        raise NoFeatureSelectedError(
            f"None of {counted(candidates.shape[1], 'feature')} of block {block} has a univariate "
            f"Cox p value below {chosen.alpha:g} in {counted(survival.n, 'patient')} with "
            f"{counted(survival.n_events, 'death')}: train on more patients or without this block.",
            block,
        )
    z = selection.z_score.apply(candidates)
    lambdas = lasso_lambdas(z, survival, chosen.n_lambdas, chosen.lambda_ratio)
    stops = chosen.lambda_ratio is None
    lasso = cross_validate_lasso(z, survival, lambdas, folds, stops=stops)
    position = lasso.index(chosen.lambda_rule)
    coefficients = lasso.coefficients[:, position]
    kept = np.flatnonzero(np.abs(coefficients) > 0)
    if kept.size == 0:
        raise NoFeatureSelectedError(
            f"The Lasso keeps none of {counted(n_significant, 'feature')} of block {block}, "
            "because an empty model predicts the patients left out "
            f"{_HOW_WELL[chosen.lambda_rule]} ({counted(survival.n, 'patient')}, "
            f"{counted(survival.n_events, 'death')}): train on more patients or without this "
            "block.",
            block,
        )
    summary = SelectionSummary(
        selection.n_offered,
        len(selection.dropped),
        n_significant,
        int(kept.size),
        float(lasso.lambdas[position]),
        float(lasso.deviance[position]),
        position == lasso.lambdas.size - 1,
    )
    return selection.z_score.keep(kept), coefficients[kept], summary
