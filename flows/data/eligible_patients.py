"""Who of a centre can train a model, and on whom one can be tried: by the clinical record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from feature_store.clinical_records import ClinicalRecord, analysable, eligible
from feature_store.tables.store import FeatureStore
from models.survival.survival_data import Survival


def eligible_records(source: FeatureStore, center: str) -> dict[str, ClinicalRecord]:
    """Return the clinical records of a centre that meet the inclusion criteria, by patient."""
    return {
        record.patient_key: record
        for record in source.clinical(center)
        if eligible(record).eligible
    }


def analysable_records(source: FeatureStore, center: str) -> dict[str, ClinicalRecord]:
    """Return the clinical records of a centre that a model can be tried on, by patient: sex and
    stage may be unknown.
    """
    return {
        record.patient_key: record
        for record in source.clinical(center)
        if analysable(record).eligible
    }


def eligible_patients(
    features: pd.DataFrame, records: Mapping[str, ClinicalRecord]
) -> pd.DataFrame:
    """Return the features of the patients who have an eligible record too, by patient key."""
    chosen: pd.DataFrame = features.loc[features.index.isin(records.keys())].sort_index()
    return chosen


def survival_of(records: Mapping[str, ClinicalRecord], keys: Iterable[str]) -> Survival:
    """Return the follow-up of patients in the order of their keys."""
    chosen = [records[key] for key in keys]
    return Survival(
        np.array([record.survival_days for record in chosen], dtype=np.float64),
        np.array([record.event for record in chosen], dtype=np.bool_),
    )
