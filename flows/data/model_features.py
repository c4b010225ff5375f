"""What the pinned model reads of patients: their features, single signatures, and the patients that
trained it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from feature_store.clinical_records import eligible
from feature_store.imaging.regions import Region
from feature_store.study_features import StudyFeatures
from flows.installation import Installation
from models.bundle.frozen_bundle import FrozenBundle
from models.combined.combined_model import DEEP_BLOCK
from models.network.weights import DEEP_COLUMNS
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.cohort.training_patients import TrainingPatients


def with_model_inputs(work: Installation, cohort: ScoredCohort) -> ScoredCohort:
    """Return the cohort with acquisitions, the frozen baseline hazard and, where all patients have
    features, those.

    Parameters
    ----------
    work : Installation
        Store and pinned model.
    cohort : ScoredCohort
        A centre's patients.
    """
    model = work.bundle.model
    table = model_features(work, cohort.center)
    keys = list(cohort.patient_keys)
    cohort = replace(cohort, acquisitions=work.store.acquisitions(cohort.center).reindex(keys))
    if not set(keys) <= set(table.index):
        return replace(cohort, baseline=model.baseline)
    chosen = table.loc[keys]
    return replace(
        cohort,
        baseline=model.baseline,
        signatures=model.signature_values(chosen).reset_index(drop=True),
        features=chosen[list(model.features)].reset_index(drop=True),
    )


def training_patients(work: Installation) -> TrainingPatients | None:
    """Return the patients that trained the pinned model; `None` where their features are not in
    this store.
    """
    center = work.bundle.facts.training_center
    records = {
        record.patient_key: record
        for record in work.store.clinical(center)
        if eligible(record).eligible
    }
    table = model_features(work, center)
    chosen = table.loc[table.index.isin(list(records))].sort_index()
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


def model_features(work: Installation, center: str) -> pd.DataFrame:
    """Return every feature of the blocks that the pinned model reads, of all patients of a
    centre.
    """
    network = work.bundle.network
    table = work.store.features(
        center,
        [Region(block) for block in work.bundle.model.blocks if block != "deep"] or [Region.GTV],
        work.settings.extraction().digest,
        network.digest if network is not None else None,
    )
    return table[~table.index.duplicated(keep="last")]


def _covariates(records: Sequence[object]) -> pd.DataFrame:
    names = ["age", "sex", "histology", "stage"]
    return pd.DataFrame(
        [[getattr(record, name) for name in names] for record in records], columns=names
    )


def columns_of(work: Installation, features: StudyFeatures) -> dict[str, float]:
    """Return everything that the pinned model may read of a study, by feature column."""
    columns = {
        f"{region}:{name}": value
        for region, vector in features.vectors.items()
        for name, value in vector.as_dict().items()
    }
    if work.bundle.network is not None:
        deep = work.bundle.deep_feature_extractor.extract(features.deep_input[np.newaxis])[0]
        columns.update(zip(DEEP_COLUMNS, deep.tolist(), strict=True))
    return columns


def features_of(work: Installation, bundle: FrozenBundle, center: str) -> pd.DataFrame:
    """Return what a bundle reads of a centre's patients; its deep features are computed from the
    stored inputs.
    """
    regions = [Region(block) for block in bundle.model.blocks if block != DEEP_BLOCK]
    tables = []
    if regions:
        tables.append(work.store.features(center, regions, work.settings.extraction().digest))
    if bundle.network is not None:
        identities, inputs = work.store.deep_inputs(center)
        index = [identity.patient_key for identity in identities]
        tables.append(
            pd.DataFrame(
                bundle.deep_feature_extractor.extract(inputs), index=index, columns=DEEP_COLUMNS
            )
        )
    return pd.concat(tables, axis=1, join="inner")
