"""The combined model: signatures' features -> principal components -> Cox -> risk (paper, 'Combined
model').

Training learns everything that scoring needs: z-scores, selected features, component loadings, Cox
coefficients, the baseline hazard and the cut-off. Scoring is then a few sums, the same on every
machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.combined.feature_selection import frozen_vector
from models.combined.principal_components import PrincipalComponents, fit_principal_components
from models.combined.signature import SelectionSettings, Signature, train_signature
from models.errors import FeatureMismatchError, TrainingError
from models.survival.baseline_hazard import BaselineHazard, baseline_cumulative_hazard
from models.survival.cox_regression import fit_cox
from models.survival.lasso_cross_validation import LambdaRule, assign_folds
from models.survival.risk_sets import Array
from models.survival.survival_data import Survival
from models.wording import counted

DEEP_BLOCK = "deep"
BLOCKS = ("gtv", "ring_6mm", DEEP_BLOCK)
"""The blocks of the paper's final model."""
HORIZONS = (365, 730, 1095)
"""Days at which survival is predicted: one, two and three years."""
EVENTS_PER_COMPONENT = 10
"""With fewer deaths per coefficient, Cox coefficients tend to be too large [1]_.

References
----------
.. [1] Peduzzi P, Concato J, Feinstein AR, Holford TR. Importance of events per independent
    variable in proportional
   hazards regression analysis. II. J Clin Epidemiol 1995;48(12):1503-1510.
"""


def one_patient(features: Mapping[str, float]) -> pd.DataFrame:
    """Return one patient's features, by column, as the table that a model scores.

    pandas looks at each value of a mapping apart, which takes eighty times as long.
    """
    return pd.DataFrame(np.array([[*features.values()]], dtype=np.float64), columns=[*features])


@dataclass(frozen=True)
class Risk:
    """What the model says of one patient.

    Parameters
    ----------
    linear_predictor : float
        Log hazard relative to the average training patient.
    high_risk : bool
        True above the cut-off.
    survival : mapping of int to float
        Probability of being alive after so many days.
    contributions : mapping of str to float
        Part of the linear predictor that comes from each block; they add up to it.
    """

    linear_predictor: float
    high_risk: bool
    survival: Mapping[int, float]
    contributions: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "survival", MappingProxyType(dict(self.survival)))
        object.__setattr__(self, "contributions", MappingProxyType(dict(self.contributions)))


@dataclass(frozen=True)
class TrainingSummary:
    """Facts of the fit.

    Parameters
    ----------
    n, n_events : int
        Training patients and deaths.
    seed : int
        Seed of the cross-validation folds.
    settings : SelectionSettings
        How features were selected.
    variance_explained : float
        Share of the selected features' variance that the components keep.
    log_likelihood, null_log_likelihood : float
        Partial log-likelihood of the Cox model and of the empty model.
    warnings : tuple of str
        Sentences on what makes the model less trustworthy.
    """

    n: int
    n_events: int
    seed: int
    settings: SelectionSettings
    variance_explained: float
    log_likelihood: float
    null_log_likelihood: float
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "warnings", tuple(self.warnings))


