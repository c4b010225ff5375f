"""The flow `train-model`: the paper's training steps on one centre of the feature store, ending in
a frozen bundle.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field

from feature_store.clinical_records import ClinicalRecord
from feature_store.expectations.follow_up_rules import follow_up_facts
from feature_store.imaging.regions import Region
from feature_store.tables.store import FeatureStore
from flows.data.eligible_patients import eligible_patients, eligible_records, survival_of
from flows.data.follow_up import refuse_follow_up
from flows.data.replaced import note_replaced
from flows.installation import Installation, installation
from flows.refusal import refusable_flow
from flows.runs.account import about, warn
from flows.software_version import package_versions, software_version
from models.bundle.facts import BundleFacts
from models.bundle.frozen_bundle import freeze
from models.bundle.training_digests import TrainingDigests, training_digests
from models.bundle.training_evidence import TrainingEvidence
from models.combined.applicability import Applicability, fit_joint_distance
from models.combined.combat import CombatReference, fit_combat_reference
from models.combined.combined_model import (
    BLOCKS,
    DEEP_BLOCK,
    HORIZONS,
    CombinedModel,
    train_combined_model,
)
from models.combined.optimism import validate_internally
from models.combined.region_comparison import RegionResult, compare_regions
from models.combined.signature import SelectionSettings, block_columns, block_of
from models.errors import NoFeatureSelectedError, TrainingError
from models.network.backend_name import backend_package
from models.network.checkpoint import Epoch
from models.network.deep_features import DeepFeatureExtractor
from models.network.engines import LIMIT, GraphCheck, frozen_graph
from models.network.training import NetworkTraining, split_patients, train_network
from models.network.weights import NetworkWeights
from models.survival.lasso_cross_validation import LambdaRule, assign_folds

BUNDLE_PACKAGES = ("numpy", "pandas", "pyradiomics", "SimpleITK", "scipy", "keras", "onnx")
TABLES_READ = ("acquisitions", "clinical", "deep_input", "images", "radiomics", "replaced")
"""Tables of the feature store that a bundle follows from."""
TUMOURS_COMPARED = 16
"""On how many real tumours the network's ONNX graph is held against Keras."""
INTENDED_USE = (
    "Research: prediction of overall survival after radiotherapy of non-small-cell lung cancer "
    "from the planning CT and its GTV contour; not validated for decisions about patients."
)
DEMONSTRATION_USE = (
    "Demonstration model, not for clinical use: trained on synthetic patients to show how the "
    "system works."
)


class TrainingRequest(BaseModel):
    """What to train on and where to put the result."""

    model_config = ConfigDict(extra="forbid")

    center: str = Field(description="Training centre, as the settings file names it.")
    bundle: Path = Field(description="Folder of the new bundle; it must not hold another one.")
    name: str = Field(default="annulus", description="Name of the model.")
    version: str = Field(default="1", description="Version of the model.")
    seed: int = Field(default=20260101, ge=0, description="Seed of everything random.")
    network_epochs: int = Field(
        default=100, ge=1, le=10_000, description="Epochs of the network, at most."
    )
    lambda_rule: LambdaRule = Field(
        default=LambdaRule.MIN,
        description="Penalty of the Lasso: smallest deviance, or 1se for fewer features.",
    )
    squeeze_excitation: bool = Field(
        default=True, description="False trains the ablation without SE modules."
    )
    bootstraps: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="Bootstrap samples that take the optimism off the performance; 0 for none.",
    )
    store_versions: dict[str, int] | None = Field(
        default=None,
        description="Versions of the feature store's tables to train on; default: the newest.",
    )
    demonstration: bool = Field(
        default=False, description="Mark the bundle as not for clinical use."
    )


@refusable_flow(name="train-model", flow_run_name="{request.center}")
def train_model(request: TrainingRequest) -> State[None]:
    """Train the network, select features, fit the combined model and freeze all of it.

    A run that was killed continues with the epoch after the last one that it finished.

    Parameters
    ----------
    request : TrainingRequest
        Training centre, folder of the bundle, seed, epochs.
    """
    work = installation()
    center = work.center(request.center).name
    about(center)
    source = training_store(work, request)
    records = eligible_records(source, center)
    check_trainable(work, request, source, records)
    network, curve, held_out = train_deep_features(work, request, source, records)
    features = combined_model_features(work, request, source, network)
    model = fit_combined_model(request, features, records)
    compared = compared_region_features(work, request, source)
    graph, graph_check = network_graph(request, source, network, model)
    evidence = replace(
        gather_evidence(request, features, compared, records, model, curve), graph=graph_check
    )
    request.bundle.parent.mkdir(parents=True, exist_ok=True)
    combat = combat_reference(work, features, records, model)
    digest = freeze(
        request.bundle,
        model,
        network,
        bundle_facts(work, request, source),
        evidence,
        combat,
        graph,
        applicability=range_of_training(features, records, model, held_out),
        digests=digests_of_training(request, source, records),
    )
    checkpoint_file(work, request).unlink(missing_ok=True)
    return Completed(
        message=f"bundle {digest} frozen in {request.bundle.name} from {model.training.n} patients "
        f"with {model.training.n_events} deaths: pin this digest in the [model] table"
    )


