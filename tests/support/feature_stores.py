"""Small feature stores for tests: two centres, two models, two regions and deep features."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from feature_store.clinical_records import ClinicalRecord, ClinicalTable, Histology, Sex
from feature_store.expectations.checks import Check, judged_codes
from feature_store.imaging.regions import Region
from feature_store.radiomic_features.feature_vector import FeatureVector
from feature_store.radiomic_features.settings import FEATURE_NAMES
from feature_store.rules import Finding, Severity
from feature_store.tables.store import FeatureStore, ScoreRow, StudyIdentity

MODEL_ONE, MODEL_TWO = "11" * 32, "22" * 32
SETTINGS_DIGEST, NETWORK = "5e" * 32, "9e" * 32
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KVP = Finding(Severity.WARNING, "kvp", "The tube voltage is 140 kV.")


def identity(center: str, number: int, content: str = "c1") -> StudyIdentity:
    return StudyIdentity(center, f"{center.lower()}{number:02d}", f"s{center}{number:02d}", content)


def vector(region: Region, seed: int, settings: str = SETTINGS_DIGEST) -> FeatureVector:
    return FeatureVector(
        region, np.random.default_rng(seed).normal(size=len(FEATURE_NAMES)), settings
    )


def check(suite: str, study: StudyIdentity | None, *findings: Finding, center: str = "B") -> Check:
    """Return what came of a suite, judged as it is now, at noon."""
    codes = (*judged_codes(suite), *(one.code for one in findings))
    return Check(
        suite=suite,
        center=study.center if study is not None else center,
        study=study,
        codes=tuple(dict.fromkeys(codes)),
        findings=findings,
        n=1,
        checked_at=NOON,
        software_version="0.1.0",
    )


def fill(store: FeatureStore) -> None:
    """Two patients of B and one of C, whose ring is missing; one score by each model of the
    first.
    """
    for center, number in (("B", 1), ("B", 2), ("C", 1)):
        regions = (Region.GTV, Region.RING_6MM) if center == "B" else (Region.GTV,)
        store.put_radiomics(
            identity(center, number), {region: vector(region, number) for region in regions}
        )
    store.put_deep(identity("B", 1), np.arange(512.0), NETWORK)
    store.put_clinical(
        ClinicalTable(
            tuple(
                ClinicalRecord(
                    f"b{n:02d}", "B", age, Sex.MALE, Histology.SQUAMOUS, "IIIA", 100.5 * n, True
                )
                for n, age in ((1, 61.25), (2, None))
            ),
            (),
        )
    )
    for model, predictor in ((MODEL_ONE, 0.1 + 0.2), (MODEL_TWO, -1.0)):
        warnings = (
            ("The tube voltage is 140 kV, expected 120 kV.", "two") if model == MODEL_ONE else ()
        )
        store.put_score(
            ScoreRow(
                identity("B", 1),
                model,
                predictor,
                True,
                {365: 0.75, 730: 0.5},
                3,
                warnings,
                "0.1.0",
                NOON,
            )
        )
    store.put_check(check("study", identity("B", 2), KVP))


def filled_store(folder: Path | str) -> FeatureStore:
    store = FeatureStore(folder)
    fill(store)
    return store
