"""Who of a centre can train or test a model: complete clinical record, survival known."""

from __future__ import annotations

import numpy as np

from feature_store.clinical_records import ClinicalRecord, eligible
from feature_store.tables.store import FeatureStore
from models.survival.survival_data import Survival


def eligible_records(source: FeatureStore, center: str) -> dict[str, ClinicalRecord]:
    """Return the clinical records of a centre that meet the inclusion criteria, by patient."""
    return {
        record.patient_key: record
        for record in source.clinical(center)
        if eligible(record).eligible
    }


def survival_of(records: list[ClinicalRecord]) -> Survival:
    """Return the follow-up of patients in their order."""
    return Survival(
        np.array([record.survival_days for record in records], dtype=np.float64),
        np.array([record.event for record in records], dtype=np.bool_),
    )
