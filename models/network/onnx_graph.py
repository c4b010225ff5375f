"""The network up to its deep features as an ONNX graph [1]_, which other libraries than Keras
compute: the same layers as `models.network.se_resnet` builds, in the same order, with channels
before voxels.

The bytes depend on the weights only. Batch normalisations are written as they are, and left to the
engine to fold; Keras' "same" padding is written out, which at stride 2 adds a voxel at the far end
and none at the near one.

References
----------
.. [1] Open Neural Network Exchange, https://onnx.ai/onnx: IR version 8, operator set 17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.errors import BundleError
from models.network.weights import INPUT_SHAPE, N_DEEP_FEATURES, NetworkWeights

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

INPUT, OUTPUT = "tumour", "deep_features"
BLOCKS = 4
IR_VERSION, OPERATOR_SET = 8, 17
EPSILON = 1e-3
"""Keras' own, which `models.network.se_resnet` leaves as it is."""
_SAME = {1: (1, 1, 1, 1, 1, 1), 2: (0, 0, 0, 1, 1, 1)}
"""Voxels that "same" adds for a kernel of 3 by stride, where the image has an even size."""


def onnx_graph(weights: NetworkWeights) -> bytes:
    """Return the network up to its deep features as the bytes of an ONNX file.

    Parameters
    ----------
    weights : NetworkWeights
        Of the whole network; those behind the deep features are left out.

    Returns
    -------
    bytes
        A model that takes ``tumour``, float32, shape (n, 1, 64, 64, 64), and gives
        ``deep_features``, float32, shape (n, 512).

    Raises
    ------
    BundleError
        If a weight is absent: the weights are of another architecture.
    """
    # Only who freezes a bundle needs it
    from onnx import TensorProto, checker, helper  # noqa: PLC0415

    layers = _Layers(weights)
    x = layers.convolution(INPUT, "stem_conv", stride=2)
    x = layers.activation(x, "stem")
    x = layers.node(
        "MaxPool", [x], "stem_pool", kernel_shape=[3, 3, 3], strides=[2, 2, 2], pads=_SAME[2]
    )
    for number in range(1, BLOCKS + 1):
        x = layers.block(x, f"block{number}", first=number == 1)
        if weights.squeeze_excitation:
            x = layers.squeeze_excitation(x, f"block{number}_se")
    x = layers.node("GlobalAveragePool", [x], "pooled")
    layers.node("Flatten", [x], OUTPUT, axis=1)
    graph = helper.make_graph(
        layers.nodes,
        "se_resnet" if weights.squeeze_excitation else "resnet",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", 1, *INPUT_SHAPE])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", N_DEEP_FEATURES])],
        layers.arrays,
    )
    model = helper.make_model(
        graph,
        producer_name="annulus",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPERATOR_SET)],
    )
    checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _Layers:
    """The graph while it grows: its nodes, and the arrays that they read."""

    def __init__(self, weights: NetworkWeights) -> None:
        self._weights = weights
        self.nodes: list[NodeProto] = []
        self.arrays: list[TensorProto] = []

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        from onnx import helper  # noqa: PLC0415

        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def convolution(self, x: str, name: str, *, stride: int = 1) -> str:
        kernel = self._array(f"{name}/kernel", (4, 3, 0, 1, 2))
        pads = _SAME[stride] if self._shape(name)[0] == 3 else (0,) * 6
        return self.node("Conv", [x, kernel], name, strides=[stride] * 3, pads=pads)

    def activation(self, x: str, name: str) -> str:
        parts = [
            self._array(f"{name}_bn/{part}")
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        ]
        x = self.node("BatchNormalization", [x, *parts], f"{name}_bn", epsilon=EPSILON)
        return self.node("Relu", [x], f"{name}_relu")

    def block(self, x: str, name: str, *, first: bool) -> str:
        stride = 1 if first else 2
        y = x if first else self.activation(x, f"{name}_unit1")
        y = self.convolution(y, f"{name}_unit1_conv", stride=stride)
        y = self.activation(y, f"{name}_unit2")
        y = self.convolution(y, f"{name}_unit2_conv")
        skip = x if first else self.convolution(x, f"{name}_skip_conv", stride=stride)
        return self.node("Add", [y, skip], f"{name}_add")

    def squeeze_excitation(self, x: str, name: str) -> str:
        y = self.node("GlobalAveragePool", [x], f"{name}_squeeze")
        y = self.node("Relu", [self._dense(y, f"{name}_reduce")], f"{name}_relu")
        y = self.node("Sigmoid", [self._dense(y, f"{name}_expand")], f"{name}_sigmoid")
        return self.node("Mul", [x, y], f"{name}_scale")

    def _dense(self, x: str, name: str) -> str:
        """Add a dense layer on channels, which is a convolution of one voxel."""
        kernel = self._array(f"{name}/kernel", (1, 0), (1, 1, 1))
        return self.node("Conv", [x, kernel, self._array(f"{name}/bias")], name)

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._of(f"{name}/kernel").shape

    def _of(self, path: str) -> NDArray[np.float32]:
        try:
            return self._weights.arrays[path]
        except KeyError as error:
            raise BundleError(
                f"The network weights {path} are absent: they belong to another architecture, so "
                "train the network again with this software version."
            ) from error

    def _array(self, path: str, axes: tuple[int, ...] = (), behind: tuple[int, ...] = ()) -> str:
        from onnx import numpy_helper  # noqa: PLC0415

        found = self._of(path)
        turned = np.ascontiguousarray(found.transpose(axes) if axes else found)
        self.arrays.append(numpy_helper.from_array(turned.reshape(turned.shape + behind), path))
        return path