def training_store(work: Installation, request: TrainingRequest) -> FeatureStore:
    """Return the feature store as it is now, or as it was at the versions asked for, whatever
    arrives meanwhile.
    """
    if request.store_versions is None:
        note_replaced(work)
    versions = (
        request.store_versions if request.store_versions is not None else work.store.versions()
    )
    return work.store.pinned(
        {name: version for name, version in versions.items() if name in TABLES_READ}
    )


def checkpoint_file(work: Installation, request: TrainingRequest) -> Path:
    """Return where an unfinished training of the network is kept."""
    kind = "se" if request.squeeze_excitation else "no-se"
    return work.settings.node.folder / "training" / f"{request.center}-{kind}.checkpoint"


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
        If no patient has features and an outcome, or there are too few deaths or too short a
        follow-up.
    """
    regions = [Region.GTV, Region.RING_6MM]
    features = source.features(request.center, regions, work.settings.extraction().digest)
    patients = eligible_patients(features, records)
    if patients.empty:
        raise TrainingError(
            f"Centre {request.center} has {len(features)} patients with features and "
            f"{len(records)} eligible clinical records, but no patient with both: push its studies "
            "and import its clinical table first."
        )
    whole = source.clinical(request.center)
    refuse_follow_up(request.center, whole, follow_up_facts(whole, min(HORIZONS)))
    survival = survival_of(records, patients.index)
    assign_folds(survival, SelectionSettings().n_folds, request.seed)
    split_patients(survival, NetworkTraining().held_out, request.seed)
    if survival.days.max() < max(HORIZONS):
        raise TrainingError(
            f"The patients of centre {request.center} were followed for {survival.days.max():g} "
            f"days at most, but survival is to be predicted at {max(HORIZONS)} days: train on a "
            "centre with longer follow-up."
        )


@task(name="train network", cache_policy=NO_CACHE)
def train_deep_features(
    work: Installation,
    request: TrainingRequest,
    source: FeatureStore,
    records: dict[str, ClinicalRecord],
) -> tuple[NetworkWeights, tuple[Epoch, ...], tuple[str, ...]]:
    """Train the network on the centre's GTV regions and keep the deep features of all its
    patients; the last of what is returned are the keys of those whom it did not learn from.
    """
    logger = get_run_logger()
    identities, inputs = source.deep_inputs(request.center)
    used = [row for row, identity in enumerate(identities) if identity.patient_key in records]
    keys = [identities[row].patient_key for row in used]
    survival = survival_of(records, keys)
    curve: list[Epoch] = []

    def tell(epoch: Epoch) -> None:
        curve.append(epoch)
        logger.info(
            "epoch %d of at most %d: loss %.4f", epoch.number, request.network_epochs, epoch.loss
        )

    checkpoint = checkpoint_file(work, request)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    training = NetworkTraining(
        epochs=request.network_epochs,
        squeeze_excitation=request.squeeze_excitation,
        augmentation=work.settings.augmentation.ranges(),
    )
    network = train_network(
        inputs[used],
        survival,
        training,
        seed=request.seed,
        on_epoch=tell,
        checkpoint=checkpoint,
    )
    deep: NDArray[np.float32] = DeepFeatureExtractor(network).extract(inputs)
    for identity, features in zip(identities, deep, strict=True):
        work.store.put_deep(identity, features, network.digest)
    _, held_out = split_patients(survival, training.held_out, request.seed)
    return network, tuple(curve), tuple(keys[row] for row in held_out)


def combined_model_features(
    work: Installation, request: TrainingRequest, source: FeatureStore, network: NetworkWeights
) -> pd.DataFrame:
    """Return what the model may read of the centre's patients: GTV, 6 mm ring and deep features."""
    versions = {**source.versions(), "deep": work.store.versions().get("deep", 0)}
    store = work.store.pinned(versions)
    regions = [Region.GTV, Region.RING_6MM]
    return store.features(
        request.center, regions, work.settings.extraction().digest, network.digest
    )


def network_graph(
    request: TrainingRequest, source: FeatureStore, network: NetworkWeights, model: CombinedModel
) -> tuple[bytes | None, GraphCheck | None]:
    """Return the network as an ONNX graph, where the model needs one and its features of the
    centre's first tumours are those of Keras; and how they compared.
    """
    if not model.needs_network:
        return None, None
    _, inputs = source.deep_inputs(request.center)
    graph, check = frozen_graph(network, inputs[:TUMOURS_COMPARED])
    if graph is None:
        get_run_logger().warning(
            f"The network's ONNX graph gives features that differ from those of {check.reference} "
            f"by {check.largest_difference:.1e}, expected {LIMIT:.0e} at most: the bundle is "
            "frozen without it, and Keras will score."
        )
    return graph, check


