"""A cohort whose parts do not fit together cannot exist."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.survival.survival_data import Survival
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.errors import CohortError


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"linear_predictor": np.array([0.0, np.nan])},
            "linear predictor of 1 patient is not a finite number",
        ),
        ({"linear_predictor": np.zeros(3)}, "expected one value for each of 2 patients"),
        ({"predicted_survival": {365: np.array([0.5, 1.5])}}, "outside 0-1"),
        ({"high_risk": np.array([True])}, "1 risk group "),
        ({"patient_keys": ("x", "x")}, "come twice"),
        ({"excluded": (("x", "late"),)}, "both analysed and excluded"),
        ({"covariates": pd.DataFrame({"age": [1, 2]})}, "no column sex, histology, stage"),
    ],
)
def test_a_cohort_whose_parts_do_not_fit_is_refused(
    change: dict[str, object], sentence: str
) -> None:
    parts: dict[str, object] = {
        "center": "A",
        "patient_keys": ("x", "y"),
        "survival": Survival(np.array([1.0, 2.0]), np.array([True, False])),
        "linear_predictor": np.zeros(2),
        "high_risk": np.zeros(2, bool),
        "predicted_survival": {365: np.array([0.5, 0.5])},
        "covariates": pd.DataFrame(
            {"age": [60, 70], "sex": "male", "histology": "adenocarcinoma", "stage": "III"}
        ),
    }
    with pytest.raises(CohortError, match=sentence):
        ScoredCohort(**(parts | change))  # type: ignore[arg-type]
