"""One plot shows the ROC curves of two models at every horizon, or says that there is none."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from tests.unit.validation_reports.conftest import scored_patients
from validation_reports.page.comparison_plots import roc_plot
from validation_reports.report.model_comparison import ScoreComparison, compare_scores

MODELS = ("3D-SE-ResNet", "3D-ResNet without SE")


def _compared(n: int, horizons: tuple[int, ...]) -> ScoreComparison:
    survival, score = scored_patients(n)
    worse = score + 2 * np.random.default_rng(5).normal(size=n)
    return compare_scores(
        survival, (score, worse), cohort="B", score="deep", models=MODELS, horizons=horizons
    )


def test_both_models_and_every_horizon_are_named() -> None:
    found = _compared(200, (365, 730, 1095))
    svg = roc_plot(found)
    words = " ".join(ET.fromstring(svg).itertext())  # noqa: S314 - our own
    assert all(part in words for part in (*MODELS, "1 year", "2 years", "3 years", "Sensitivity"))
    assert roc_plot(found) == svg


def test_a_curve_that_cannot_be_estimated_is_said_to_be_so() -> None:
    assert "AUC not estimable" in roc_plot(_compared(12, (3000,)))
