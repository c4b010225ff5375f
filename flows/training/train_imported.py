"""The flow `train-imported`: the paper's model of radiomics alone, trained on features that were
made elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from prefect.client.schemas.objects import State
from prefect.states import Completed

from feature_store.expectations.follow_up_facts import follow_up_facts
from feature_store.wording import counted
from flows.data.eligible_patients import eligible_patients, eligible_records, survival_of
from flows.data.elsewhere import imported_matrix, imported_of_center, one_way_made
from flows.data.follow_up import refuse_follow_up
from flows.installation import installation
from flows.refusal import refusable_flow
from flows.runs.account import about, warn
from flows.training.bundle_facts import IntendedUse, bundle_facts
from flows.training.request import TrainingRequest
from flows.training.train_model import (
    digests_of_training,
    fit_combined_model,
    gather_evidence,
    range_of_training,
)
from flows.training.trainability import refuse_few_deaths
from models.bundle.frozen_bundle import freeze
from models.combined.combined_model import BLOCKS, DEEP_BLOCK, HORIZONS
from models.combined.cross_validation import CrossValidation, cross_validate
from models.combined.signature import block_columns, block_of
from models.errors import TrainingError
from models.survival.survival_data import Survival

TABLES_READ = ("clinical", "images", "imported_features", "replaced")
"""Tables of the feature store that a bundle follows from."""
USE = IntendedUse(
    "Research: prediction of overall survival after radiotherapy of non-small-cell lung cancer "
    "from radiomic features that were made elsewhere and imported; it scores such features and no "
    "image, and is not validated for decisions about patients.",
    "Demonstration model, not for clinical use: trained on imported features to show how the "
    "system works.",
)
PACKAGES = ("numpy", "pandas", "scipy")
"""Whose versions the numbers of such a bundle may depend on."""


@refusable_flow(name="train-imported", flow_run_name="{request.center}")
def train_imported(request: TrainingRequest) -> State[None]:
    """Select features that were made elsewhere, fit the combined model and freeze it, without any
    network.

    Parameters
    ----------
    request : TrainingRequest
        Training centre, folder of the bundle, seed; what is about networks is not looked at.
    """
    work = installation()
    center = work.center(request.center).name
    about(center)
    if request.robust is not None:
        raise TrainingError(
            "Robust features are found by perturbing contours, and features that were made "
            "elsewhere have none: train without --robust."
        )
    versions = request.store_versions or work.store.versions()
    source = work.store.pinned(
        {name: version for name, version in versions.items() if name in TABLES_READ}
    )
    found = imported_of_center(source, center)
    settings = one_way_made(center, found)
    records = eligible_records(source, center)
    features = _offered(center, imported_matrix(found))
    patients = eligible_patients(features, records)
    if patients.empty:
        raise TrainingError(
            f"Centre {center} has {counted(len(features), 'patient')} with imported features and "
            f"{counted(len(records), 'eligible clinical record')}, but no patient with both: "
            "import its clinical table, with the same Patient IDs."
        )
    whole = source.clinical(center)
    refuse_follow_up(center, whole, follow_up_facts(whole, min(HORIZONS)))
    survival = survival_of(records, patients.index)
    if survival.days.max() < max(HORIZONS):
        raise TrainingError(
            f"The patients of centre {center} were followed for "
            f"{counted(float(survival.days.max()), 'day')} at most, but survival is to be "
            f"predicted at {max(HORIZONS)} days: train on a centre with longer follow-up."
        )
    model = fit_combined_model(request, patients, records)
    refuse_few_deaths(model, request.least_deaths_per_component)
    evidence = replace(
        gather_evidence(request, patients, features, records, model, ()),
        cross_validations=_cross_validated(request, patients, survival),
    )
    request.bundle.parent.mkdir(parents=True, exist_ok=True)
    digest = freeze(
        request.bundle,
        model,
        None,
        bundle_facts(request, source, settings, USE, PACKAGES),
        evidence,
        applicability=range_of_training(features, records, records, model, ()),
        digests=digests_of_training(request, source, records),
    )
    return Completed(
        message=f"Bundle {digest} frozen in {request.bundle.name} from "
        f"{counted(model.training.n, 'patient')} with {counted(model.training.n_events, 'death')} "
        "and features that were made elsewhere: pin this digest in the [model] table"
    )


def _offered(center: str, features: pd.DataFrame) -> pd.DataFrame:
    """Return the features that all patients have; say how many some patients lack."""
    whole: pd.DataFrame = features.dropna(axis="columns")
    if lacking := features.shape[1] - whole.shape[1]:
        warn(
            f"{counted(lacking, 'imported feature')} of centre {center} "
            f"{'is' if lacking == 1 else 'are'} not offered to the selection, as some patients "
            "lack them."
        )
    if whole.empty:
        raise TrainingError(
            f"The {counted(len(features), 'patient')} of centre {center} share no imported feature"
            ": import tables with the same features for all."
        )
    regions = {block_of(str(name)) for name in whole.columns} & set(BLOCKS)
    if not regions:
        raise TrainingError(
            f"The imported features of centre {center} are of none of the model's regions "
            f"({', '.join(block for block in BLOCKS if block != DEEP_BLOCK)}): import one of them."
        )
    return whole


def _cross_validated(
    request: TrainingRequest, patients: pd.DataFrame, survival: Survival
) -> tuple[CrossValidation, ...]:
    """Cross-validate the selection and the Cox model, if folds are asked for."""
    if not request.folds:
        return ()
    try:
        found = cross_validate(
            patients,
            survival,
            folds=request.folds,
            seed=request.seed,
            blocks=[block for block in BLOCKS if block_columns(patients, block).shape[1]],
            settings=request.selection(),
            choose_ring=request.chooses_ring,
        )
    except TrainingError as error:
        warn(str(error))
        return ()
    return (found,)
