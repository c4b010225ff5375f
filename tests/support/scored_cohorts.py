"""Made-up cohorts for the tests of this package: exponential survival whose hazard follows a known
score.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.report.validation_report import Provenance

HORIZONS = (365, 730, 1095)
MEDIAN = 550.0
BASELINE = BaselineHazard(
    np.arange(1.0, 2401.0), np.arange(1.0, 2401.0) * np.log(2) / MEDIAN, 2400.0
)
"""What the made-up patients die by: exponential survival."""
PROVENANCE = Provenance(
    model_digest="ab" * 32,
    model_name="demo-nsclc 1.0",
    demonstration=True,
    store_versions={"scores": 12, "clinical": 3},
    query="role = external; age > 18",
    seed=20260101,
    package_versions={"numpy": "2.4.6"},
    software_version="0.1.0",
    created_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
)


def made_cohort(
    center: str,
    n: int,
    seed: int,
    *,
    effect: float = 1.0,
    excluded: tuple[tuple[str, str], ...] = (),
    warnings: Mapping[str, int] | None = None,
) -> ScoredCohort:
    """Return n patients whose true log hazard is `effect` times their score, median survival about
    550 days.
    """
    random = np.random.default_rng(seed)
    score = random.normal(size=n)
    rate = np.exp(effect * score) * np.log(2) / MEDIAN
    death = random.exponential(1 / rate)
    last_contact = random.uniform(900, 2400, size=n)
    days = np.maximum(1.0, np.round(np.minimum(death, last_contact)))
    return ScoredCohort(
        center=center,
        patient_keys=tuple(f"{center.lower()}{i:04d}" for i in range(n)),
        survival=Survival(days, death <= last_contact),
        linear_predictor=score,
        high_risk=score > 0,
        predicted_survival={t: np.exp(-np.exp(score) * np.log(2) / MEDIAN * t) for t in HORIZONS},
        covariates=pd.DataFrame(
            {
                "age": np.where(random.random(n) < 0.05, np.nan, random.normal(68, 9, size=n)),
                "sex": random.choice(["female", "male"], size=n),
                "histology": random.choice(["adenocarcinoma", "squamous cell carcinoma"], size=n),
                "stage": random.choice(["I-II", "III"], size=n),
            }
        ),
        excluded=excluded,
        baseline=BASELINE,
        warnings=warnings or {},
    )
