"""Two models on the same patients: the lines name both, and say what cannot be compared."""

from __future__ import annotations

import numpy as np

from tests.unit.validation_reports.conftest import scored_patients
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.model_comparison import (
    compare_scores,
    comparison_lines,
    comparisons_to_json,
)

MODELS = ("3D-SE-ResNet", "3D-ResNet without SE")


def test_a_better_model_is_seen_to_be_better() -> None:
    survival, score = scored_patients(200)
    worse = score + 2 * np.random.default_rng(5).normal(size=200)
    found = compare_scores(
        survival,
        (score, worse),
        cohort="B",
        score="deep signature",
        models=MODELS,
        horizons=(365, 730, 1095),
    )
    lines = comparison_lines(found)
    print("\n".join(lines))
    assert len(lines) == 5
    assert all(name in line for line in lines[1:] for name in MODELS)
    assert "p < 0.001" in lines[1]
    assert '"true_positive"' in comparisons_to_json([found])


def test_what_cannot_be_compared_is_said() -> None:
    survival, score = scored_patients(12)
    found = compare_scores(
        survival, (score, score), cohort="B", score="s", models=MODELS, horizons=(3000,)
    )
    assert isinstance(found.horizons[0].curves[0], NotEstimable)
    lines = comparison_lines(found)
    assert "put every patient in the same order" in lines[1]
    assert "not estimable; 3D-ResNet" in lines[2]