@dataclass(frozen=True, eq=False)
class CombinedModel:
    """A trained model, ready to score.

    Parameters
    ----------
    signatures : tuple of Signature
        One per block, p features in all.
    components : PrincipalComponents
        Of the p z-scores, k components.
    cox_coefficients, cox_standard_errors : ndarray, shape (k,)
        Log hazard ratio per unit of each component, and its standard error.
    baseline : BaselineHazard
        Cumulative hazard of a patient whose linear predictor is 0 (Efron).
    cutoff : float
        Median linear predictor of the training patients; above it is high risk.
    horizons : tuple of int
        Days at which survival is predicted.
    training : TrainingSummary
        Facts of the fit.

    Raises
    ------
    TrainingError
        If the parts do not fit together or a horizon is beyond the training patients' follow-up.
    """

    signatures: tuple[Signature, ...]
    components: PrincipalComponents
    cox_coefficients: Array
    cox_standard_errors: Array
    baseline: BaselineHazard
    cutoff: float
    horizons: tuple[int, ...]
    training: TrainingSummary

    def __post_init__(self) -> None:
        coefficients, errors = (
            frozen_vector(self.cox_coefficients),
            frozen_vector(self.cox_standard_errors),
        )
        p, k = self.components.loadings.shape
        if p != len(self.features) or coefficients.shape != (k,) or errors.shape != (k,):
            raise TrainingError(
                f"The model has {counted(len(self.features), 'feature')}, loadings of shape "
                f"{(p, k)} and {counted(coefficients.size, 'Cox coefficient')}: expected one row "
                "per feature and one column per coefficient."
            )
        if not (
            np.isfinite(coefficients).all()
            and np.isfinite(errors).all()
            and np.isfinite(self.cutoff)
        ):
            raise TrainingError(
                "A Cox coefficient or the cut-off is not a finite number: train the model again."
            )
        beyond = [horizon for horizon in self.horizons if not 0 < horizon <= self.baseline.last_day]
        if beyond or not self.horizons:
            raise TrainingError(
                f"Survival at {beyond[0] if beyond else 'no'} days cannot be predicted from "
                f"follow-up of up to {counted(self.baseline.last_day, 'day')}: use horizons within "
                "the training patients' follow-up."
            )
        object.__setattr__(self, "cox_coefficients", coefficients)
        object.__setattr__(self, "cox_standard_errors", errors)

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks that the model reads."""
        return tuple(signature.block for signature in self.signatures)

    @property
    def features(self) -> tuple[str, ...]:
        """The feature columns that the model reads, in the order of the loadings."""
        return tuple(feature for signature in self.signatures for feature in signature.features)

    @property
    def needs_network(self) -> bool:
        """Whether deep features are among `features`."""
        return DEEP_BLOCK in self.blocks

    @property
    def feature_weights(self) -> Array:
        """Log hazard per standard deviation of each feature, shape (p,): loadings times Cox
        coefficients.
        """
        return _weights(self.components, self.cox_coefficients)

    def score(self, features: pd.DataFrame) -> tuple[Risk, ...]:
        """Return linear predictor, risk group and survival of each patient.

        Parameters
        ----------
        features : DataFrame, shape (n, any)
            One row per patient, with at least the columns of `features`; others are ignored.

        Returns
        -------
        tuple of Risk
            One per row, in their order.

        Raises
        ------
        FeatureMismatchError
            If a column is absent or a value is missing.
        """
        parts = self._parts(features)
        linear_predictor = parts.sum(axis=1)
        survival = self.baseline.survival(self.horizons, linear_predictor)
        blocks = np.array(
            [signature.block for signature in self.signatures for _ in signature.features]
        )
        by_block = {
            block: np.ascontiguousarray(parts[:, blocks == block]).sum(axis=1)
            for block in self.blocks
        }
        return tuple(
            Risk(
                float(value),
                bool(value > self.cutoff),
                {
                    horizon: float(survival[row, column])
                    for column, horizon in enumerate(self.horizons)
                },
                {block: float(part[row]) for block, part in by_block.items()},
            )
            for row, value in enumerate(linear_predictor)
        )

    def linear_predictor(self, features: pd.DataFrame) -> Array:
        """Return each patient's linear predictor, shape (n,), centred on the training mean."""
        return np.asarray(self._parts(features).sum(axis=1), dtype=np.float64)

    def signature_values(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return each single signature's value, one column per block, for comparison with the
        combined model.
        """
        return pd.DataFrame(
            {signature.block: signature.values(features) for signature in self.signatures},
            index=features.index,
        )

    def _parts(self, features: pd.DataFrame) -> Array:
        """Each feature's part of the linear predictor, shape (n, p)."""
        z = _stacked(self.signatures, features)
        return _summands(z, self.components, self.cox_coefficients)


def train_combined_model(
    features: pd.DataFrame,
    outcome: Survival,
    *,
    seed: int,
    blocks: Sequence[str] = BLOCKS,
    horizons: Sequence[int] = HORIZONS,
    settings: SelectionSettings | None = None,
    folds: NDArray[np.intp] | None = None,
) -> CombinedModel:
    """Train the combined model on one centre.

    The result does not depend on the order of the patients: they are sorted by their key first.

    Parameters
    ----------
    features : DataFrame, shape (n, any)
        Indexed by patient key, columns ``<block>:<name>``.
    outcome : Survival
        Follow-up of the same patients in the same order.
    seed : int
        Seed of the cross-validation folds, which all blocks share.
    blocks : sequence of str
        Blocks to combine.
    horizons : sequence of int
        Days at which survival will be predicted.
    settings : SelectionSettings, optional
        Default is the paper's.
    folds : ndarray of int, shape (n,), optional
        Fold of each patient (as in `features`) to use instead of drawing them.

    Returns
    -------
    CombinedModel

    Raises
    ------
    NoFeatureSelectedError
        If a block is left without a feature; its `block` attribute says which.
    TrainingError
        If there are too few deaths, no such block, or a horizon beyond follow-up.
    FeatureMismatchError
        If patients repeat, lengths differ or a value is missing.
    """
    if features.shape[0] != outcome.n:
        raise FeatureMismatchError(
            f"There are features of {counted(features.shape[0], 'patient')} and outcomes of "
            f"{outcome.n}: give both for the same patients in the same order."
        )
    if features.index.has_duplicates:
        n_twice = int(features.index.duplicated().sum())
        raise FeatureMismatchError(
            f"{counted(n_twice, 'row')} of features {'repeats' if n_twice == 1 else 'repeat'} a "
            "patient: give each patient once."
        )
    if not blocks or len(set(blocks)) != len(blocks):
        raise TrainingError(
            "The blocks of the combined model are empty or repeat: name each block once."
        )
    chosen = settings or SelectionSettings()
    order = np.argsort(features.index.to_numpy().astype(str), kind="stable")
    table, survival = features.iloc[order], outcome.subset(order)
    shared = (
        assign_folds(survival, chosen.n_folds, seed) if folds is None else np.asarray(folds)[order]
    )
    signatures = tuple(
        train_signature(block, table, survival, settings=chosen, folds=shared) for block in blocks
    )
    z = _stacked(signatures, table)
    components, explained = fit_principal_components(z)
    fit = fit_cox(components.scores(z), survival)
    # As scoring adds it up: of an odd number of patients the median one is then never above itself.
    linear_predictor = _summands(z, components, fit.coefficients).sum(axis=1)
    return CombinedModel(
        signatures=signatures,
        components=components,
        cox_coefficients=fit.coefficients,
        cox_standard_errors=fit.standard_errors,
        baseline=baseline_cumulative_hazard(linear_predictor, survival),
        cutoff=float(np.median(linear_predictor)),
        horizons=tuple(int(horizon) for horizon in horizons),
        training=TrainingSummary(
            survival.n,
            survival.n_events,
            seed,
            chosen,
            explained,
            fit.log_likelihood,
            fit.null_log_likelihood,
            (
                *_warnings(survival, fit.coefficients.size, chosen.lambda_rule),
                *(_at_path_end(one) for one in signatures if one.selection.at_path_end),
            ),
        ),
    )


def _weights(components: PrincipalComponents, coefficients: Array) -> Array:
    """Log hazard per standard deviation of each feature, shape (p,)."""
    # Sums in a fixed order, so that a score has the same bits however many patients are scored
    # at once.
    return np.asarray((components.loadings * coefficients).sum(axis=1), dtype=np.float64)


def _summands(z: Array, components: PrincipalComponents, coefficients: Array) -> Array:
    """Each feature's part of the linear predictor, shape (n, p)."""
    weights = _weights(components, coefficients)
    return np.asarray((z - components.center) * weights, dtype=np.float64)


def _stacked(signatures: tuple[Signature, ...], table: pd.DataFrame) -> Array:
    """Z-scores of all selected features side by side, shape (n, p)."""
    return np.hstack([signature.z_score.apply(table) for signature in signatures])


def _at_path_end(signature: Signature) -> str:
    """What to say of a penalty below which none was tried."""
    return (
        f"The Lasso of block {signature.block} takes the smallest penalty of its path, "
        f"{signature.selection.penalty:.3g}: a smaller one, which keeps more features, might "
        "predict better."
    )


def _warnings(survival: Survival, n_components: int, rule: LambdaRule) -> tuple[str, ...]:
    """What to say of a Cox model with so many components."""
    if survival.n_events >= EVENTS_PER_COMPONENT * n_components:
        return ()
    per_component = survival.n_events / n_components
    can_be_leaner = rule is not LambdaRule.ONE_STANDARD_ERROR
    sentence = (
        f"The Cox model has {n_components} component{'s' if n_components > 1 else ''} for "
        f"{counted(survival.n_events, 'death')}, {per_component:.1f} deaths per component where at "
        f"least {EVENTS_PER_COMPONENT} are advised: expect risks that are too extreme in other "
        "patients; train on more patients"
        + (
            f", or keep fewer features with the lambda rule {LambdaRule.ONE_STANDARD_ERROR}."
            if can_be_leaner
            else "."
        )
    )
    return (sentence,)
