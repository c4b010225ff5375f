"""What the tests of this package share: a report, its page, and how patients were scanned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.page.render import render_html
from validation_reports.report.validation_report import (
    ValidationReport,
    build_report,
)


def made_acquisitions(n: int, seed: int = 1) -> pd.DataFrame:
    """Return how n patients were scanned, over four years, with two spellings of one maker."""
    random = np.random.default_rng(seed)
    month = [f"{2018 + number // 12}-{number % 12 + 1:02d}" for number in random.integers(0, 48, n)]
    vendor = random.choice(["Siemens", "SIEMENS ", "GE  Medical"], size=n)
    return pd.DataFrame(
        {
            "month": month,
            "manufacturer": vendor,
            "model_name": "one",
            "convolution_kernel": None,
            "kvp": 120.0,
            "slice_thickness_mm": random.choice([3.0, 5.0, np.nan], size=n),
        },
    )


def scored_patients(n: int, seed: int = 4) -> tuple[Survival, NDArray[np.float64]]:
    """Return follow-up with censoring, and a score that it follows."""
    random = np.random.default_rng(seed)
    score = random.normal(size=n)
    death, censoring = random.exponential(700 / np.exp(score)), random.uniform(100, 2500, n)
    return Survival(np.ceil(np.minimum(death, censoring)), death <= censoring), score


@pytest.fixture(scope="session")
def report() -> ValidationReport:
    return build_report(
        [
            made_cohort("Alpha", 90, 1, warnings={"The tube voltage is missing.": 12}),
            made_cohort(
                "Beta", 70, 2, excluded=(("b1", "No GTV contour <was> found."), ("b2", "Age 17."))
            ),
            made_cohort("Gamma", 4, 3),
        ],
        PROVENANCE,
    )


@pytest.fixture(scope="session")
def page(report: ValidationReport) -> str:
    return render_html(report)
