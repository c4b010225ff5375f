"""The ONNX graph is the network: valid by ONNX's own checker, the same bytes for the same weights,
and its features those of Keras.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from models.errors import BundleError
from models.network.onnx_graph import INPUT, OUTPUT, onnx_graph
from models.network.weights import NetworkWeights


def test_the_same_weights_give_the_same_bytes(weights: NetworkWeights) -> None:
    graph = onnx_graph(weights)
    assert onnx_graph(NetworkWeights.from_npz(weights.to_npz())) == graph
    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model, full_check=True)
    (given,), (answer,) = model.graph.input, model.graph.output
    assert (given.name, answer.name) == (INPUT, OUTPUT)
    sizes = [axis.dim_param or axis.dim_value for axis in given.type.tensor_type.shape.dim]
    assert sizes == ["n", 1, 64, 64, 64]
    kernel = weights.arrays["block2_unit1_conv/kernel"]
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    np.testing.assert_array_equal(
        stored["block2_unit1_conv/kernel"], np.moveaxis(kernel, (3, 4), (1, 0))
    )
    assert not any(name.startswith(("dense", "log_hazard")) for name in stored)


def test_padding_is_keras_own_at_even_sizes(weights: NetworkWeights) -> None:
    model = onnx.load_from_string(onnx_graph(weights))
    pads = {
        node.name: list(attribute.ints)
        for node in model.graph.node
        for attribute in node.attribute
        if attribute.name == "pads"
    }
    assert pads["stem_conv"] == pads["stem_pool"] == [0, 0, 0, 1, 1, 1]
    assert pads["block1_unit1_conv"] == [1] * 6
    assert pads["block3_skip_conv"] == [0] * 6


def test_a_small_graph_of_its_nodes_computes_as_onnx_defines_them() -> None:
    """A squeeze-and-excitation module, by ONNX's reference evaluator, is the paper's formula."""
    from models.network.onnx_graph import _Layers

    random = np.random.default_rng(0)
    arrays = {
        "se_reduce/kernel": random.normal(size=(4, 2)),
        "se_reduce/bias": random.normal(size=2),
        "se_expand/kernel": random.normal(size=(2, 4)),
        "se_expand/bias": random.normal(size=4),
    }
    weights = NetworkWeights({path: array.astype(np.float32) for path, array in arrays.items()})
    layers = _Layers(weights)
    last = layers.squeeze_excitation("x", "se")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        layers.nodes,
        "se",
        [helper.make_tensor_value_info("x", kind, [1, 4, 2, 2, 2])],
        [helper.make_tensor_value_info(last, kind, [1, 4, 2, 2, 2])],
        layers.arrays,
    )
    image = random.normal(size=(1, 4, 2, 2, 2)).astype(np.float32)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (found,) = ReferenceEvaluator(model).run(None, {"x": image})
    squeezed = image.mean(axis=(2, 3, 4))[0]
    hidden = np.maximum(squeezed @ arrays["se_reduce/kernel"] + arrays["se_reduce/bias"], 0)
    scale = 1 / (1 + np.exp(-(hidden @ arrays["se_expand/kernel"] + arrays["se_expand/bias"])))
    np.testing.assert_allclose(
        np.asarray(found), image * scale[None, :, None, None, None], rtol=1e-5
    )


def test_weights_of_another_architecture_are_refused(weights: NetworkWeights) -> None:
    lacking = {path: array for path, array in weights.arrays.items() if path != "stem_bn/gamma"}
    with pytest.raises(BundleError, match="stem_bn/gamma are absent"):
        onnx_graph(NetworkWeights(lacking))
