"""Between two points of a ROC curve that leaves are at least five of the dead and of the others."""

from __future__ import annotations

import numpy as np

from tests.support.scored_cohorts import HORIZONS, made_cohort
from validation_reports.disclosure.alike_patients import SMALLEST_CELL
from validation_reports.disclosure.roc_points import comparison_that_leaves
from validation_reports.report.model_comparison import compare_scores
from validation_reports.statistics.roc_curve import RocCurve


def test_no_step_of_a_roc_curve_is_one_patients_and_its_area_stays_exact() -> None:
    cohort = made_cohort("A", 200, 5)
    found = compare_scores(
        cohort.survival,
        (cohort.linear_predictor, -cohort.covariates["age"].fillna(60.0).to_numpy()),
        cohort="A",
        score="combined",
        models=("one", "other"),
        horizons=HORIZONS,
    )
    left = comparison_that_leaves(found)
    for one, exact in zip(left.horizons, found.horizons, strict=True):
        for curve, whole in zip(one.curves, exact.curves, strict=True):
            assert isinstance(curve, RocCurve)
            assert isinstance(whole, RocCurve)
            assert curve.auc.estimate == whole.auc.estimate
            assert len(whole.false_positive) > 100
            assert 3 <= len(curve.false_positive) < 20
            assert (curve.false_positive[-1], curve.true_positive[-1]) == (1.0, 1.0)
            steps = np.diff(curve.false_positive) * whole.auc.controls
            assert steps.min() > SMALLEST_CELL - 0.5
            steps = np.diff(curve.true_positive) * whole.auc.cases
            assert steps.min() > SMALLEST_CELL
    assert left.concordances == found.concordances
