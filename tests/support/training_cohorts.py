"""Training cohorts with a known hazard, and the facts of a bundle that is made of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bundle.facts import BundleFacts
from models.survival.survival_data import Survival


@dataclass(frozen=True)
class Cohort:
    """Features, follow-up and the log hazard that made it."""

    features: pd.DataFrame
    survival: Survival
    log_hazard: NDArray[np.float64]


def make_cohort(
    n: int = 120, columns: int = 30, seed: int = 5, blocks: tuple[str, ...] = ("gtv", "ring_6mm")
) -> Cohort:
    """Draw correlated features of which a few carry the hazard, and survival with ties and about 25
    % censoring.
    """
    random = np.random.default_rng(seed)
    weights = np.random.default_rng(99).normal(size=(len(blocks), 6, columns))
    latent = random.normal(size=(n, 6))
    parts = {}
    for block, loadings in zip(blocks, weights, strict=True):
        values = latent @ loadings + random.normal(size=(n, columns))
        for column in range(columns):
            parts[f"{block}:{column:03d}"] = 10.0 + 3.0 * values[:, column]
    log_hazard = 0.8 * latent[:, 0] + 0.5 * latent[:, 1]
    death = random.exponential(700 * np.exp(-log_hazard))
    censoring = random.uniform(900, 4000, n)
    days = np.ceil(np.minimum(death, censoring) / 5) * 5
    features = pd.DataFrame(parts, index=[f"patient{row:03d}" for row in range(n)])
    return Cohort(features, Survival(days, death <= censoring), log_hazard)


def bundle_facts() -> BundleFacts:
    """Return the facts of a demonstration bundle."""
    return BundleFacts(
        name="Annulus test",
        version="1",
        intended_use="Tests only.",
        demonstration=True,
        extraction_settings='{"bin_width":25}',
        extraction_settings_digest="a" * 64,
        training_center="alpha",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        software_version="0.1.0",
        store_versions={"radiomics": 3},
        package_versions={"numpy": "2.4.6"},
    )
