"""Contributions add up to the score, and hiding what the network looks at changes it."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from models.combined.combined_model import CombinedModel, train_combined_model
from models.combined.explanation import explain, occlusion_map
from models.errors import FeatureMismatchError
from models.network.deep_features import DeepFeatureExtractor
from models.network.weights import DEEP_COLUMNS
from tests.support.training_cohorts import Cohort, make_cohort


def test_contributions_add_up_to_the_linear_predictor(cohort: Cohort, model: CombinedModel) -> None:
    risks = model.score(cohort.features)
    for risk, found in zip(risks, explain(model, cohort.features), strict=True):
        assert found.linear_predictor == risk.linear_predictor
        assert sum(part.contribution for part in found.contributions) == pytest.approx(
            risk.linear_predictor, abs=1e-12
        )
        assert found.blocks == pytest.approx(dict(risk.contributions), abs=1e-12)
        sizes = [abs(part.contribution) for part in found.contributions]
        assert sizes == sorted(sizes, reverse=True)
        assert {part.feature for part in found.contributions} == set(model.features)


def test_changing_a_feature_changes_the_score_by_its_weight(
    cohort: Cohort, model: CombinedModel
) -> None:
    (before,) = explain(model, cohort.features.iloc[[3]])
    part = before.contributions[0]
    signature = next(signature for signature in model.signatures if signature.block == part.block)
    sd = signature.z_score.sds[signature.features.index(part.feature)]
    moved = cohort.features.iloc[[3]].assign(**{part.feature: part.value + sd})
    (after,) = explain(model, moved)
    assert after.linear_predictor - before.linear_predictor == pytest.approx(part.weight, abs=1e-10)


class CornerNetwork:
    """Stands where the network stands, and answers with the brightness of one corner of the
    image.
    """

    def extract(self, inputs: ArrayLike) -> NDArray[np.float32]:
        corner = np.asarray(inputs, dtype=np.float32)[:, :16, 16:32, 48:].mean(axis=(1, 2, 3))
        return np.repeat(corner[:, None], len(DEEP_COLUMNS), axis=1)


def test_the_map_is_where_the_network_looks() -> None:
    cohort = make_cohort(blocks=("gtv", "deep"))
    model = train_combined_model(cohort.features, cohort.survival, seed=1, blocks=("gtv", "deep"))
    image = np.random.default_rng(0).normal(size=(64, 64, 64)).astype(np.float32)
    image[:16, 16:32, 48:] += 2
    network = cast(DeepFeatureExtractor, CornerNetwork())
    found = occlusion_map(model, network, image)
    inside = np.zeros_like(image, dtype=np.bool_)
    inside[:16, 16:32, 48:] = True
    (deep,) = (signature for signature in model.signatures if signature.block == "deep")
    per_unit = model.feature_weights[-len(deep.features) :] / deep.z_score.sds
    expected = (image[inside].mean() - image.mean()) * per_unit.sum()
    np.testing.assert_allclose(found[inside], expected, rtol=1e-4)
    assert np.abs(found[~inside]).max() < 1e-6
    with pytest.raises(FeatureMismatchError, match="Cubes of 10 voxels"):
        occlusion_map(model, network, image, cube=10)


def test_a_model_without_deep_features_has_no_map(model: CombinedModel) -> None:
    with pytest.raises(FeatureMismatchError, match="reads no deep features"):
        occlusion_map(model, cast(DeepFeatureExtractor, CornerNetwork()), np.zeros((64, 64, 64)))
