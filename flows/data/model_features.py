"""What a bundle reads of a patient: from the store, of a study in memory, and for the reports."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feature_store.clinical_records import ClinicalRecord
from feature_store.imaging.regions import Region
from feature_store.study_features import StudyFeatures
from feature_store.study_identity import StudyIdentity
from feature_store.tables.rows import feature_matrix
from flows.data.eligible_patients import eligible_patients, eligible_records
from flows.data.elsewhere import imported_matrix, imported_of_center
from flows.installation import Installation
from models.bundle.frozen_bundle import FrozenBundle
from models.combined.combined_model import DEEP_BLOCK
from models.network.weights import DEEP_COLUMNS
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.cohort.training_patients import TrainingPatients


def study_features(bundle: FrozenBundle, features: StudyFeatures) -> dict[str, float]:
    """Return everything that a bundle may read of one study, by feature column.

    Parameters
    ----------
    bundle : FrozenBundle
        Its network, if it has one, makes the deep features.
    features : StudyFeatures
        What was extracted of the study.
    """
    columns = {
        f"{region}:{name}": value
        for region, vector in features.vectors.items()
        for name, value in vector.as_dict().items()
    }
    if bundle.network is not None:
        (deep,) = bundle.deep_feature_extractor.extract(features.deep_input[np.newaxis])
        columns.update(zip(DEEP_COLUMNS, deep.tolist(), strict=True))
    return columns


def stored_features(
    work: Installation, center: str, studies: Collection[StudyIdentity] | None = None
) -> pd.DataFrame:
    """Return what the pinned bundle reads of a centre's patients, as it was kept when they were
    scored.

    Parameters
    ----------
    work : Installation
        Store and pinned model.
    center : str
        The centre.
    studies : collection of StudyIdentity, optional
        Study contents to choose from; all by default.

    Returns
    -------
    DataFrame
        Index ``patient_key``; who lacks a block is left out.
    """
    bundle = work.bundle
    found = (
        imported_of_center(work.store, center, studies) if not bundle.model.needs_network else ()
    )
    elsewhere = imported_matrix(found).reindex(columns=list(bundle.model.features)).dropna()
    if bundle.facts.made_elsewhere:
        return elsewhere
    network = bundle.network
    here = work.store.features(
        center,
        model_regions(bundle),
        work.settings.extraction().digest,
        None if network is None else network.digest,
        studies,
    )
    return here if elsewhere.empty else pd.concat([here, elsewhere], join="inner")


def stored_features_of(work: Installation, study: StudyIdentity) -> pd.DataFrame:
    """Return what the pinned bundle reads of one study content, as it was kept when that was
    scored; no row where a block is lacking.
    """
    settings_digest, network = work.settings.extraction().digest, work.bundle.network
    content = {"study_key": study.study_key, "content_digest": study.content_digest}
    radiomics = work.store.rows(
        "radiomics", {**content, "settings_digest": settings_digest}
    ).to_pylist()
    wanted = {
        f"{region}:": [row for row in radiomics if row["region"] == region]
        for region in model_regions(work.bundle)
    }
    if network is not None:
        equal = {**content, "network_digest": network.digest}
        wanted["deep:"] = work.store.rows("deep", equal).to_pylist()
    return feature_matrix(wanted)


def recomputed_features(work: Installation, bundle: FrozenBundle, center: str) -> pd.DataFrame:
    """Return what any bundle reads of a centre's patients: its network, which may never have scored
    one of them, makes the deep features from the stored inputs.

    Returns
    -------
    DataFrame
        Index ``patient_key``; who lacks a block is left out.
    """
    blocks = []
    if regions := model_regions(bundle):
        blocks.append(work.store.features(center, regions, work.settings.extraction().digest))
    if bundle.network is not None:
        identities, inputs = work.store.deep_inputs(center)
        deep: NDArray[np.float32] = bundle.deep_feature_extractor.extract(inputs)
        keys = [identity.patient_key for identity in identities]
        blocks.append(pd.DataFrame(deep, index=keys, columns=DEEP_COLUMNS))
    return pd.concat(blocks, axis=1, join="inner")


def model_regions(bundle: FrozenBundle) -> list[Region]:
    """Return the regions whose radiomics a bundle reads."""
    return [Region(block) for block in bundle.model.blocks if block != DEEP_BLOCK]


def with_model_inputs(work: Installation, cohort: ScoredCohort) -> ScoredCohort:
    """Return the cohort with acquisitions, the frozen baseline hazard and, where all patients have
    features, those, and whom of them the model knows.

    Parameters
    ----------
    work : Installation
        Store and pinned model.
    cohort : ScoredCohort
        A centre's patients.
    """
    model, applicability = work.bundle.model, work.bundle.applicability
    studies = cohort.studies or None
    table = stored_features(work, cohort.center, studies)
    keys = list(cohort.patient_keys)
    acquired = work.store.acquisitions(cohort.center, studies)
    cohort = replace(cohort, acquisitions=acquired.reindex(keys))
    if not set(keys) <= set(table.index):
        return replace(cohort, baseline=model.baseline)
    chosen = table.loc[keys]
    return replace(
        cohort,
        baseline=model.baseline,
        signatures=model.signature_values(chosen).reset_index(drop=True),
        features=chosen[list(model.features)].reset_index(drop=True),
        in_range=None if applicability is None else applicability.inside(chosen),
    )


def training_patients(work: Installation) -> TrainingPatients | None:
    """Return the patients that trained the pinned model; `None` where their features are not in
    this store.
    """
    center = work.bundle.facts.training_center
    records = eligible_records(work.store, center)
    chosen = eligible_patients(stored_features(work, center), records)
    if chosen.empty:
        return None
    model = work.bundle.model
    return TrainingPatients(
        center=center,
        linear_predictor=model.linear_predictor(chosen),
        covariates=_covariates([records[str(key)] for key in chosen.index]),
        features=chosen[list(model.features)].reset_index(drop=True),
        acquisitions=work.store.acquisitions(center).reindex(chosen.index),
    )


def _covariates(records: Iterable[ClinicalRecord]) -> pd.DataFrame:
    names = ["age", "sex", "histology", "stage"]
    return pd.DataFrame(
        [[getattr(record, name) for name in names] for record in records], columns=names
    )
