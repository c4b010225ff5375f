"""The flow `train-model`: the paper's training steps on one centre of the feature store, ending in
a frozen bundle.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pandas as pd
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from feature_store.clinical_records import ClinicalRecord
from feature_store.imaging.image_marks import persons_of
from feature_store.imaging.regions import Region
from feature_store.tables.store import FeatureStore
from feature_store.wording import counted
from flows.data.eligible_patients import eligible_patients, eligible_records, survival_of
from flows.data.replaced import note_replaced
from flows.installation import Installation, installation
from flows.refusal import refusable_flow
from flows.runs.account import about, warn
from flows.training.bundle_facts import IntendedUse, bundle_facts
from flows.training.cross_validation import cross_validated
from flows.training.network import offered_regions, remove_unfinished, train_deep_features
from flows.training.request import TrainingRequest
from flows.training.robustness import robustness_of_training, studies_to_perturb
from flows.training.trainability import check_trainable, refuse_few_deaths
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
)
from models.combined.optimism import validate_internally
from models.combined.region_comparison import RegionResult, compare_regions, with_best_ring
from models.combined.selected_blocks import train_on_what_is_there
from models.combined.signature import block_columns, block_of
from models.errors import NoFeatureSelectedError, TrainingError
from models.network.backend_name import backend_package
from models.network.checkpoint import Epoch
from models.network.engines import LIMIT, GraphCheck, frozen_graph
from models.network.weights import NetworkWeights

BUNDLE_PACKAGES = ("numpy", "pandas", "pyradiomics", "SimpleITK", "scipy", "keras", "onnx")
TABLES_READ = ("acquisitions", "clinical", "deep_input", "images", "radiomics", "replaced")
"""Tables of the feature store that a bundle follows from."""
TUMOURS_COMPARED = 16
"""On how many real tumours the network's ONNX graph is held against Keras."""
USE = IntendedUse(
    "Research: prediction of overall survival after radiotherapy of non-small-cell lung cancer "
    "from the planning CT and its GTV contour; not validated for decisions about patients.",
    "Demonstration model, not for clinical use: trained on synthetic patients to show how the "
    "system works.",
)


@refusable_flow(name="train-model", flow_run_name="{request.center}")
def train_model(request: TrainingRequest) -> State[None]:
    """Train the network, select features, fit the combined model and freeze all of it.

    A run that was killed continues with the epoch after the last one that was kept, and with the
    folds that were not done.

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
    studies = studies_to_perturb(work, request, source, records)
    taught = train_deep_features(work, request, source, records)
    of_model = taught.left_for_model(records)
    features = combined_model_features(work, request, source, taught.network)
    robustness = robustness_of_training(work, request, studies, taught.network)
    offered = features if robustness is None else robustness.robust(features)
    model = fit_combined_model(request, offered, of_model)
    refuse_few_deaths(model, request.least_deaths_per_component)
    compared = compared_region_features(work, request, source)
    graph, graph_check = network_graph(request, source, taught.network, model)
    evidence = replace(
        gather_evidence(request, offered, compared, of_model, model, taught.curve),
        cross_validations=cross_validated(work, request, source, records, offered),
        deep_features=request.deep_features,
        n_network=len(taught.learners),
        graph=graph_check,
        robustness=robustness,
    )
    request.bundle.parent.mkdir(parents=True, exist_ok=True)
    combat = combat_reference(work, features, of_model, model)
    digest = freeze(
        request.bundle,
        model,
        taught.network,
        bundle_facts(
            request,
            source,
            work.settings.extraction(),
            USE,
            (*BUNDLE_PACKAGES, backend_package()),
        ),
        evidence,
        combat,
        graph,
        applicability=range_of_training(features, of_model, records, model, taught.unseen),
        digests=digests_of_training(request, source, records),
    )
    remove_unfinished(work, request)
    return Completed(
        message=f"Bundle {digest} frozen in {request.bundle.name} from "
        f"{counted(model.training.n, 'patient')} with {counted(model.training.n_events, 'death')}: "
        "pin this digest in the [model] table"
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


def combined_model_features(
    work: Installation, request: TrainingRequest, source: FeatureStore, network: NetworkWeights
) -> pd.DataFrame:
    """Return what the model may read of the centre's patients: GTV, its ring or those that it may
    choose among, and deep features.
    """
    versions = {**source.versions(), "deep": work.store.versions().get("deep", 0)}
    store = work.store.pinned(versions)
    regions = offered_regions(work, request)
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
    settings = request.selection()

    def tell(error: NoFeatureSelectedError) -> None:
        warn(f"The model is combined without the block {error.block}: {error}")

    wanted = (
        with_best_ring(patients, survival, BLOCKS, seed=request.seed, settings=settings)
        if request.chooses_ring
        else BLOCKS
    )
    blocks = [block for block in wanted if block_columns(patients, block).shape[1]]
    for block in sorted(set(wanted) - set(blocks)):
        why = "none of its features is robust" if request.robust else "it has no feature"
        warn(f"The model is combined without the block {block}: {why}.")
    model = train_on_what_is_there(
        patients,
        survival,
        seed=request.seed,
        blocks=blocks,
        horizons=HORIZONS,
        settings=settings,
        on_left_out=tell,
    )
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
            f"The regions are not compared: only {len(complete)} of "
            f"{counted(len(patients), 'patient')} {'has' if len(complete) == 1 else 'have'} "
            "features of every ring that the settings name; extract the others again."
        )
    if request.bootstraps:
        try:
            internal = validate_internally(
                model,
                patients,
                survival,
                resamples=request.bootstraps,
                seed=request.seed,
                choose_ring=request.chooses_ring,
            )
        except TrainingError as error:
            warn(str(error))
        else:
            if not model.needs_network:
                get_run_logger().info(
                    "Harrell's C %.3f apparent, %.3f corrected for optimism, %.3f in patients left "
                    "out of a sample.",
                    internal.concordance,
                    internal.corrected_concordance,
                    internal.out_of_bag,
                )
    return TrainingEvidence(curve, comparison, internal, chose_ring=request.chooses_ring)


def digests_of_training(
    request: TrainingRequest, source: FeatureStore, records: dict[str, ClinicalRecord]
) -> TrainingDigests:
    """Return by what all CTs of the patients that train network or model, and these persons, are
    recognised.
    """
    marks = {
        study: mark
        for study, mark in sorted(source.images(request.center).items())
        if study.patient_key in records
    }
    return training_digests(
        [mark.pixels for mark in marks.values()],
        [mark.instances for mark in marks.values()],
        persons_of(marks),
    )


def range_of_training(
    features: pd.DataFrame,
    of_model: dict[str, ClinicalRecord],
    records: dict[str, ClinicalRecord],
    model: CombinedModel,
    unseen: Collection[str],
) -> Applicability:
    """Return which patients the model knows: by the radiomics that it reads, of the patients that
    it was fitted on, and by all deep features where it reads some, of which only those of patients
    whose outcome the network has not seen say how others look.
    """
    read = [name for name in model.features if block_of(name) != DEEP_BLOCK]
    found = []
    if read:
        found.append(fit_joint_distance("radiomics", eligible_patients(features, of_model)[read]))
    if model.needs_network:
        deep = block_columns(eligible_patients(features, records), DEEP_BLOCK)
        found.append(fit_joint_distance("deep features", deep, unseen))
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
