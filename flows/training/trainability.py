"""What no model can come from is refused before the network trains for hours."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from feature_store.clinical_records import ClinicalRecord
from feature_store.expectations.follow_up_facts import follow_up_facts
from feature_store.tables.store import FeatureStore
from feature_store.wording import counted
from flows.data.eligible_patients import eligible_patients, survival_of
from flows.data.follow_up import refuse_follow_up
from flows.installation import Installation
from flows.training.network import offered_regions
from flows.training.request import TrainingRequest
from models.combined.combined_model import BLOCKS, DEEP_BLOCK, HORIZONS, CombinedModel
from models.combined.region_comparison import with_best_ring
from models.combined.sample_splitting import split_learners
from models.combined.selected_blocks import train_on_what_is_there
from models.combined.signature import SelectionSettings
from models.errors import NoFeatureSelectedError, TrainingError
from models.network.training import NetworkTraining, split_patients
from models.survival.lasso_cross_validation import LambdaRule, assign_folds
from models.survival.survival_data import Survival


def check_trainable(
    work: Installation,
    request: TrainingRequest,
    source: FeatureStore,
    records: dict[str, ClinicalRecord],
) -> None:
    """Refuse, before the network trains for hours, a centre that a later step would refuse.

    Raises
    ------
    TrainingError
        If no patient has features and an outcome, there are too few deaths or too short a
        follow-up, or the radiomics cannot be fitted.
    """
    regions = offered_regions(work, request)
    features = source.features(request.center, regions, work.settings.extraction().digest)
    patients = eligible_patients(features, records)
    if patients.empty:
        raise TrainingError(
            f"Centre {request.center} has {counted(len(features), 'patient')} with features and "
            f"{counted(len(records), 'eligible clinical record')}, but no patient with both: "
            "push its studies and import its clinical table first."
        )
    whole = source.clinical(request.center)
    refuse_follow_up(request.center, whole, follow_up_facts(whole, min(HORIZONS)))
    survival = survival_of(records, patients.index)
    _check_deaths(survival, request)
    if survival.days.max() < max(HORIZONS):
        raise TrainingError(
            f"The patients of centre {request.center} were followed for "
            f"{counted(float(survival.days.max()), 'day')} at most, but survival is to be "
            f"predicted at {max(HORIZONS)} days: train on a centre with longer follow-up."
        )
    _check_folds(survival, request)
    rows = split_learners(survival, request.deep_features, request.seed).of_model
    _check_radiomics(request, patients.iloc[rows], survival.subset(rows))


def refuse_few_deaths(model: CombinedModel, least: float) -> None:
    """Refuse a model whose Cox model has too many components for its deaths.

    Parameters
    ----------
    model : CombinedModel
        As it was fitted.
    least : float
        Deaths for each component, at least.

    Raises
    ------
    TrainingError
        If there are fewer.
    """
    components, deaths = model.cox_coefficients.size, model.training.n_events
    if deaths >= least * components:
        return
    fewer = (
        f"keep fewer features with the lambda rule {LambdaRule.ONE_STANDARD_ERROR} (--lambda-rule "
        f"{LambdaRule.ONE_STANDARD_ERROR}), "
        if model.training.settings.lambda_rule is not LambdaRule.ONE_STANDARD_ERROR
        else ""
    )
    raise TrainingError(
        f"The Cox model has {components} components for {counted(deaths, 'death')}, "
        f"{deaths / components:.1f} for each, expected at least {least:g}: {fewer}train on more "
        "patients, or ask for such a model (--least-deaths-per-component 0)."
    )


def _check_deaths(survival: Survival, request: TrainingRequest) -> None:
    """Refuse too few deaths to share among those who teach network and model, and within each."""
    learners = split_learners(survival, request.deep_features, request.seed)
    assign_folds(survival.subset(learners.of_model), SelectionSettings().n_folds, request.seed)
    split_patients(survival.subset(learners.of_network), NetworkTraining().held_out, request.seed)


def _check_folds(survival: Survival, request: TrainingRequest) -> None:
    """Refuse folds that would leave too few deaths to the others."""
    if not request.folds:
        return
    try:
        numbers = assign_folds(survival, request.folds, request.seed)
        for number in range(request.folds):
            _check_deaths(survival.subset((numbers != number).nonzero()[0]), request)
    except TrainingError as error:
        raise TrainingError(
            f"The whole training cannot be cross-validated in {counted(request.folds, 'fold')}: "
            f"{error} Or ask for other folds (--folds), or for none (--folds 0), which leaves the "
            "model without internal validation."
        ) from error


def _check_radiomics(request: TrainingRequest, patients: pd.DataFrame, survival: Survival) -> None:
    """Fit what can be fitted without the network, and refuse what would be refused after it."""
    settings = request.selection()
    blocks: Sequence[str] = [block for block in BLOCKS if block != DEEP_BLOCK]
    try:
        if request.chooses_ring:
            blocks = with_best_ring(
                patients, survival, blocks, seed=request.seed, settings=settings
            )
        model = train_on_what_is_there(
            patients,
            survival,
            seed=request.seed,
            blocks=blocks,
            horizons=HORIZONS,
            settings=settings,
        )
    except NoFeatureSelectedError:
        return  # deep features may yet say something
    except TrainingError as error:
        raise TrainingError(
            f"The radiomics of centre {request.center} give no Cox model, so the network is not "
            f"trained: {error} Fewer features may do (--lambda-rule "
            f"{LambdaRule.ONE_STANDARD_ERROR})."
        ) from error
    refuse_few_deaths(model, request.least_deaths_per_component)
