"""How good the model is in the patients that it was trained on, once its own optimism is taken off.

The whole selection (z-scores, univariate step, Lasso with its cross-validation, components, Cox) is
repeated in bootstrap samples; what a sample's model loses from its own patients to the original
ones is the optimism [1]_, and how often a feature is selected again is its stability [2]_. The
network is not trained again, and the patients that a sample leaves out have taught it: of a model
with deep features the performance found here means nothing and is shown nowhere
(`models.combined.cross_validation` says how good it is); its stability is shown.

References
----------
.. [1] Harrell FE, Lee KL, Mark DB. Multivariable prognostic models. Stat Med 1996;15:361-387,
    section 5.
.. [2] Heinze G, Wallisch C, Dunkler D. Variable selection: a review. Biom J 2018;60:431-449.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from models.combined.combined_model import CombinedModel
from models.combined.region_comparison import with_best_ring
from models.combined.selected_blocks import train_on_what_is_there, within_follow_up
from models.combined.signature import block_of
from models.errors import TrainingError
from models.survival.concordance import training_concordance
from models.survival.cox_regression import fit_cox
from models.survival.lasso_cross_validation import assign_folds
from models.survival.survival_data import Survival

CORRELATED = 0.9
"""Selected features whose z-scores correlate more strongly than this say the same thing twice."""


@dataclass(frozen=True)
class InternalValidation:
    """Apparent and optimism-corrected performance, stability and redundancy.

    Parameters
    ----------
    resamples, failed : int
        Bootstrap samples, and those in which no model could be trained; they are left out.
    concordance, standard_error : float
        Harrell's C in the training patients and its standard error.
    optimism : float
        Mean loss of C from a sample's own patients to the original ones.
    out_of_bag : float
        Mean C in the patients whom a sample left out: a little too low, as a sample holds fewer
        different patients, where the corrected C tends to be too high when features outnumber
        patients.
    calibration_slope : float
        Mean slope of the samples' linear predictors in the original patients: below 1, risks are
        too extreme.
    stability : mapping of str to float
        Share of the samples in which each feature of the model was selected.
    redundant : tuple of (str, str, float)
        Pairs of selected features and their correlation, where it is above 0.9 in magnitude.
    events_per_candidate : float
        Deaths per feature that was offered to the selection.
    """

    resamples: int
    failed: int
    concordance: float
    standard_error: float
    optimism: float
    out_of_bag: float
    calibration_slope: float
    stability: Mapping[str, float]
    redundant: tuple[tuple[str, str, float], ...]
    events_per_candidate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "stability", MappingProxyType(dict(self.stability)))
        object.__setattr__(
            self, "redundant", tuple((one, two, value) for one, two, value in self.redundant)
        )

    @property
    def corrected_concordance(self) -> float:
        """C less its optimism."""
        return self.concordance - self.optimism


def validate_internally(
    model: CombinedModel,
    features: pd.DataFrame,
    survival: Survival,
    *,
    resamples: int = 100,
    seed: int = 0,
    choose_ring: bool = False,
) -> InternalValidation:
    """Repeat the training of a model in bootstrap samples of its patients.

    Parameters
    ----------
    model : CombinedModel
        The model as trained on all patients.
    features : DataFrame, shape (n, any)
        Their features, indexed by patient key.
    survival : Survival
        Their follow-up, in the same order.
    resamples : int
        Bootstrap samples.
    seed : int
        Seed of the samples and of the folds, which follow the patients, so that no patient is on
        both sides.

    choose_ring : bool
        Whether each sample chooses its own ring, as the model's patients chose theirs.

    Returns
    -------
    InternalValidation

    Raises
    ------
    TrainingError
        If no sample, or fewer than half of them, gave a model.
    """
    order = np.argsort(features.index.to_numpy().astype(str), kind="stable")
    table, outcome = features.iloc[order], survival.subset(order)
    columns = [
        column
        for column in table.columns
        if (block := block_of(str(column))) in model.blocks
        or (choose_ring and block.startswith("ring_"))
    ]
    folds = assign_folds(outcome, model.training.settings.n_folds, seed)
    random = np.random.default_rng(seed)
    optimism, outside, slopes, selected = [], [], [], Counter[str]()
    for _ in range(resamples):
        rows = random.integers(0, outcome.n, outcome.n)
        sample = (
            table[columns].iloc[rows].set_axis([f"{number:06d}" for number in range(rows.size)])
        )
        try:
            again = _train(model, sample, outcome.subset(rows), folds[rows], choose_ring)
            inside = training_concordance(
                outcome.subset(rows), again.linear_predictor(sample)
            ).estimate
            original = again.linear_predictor(table)
            slope = float(fit_cox(original[:, None], outcome).coefficients[0])
            left_out = np.setdiff1d(np.arange(outcome.n), rows)
            unseen = training_concordance(outcome.subset(left_out), original[left_out]).estimate
        except TrainingError:
            continue
        optimism.append(inside - training_concordance(outcome, original).estimate)
        outside.append(unseen)
        slopes.append(slope)
        selected.update(again.features)
    if 2 * len(optimism) < max(resamples, 1):
        raise TrainingError(
            f"Only {len(optimism)} of {resamples} bootstrap samples gave a model: its performance "
            "cannot be corrected for optimism; train on more patients."
        )
    apparent = training_concordance(outcome, model.linear_predictor(table))
    return InternalValidation(
        resamples=resamples,
        failed=resamples - len(optimism),
        concordance=apparent.estimate,
        standard_error=apparent.standard_error,
        optimism=float(np.mean(optimism)),
        out_of_bag=float(np.mean(outside)),
        calibration_slope=float(np.mean(slopes)),
        stability={feature: selected[feature] / len(optimism) for feature in model.features},
        redundant=_redundant(model, table),
        events_per_candidate=outcome.n_events
        / sum(part.selection.n_offered for part in model.signatures),
    )


def _train(
    model: CombinedModel,
    sample: pd.DataFrame,
    survival: Survival,
    folds: np.ndarray,
    choose_ring: bool,
) -> CombinedModel:
    """Train as `model` was; a block in which the sample selects nothing is left out, as in
    training.
    """
    settings = model.training.settings
    return train_on_what_is_there(
        sample,
        survival,
        seed=0,
        blocks=with_best_ring(
            sample, survival, model.blocks, seed=0, settings=settings, folds=folds
        )
        if choose_ring
        else model.blocks,
        horizons=within_follow_up(model.horizons, survival),
        settings=model.training.settings,
        folds=folds,
    )


def _redundant(model: CombinedModel, table: pd.DataFrame) -> tuple[tuple[str, str, float], ...]:
    z = np.hstack([signature.z_score.apply(table) for signature in model.signatures])
    correlation = np.atleast_2d(np.corrcoef(z, rowvar=False))
    rows, columns = np.nonzero(np.triu(np.abs(correlation) > CORRELATED, 1))
    names = model.features
    return tuple(
        (names[row], names[column], float(correlation[row, column]))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    )
