"""Two models on the same patients: the curve's area is the AUC, and the plot and the lines name
both.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.comparison_plots import roc_plot
from validation_reports.report.model_comparison import (
    compare_scores,
    comparison_lines,
    comparisons_to_json,
)
from validation_reports.statistics.roc_curve import RocCurve, roc_curve
from validation_reports.statistics.time_dependent_auc import time_dependent_auc

MODELS = ("3D-SE-ResNet", "3D-ResNet without SE")


def patients(n: int, seed: int = 4) -> tuple[Survival, np.ndarray]:
    random = np.random.default_rng(seed)
    score = random.normal(size=n)
    death, censoring = random.exponential(700 / np.exp(score)), random.uniform(100, 2500, n)
    return Survival(np.ceil(np.minimum(death, censoring)), death <= censoring), score


@pytest.mark.parametrize("decimals", [8, 0])  # with none, most scores are tied
@pytest.mark.parametrize("days", [365, 1095])
def test_the_area_under_the_curve_is_the_auc(decimals: int, days: int) -> None:
    survival, score = patients(150)
    rounded = score.round(decimals)
    curve = roc_curve(survival, rounded, days)
    assert isinstance(curve, RocCurve)
    assert curve.auc == time_dependent_auc(survival, rounded, days)
    assert np.trapezoid(curve.true_positive, curve.false_positive) == pytest.approx(
        curve.auc.estimate, abs=1e-12
    )
    assert (curve.false_positive[0], curve.true_positive[0]) == (0, 0)
    assert (curve.false_positive[-1], curve.true_positive[-1]) == (1, 1)
    assert len(curve.true_positive) == len(np.unique(rounded)) + 1


def test_without_censoring_the_curve_counts_patients() -> None:
    days = np.repeat([100.0, 400.0], 10)
    score = np.concatenate([np.arange(10) + 5.5, np.arange(10.0)])
    curve = roc_curve(Survival(days, np.ones(20, dtype=bool)), score, 365)
    assert isinstance(curve, RocCurve)
    for threshold in (3.5, 7.5, 9.0):
        place = int((np.unique(score) >= threshold).sum())
        assert curve.true_positive[place] == pytest.approx((score[:10] >= threshold).mean())
        assert curve.false_positive[place] == pytest.approx((score[10:] >= threshold).mean())


def test_a_better_model_is_seen_to_be_better() -> None:
    survival, score = patients(200)
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
    svg = roc_plot(found)
    words = " ".join(ET.fromstring(svg).itertext())  # noqa: S314 - our own
    assert all(part in words for part in (*MODELS, "1 year", "2 years", "3 years", "Sensitivity"))
    assert roc_plot(found) == svg
    assert '"true_positive"' in comparisons_to_json([found])


def test_what_cannot_be_compared_is_said() -> None:
    survival, score = patients(12)
    found = compare_scores(
        survival, (score, score), cohort="B", score="s", models=MODELS, horizons=(3000,)
    )
    assert isinstance(found.horizons[0].curves[0], NotEstimable)
    lines = comparison_lines(found)
    assert "put every patient in the same order" in lines[1]
    assert "not estimable; 3D-ResNet" in lines[2]
    assert "AUC not estimable" in roc_plot(found)
