"""Z-scores belong to the training centre; unusable and unrelated features are left out, each with
its reason.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.combined.feature_selection import ZScore, feature_values, fit_z_score, select_univariate
from models.errors import FeatureMismatchError, TrainingError
from tests.support.training_cohorts import Cohort


def test_z_scores_use_the_training_centre_only(cohort: Cohort) -> None:
    z_score, dropped = fit_z_score(cohort.features)
    assert not dropped
    z = z_score.apply(cohort.features)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=0, ddof=1), 1)
    others = z_score.apply(cohort.features.iloc[:3] + 6)
    np.testing.assert_allclose(others - z[:3], np.broadcast_to(6 / z_score.sds, others.shape))


def test_constant_columns_are_dropped_with_a_reason(cohort: Cohort) -> None:
    table = cohort.features.copy()
    table["gtv:zero"] = 0.0
    table["gtv:rounding"] = 1e6 + 1e-10 * np.arange(120)
    z_score, dropped = fit_z_score(table)
    assert dropped == dict.fromkeys(
        ("gtv:zero", "gtv:rounding"), "constant in all 120 training patients"
    )
    assert z_score.features == tuple(cohort.features.columns)


def test_only_associated_features_pass(cohort: Cohort) -> None:
    noise = np.random.default_rng(3).normal(size=(120, 200))
    table = pd.DataFrame(noise, columns=[f"gtv:noise{column}" for column in range(200)])
    table["gtv:truth"] = cohort.log_hazard
    table["gtv:oracle"] = -cohort.survival.days
    table["gtv:one"] = 1.0
    selection = select_univariate(table, cohort.survival)
    assert "gtv:truth" in selection.z_score.features
    assert 2 <= len(selection.z_score.features) - 1 <= 20
    assert (selection.p_values < 0.05).all()
    assert selection.n_offered == 203
    assert set(selection.dropped) == {"gtv:oracle", "gtv:one"}
    assert "separates" in selection.dropped["gtv:oracle"]


def test_no_feature_may_pass(cohort: Cohort) -> None:
    selection = select_univariate(pd.DataFrame({"gtv:one": np.ones(120)}), cohort.survival)
    assert selection.z_score.features == ()


def test_columns_are_found_by_name_not_by_place(cohort: Cohort) -> None:
    z_score, _ = fit_z_score(cohort.features)
    shuffled = cohort.features.iloc[:, ::-1].assign(extra="text")
    np.testing.assert_array_equal(z_score.apply(shuffled), z_score.apply(cohort.features))


def test_unusable_tables_are_refused(cohort: Cohort) -> None:
    columns = tuple(cohort.features.columns)
    with pytest.raises(
        FeatureMismatchError, match="1 of 60 features is absent, the first is gtv:000"
    ) as absent:
        feature_values(cohort.features.drop(columns="gtv:000"), columns)
    assert absent.value.columns == ("gtv:000",)
    hole = cohort.features.copy()
    hole.iloc[4, 2] = np.nan
    with pytest.raises(
        FeatureMismatchError, match="missing or infinite values: 1, the first"
    ) as missing:
        feature_values(hole, columns)
    assert missing.value.columns == ("gtv:002",)
    with pytest.raises(FeatureMismatchError, match="more than once"):
        feature_values(pd.concat([cohort.features, cohort.features[["gtv:001"]]], axis=1), columns)
    with pytest.raises(FeatureMismatchError, match="not a number"):
        feature_values(cohort.features.astype(object).assign(**{"gtv:001": "high"}), columns)
    with pytest.raises(TrainingError, match="at least two"):
        fit_z_score(cohort.features.iloc[:1])


@pytest.mark.parametrize(
    ("features", "means", "sds"),
    [
        (("a",), [0.0], [0.0]),
        (("a",), [0.0], [np.inf]),
        (("a", "a"), [0.0, 0.0], [1.0, 1.0]),
        (("a",), [0.0, 1.0], [1.0]),
    ],
)
def test_an_invalid_z_score_cannot_exist(
    features: tuple[str, ...], means: list[float], sds: list[float]
) -> None:
    with pytest.raises(TrainingError):
        ZScore(features, np.array(means), np.array(sds))
