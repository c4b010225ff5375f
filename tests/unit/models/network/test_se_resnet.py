"""The network has the paper's shapes, row by row, and the ablation differs in its SE modules
only.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import BundleError
from models.network.deep_features import DeepFeatureExtractor
from models.network.weights import NetworkWeights

SHAPES = {
    "stem_conv": (32, 32, 32, 64),
    "stem_pool": (16, 16, 16, 64),
    "block1_se_scale": (16, 16, 16, 64),
    "block2_se_scale": (8, 8, 8, 128),
    "block3_se_scale": (4, 4, 4, 256),
    "block4_se_scale": (2, 2, 2, 512),
    "deep_features": (512,),
    "dense1": (512,),
    "dense2": (256,),
    "dense3": (128,),
    "log_hazard": (1,),
}


@pytest.fixture(scope="module")
def network() -> Any:
    from models.network.backend import make_deterministic
    from models.network.se_resnet import build_se_resnet

    make_deterministic(3)
    return build_se_resnet()


@pytest.fixture(scope="module")
def weights(network: Any) -> NetworkWeights:
    from models.network.se_resnet import network_weights

    return network_weights(network)


@pytest.fixture(scope="module")
def tumours() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(3, 64, 64, 64)).astype(np.float32)


def test_every_layer_has_the_paper_s_shape(network: Any) -> None:
    assert {name: tuple(network.get_layer(name).output.shape[1:]) for name in SHAPES} == SHAPES
    kernels = {
        weight.path: tuple(weight.shape)
        for weight in network.weights
        if weight.path.endswith("kernel")
    }
    convolutions = {path: shape for path, shape in kernels.items() if "_conv/" in path}
    assert len(convolutions) == 1 + 4 * 2 + 3
    assert {shape[:3] for path, shape in convolutions.items() if "skip" not in path} == {(3, 3, 3)}
    assert [kernels[f"block{number}_se_reduce/kernel"] for number in (1, 2, 3, 4)] == [
        (64, 1),
        (128, 2),
        (256, 4),
        (512, 8),
    ]


def test_regularisation_is_the_paper_s(network: Any) -> None:
    rates = [layer.rate for layer in network.layers if type(layer).__name__ == "Dropout"]
    assert rates == [0.4, 0.4, 0.4]
    regularised = [
        layer for layer in network.layers if getattr(layer, "kernel_regularizer", None) is not None
    ]
    assert len(regularised) == 12 + 8 + 4
    assert {round(float(layer.kernel_regularizer.l2), 8) for layer in regularised} == {1e-4}


def test_block_1_convolves_its_input_directly(network: Any) -> None:
    # Its only normalisation stands before its second unit; every other block has two.
    normalised = [
        layer.name for layer in network.layers if type(layer).__name__ == "BatchNormalization"
    ]
    assert normalised == ["stem_bn", "block1_unit2_bn"] + [
        f"block{block}_unit{unit}_bn" for block in (2, 3, 4) for unit in (1, 2)
    ]


def test_the_ablation_lacks_the_se_modules_only(weights: NetworkWeights) -> None:
    from models.network.se_resnet import build_se_resnet

    without = {weight.path for weight in build_se_resnet(squeeze_excitation=False).weights}
    assert {path for path in weights.arrays if "_se_" not in path} == without


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
