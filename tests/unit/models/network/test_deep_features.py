"""Deep features are those of the whole network, from a warm one that refuses foreign weights."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import BundleError
from models.network.deep_features import DeepFeatureExtractor
from models.network.weights import NetworkWeights


@pytest.fixture(scope="module")
def tumours() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(3, 64, 64, 64)).astype(np.float32)


def test_deep_features_are_those_of_the_whole_network(
    network: Any, weights: NetworkWeights, tumours: NDArray[np.float32]
) -> None:
    from models.network.backend import keras

    extractor = DeepFeatureExtractor(weights)
    features = extractor.extract(tumours, batch=2)
    assert features.shape == (3, 512)
    assert features.dtype == np.float32
    whole = keras.Model(network.input, network.get_layer("deep_features").output)(
        tumours[..., None], training=False
    )
    np.testing.assert_allclose(features, np.asarray(whole), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        extractor.extract(tumours[1:2])[0], features[1], rtol=1e-4, atol=1e-5
    )
    assert np.abs(features[0] - features[1]).max() > 1e-3
    assert extractor.extract(tumours[:0]).shape == (0, 512)


def test_one_tumour_takes_well_below_a_second(
    weights: NetworkWeights, tumours: NDArray[np.float32]
) -> None:
    extractor = DeepFeatureExtractor(weights)
    extractor.extract(tumours[:1])
    begin = time.process_time()
    extractor.extract(tumours[:1])
    assert time.process_time() - begin < 2


def test_weights_of_another_architecture_are_refused(weights: NetworkWeights) -> None:
    lacking = {path: array for path, array in weights.arrays.items() if path != "stem_conv/kernel"}
    with pytest.raises(BundleError, match="stem_conv/kernel are absent"):
        DeepFeatureExtractor(NetworkWeights(lacking))
    wrong = {**weights.arrays, "stem_conv/kernel": np.zeros((3, 3, 3, 1, 32), np.float32)}
    with pytest.raises(
        BundleError, match=r"of shape \(3, 3, 3, 1, 32\), expected shape \(3, 3, 3, 1, 64\)"
    ):
        DeepFeatureExtractor(NetworkWeights(wrong))
