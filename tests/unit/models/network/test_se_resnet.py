"""The network has the paper's shapes, row by row, and the ablation differs in its SE modules
only.
"""

from __future__ import annotations

from typing import Any

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
