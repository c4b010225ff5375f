"""Patients of one centre with their follow-up in days, as it is and as tables spoil it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from feature_store.clinical_records import ClinicalRecord, Histology, Sex


def made(n: int = 80, seed: int = 1, median: float = 500.0) -> list[ClinicalRecord]:
    """Return patients with an exponential survival in days and censoring from 2 to 6 years."""
    random = np.random.default_rng(seed)
    death = random.exponential(median / np.log(2), n)
    censoring = random.uniform(730, 2200, n)
    days = np.ceil(np.minimum(death, censoring))
    return [
        ClinicalRecord(
            f"k{row}", "A", 66.0, Sex.MALE, Histology.SQUAMOUS, "II", days[row], bool(dead)
        )
        for row, dead in enumerate(death <= censoring)
    ]


def changed(change: Callable[[float], float]) -> list[ClinicalRecord]:
    return [replace(one, survival_days=float(change(one.survival_days))) for one in made()]