def compared_region_features(
    work: Installation, request: TrainingRequest, source: FeatureStore
) -> pd.DataFrame:
    """Return the features of the centre's patients who have every region that the settings ask
    for.
    """
    regions = [Region.GTV, *(Region.ring(width) for width in work.settings.features.ring_widths_mm)]
    return source.features(request.center, regions, work.settings.extraction().digest)


@task(name="fit combined model", cache_policy=NO_CACHE)
def fit_combined_model(
    request: TrainingRequest, features: pd.DataFrame, records: dict[str, ClinicalRecord]
) -> CombinedModel:
    """Select features in each block and fit the combined model; a block without a prognostic
    feature is left out.
    """
    patients = eligible_patients(features, records)
    survival = survival_of(records, patients.index)
    settings = SelectionSettings(lambda_rule=request.lambda_rule)
    blocks = list(BLOCKS)
    while True:
        try:
            model = train_combined_model(
                patients, survival, seed=request.seed, blocks=blocks, settings=settings
            )
        except NoFeatureSelectedError as error:
            if len(blocks) == 1:
                raise
            blocks.remove(error.block)
            warn(f"The model is combined without the block {error.block}: {error}")
        else:
            for warning in model.training.warnings:
                warn(str(warning))
            return model


@task(name="gather evidence", cache_policy=NO_CACHE)
def gather_evidence(
    request: TrainingRequest,
    features: pd.DataFrame,
    compared: pd.DataFrame,
    records: dict[str, ClinicalRecord],
    model: CombinedModel,
    curve: tuple[Epoch, ...],
) -> TrainingEvidence:
    """Compare the regions and take the optimism off the model's performance, for the model card."""
    patients = eligible_patients(features, records)
    survival = survival_of(records, patients.index)
    settings = model.training.settings
    comparison: tuple[RegionResult, ...] = ()
    internal = None
    complete = compared.loc[compared.index.isin(patients.index)].sort_index()
    if len(complete) == len(patients):
        comparison = compare_regions(complete, survival, seed=request.seed, settings=settings)
    else:
        warn(
            f"The regions are not compared: {len(complete)} of {len(patients)} patients have "
            "features of every ring that the settings name; extract the others again."
        )
    if request.bootstraps:
        try:
            internal = validate_internally(
                model, patients, survival, resamples=request.bootstraps, seed=request.seed
            )
        except TrainingError as error:
            warn(str(error))
        else:
            get_run_logger().info(
                "Harrell's C %.3f apparent, %.3f corrected for optimism, %.3f in patients left "
                "out of a sample",
                internal.concordance,
                internal.corrected_concordance,
                internal.out_of_bag,
            )
    return TrainingEvidence(curve, comparison, internal)


def digests_of_training(
    request: TrainingRequest, source: FeatureStore, records: dict[str, ClinicalRecord]
) -> TrainingDigests:
    """Return by what all CTs of the patients that train network or model, and these persons, are
    recognised.
    """
    marks = [
        mark
        for study, mark in sorted(source.images(request.center).items())
        if study.patient_key in records
    ]
    return training_digests(
        [mark.pixels for mark in marks],
        [mark.instances for mark in marks],
        [person for mark in marks for person in mark.persons],
    )


def range_of_training(
    features: pd.DataFrame,
    records: dict[str, ClinicalRecord],
    model: CombinedModel,
    held_out: Collection[str],
) -> Applicability:
    """Return which patients the model knows: by the radiomics that it reads, and by all deep
    features where it reads some, of which only those of patients `held_out` from the network's
    learning say how others look.
    """
    patients = eligible_patients(features, records)
    read = [name for name in model.features if block_of(name) != DEEP_BLOCK]
    found = [fit_joint_distance("radiomics", patients[read])] if read else []
    if model.needs_network:
        found.append(
            fit_joint_distance("deep features", block_columns(patients, DEEP_BLOCK), held_out)
        )
    return Applicability(tuple(one for one in found if one is not None))


def combat_reference(
    work: Installation,
    features: pd.DataFrame,
    records: dict[str, ClinicalRecord],
    model: CombinedModel,
) -> CombatReference | None:
    """Return the training patients' features as ComBat's reference, if the settings ask for it."""
    if not work.settings.combat.enabled:
        return None
    patients = eligible_patients(features, records)
    return fit_combat_reference(
        pd.concat([block_columns(patients, block) for block in model.blocks], axis=1)
    )


def bundle_facts(work: Installation, request: TrainingRequest, source: FeatureStore) -> BundleFacts:
    """Return what must be known of the bundle besides its numbers."""
    extraction = work.settings.extraction()
    return BundleFacts(
        name=request.name,
        version=request.version,
        intended_use=DEMONSTRATION_USE if request.demonstration else INTENDED_USE,
        demonstration=request.demonstration,
        extraction_settings=extraction.to_json(),
        extraction_settings_digest=extraction.digest,
        training_center=request.center,
        created_at=source.written_until(request.center),
        software_version=software_version(),
        store_versions=source.versions(),
        package_versions=package_versions((*BUNDLE_PACKAGES, backend_package())),
    )
