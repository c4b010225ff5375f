"""The 3D-SE-ResNet (paper, 'Deep learning network'), adapted from ResNet-18.

::

    input 64x64x64x1
    stem     conv 3x3x3, 64, stride 2; BN; ReLU; max-pool 3x3x3, stride 2            16x16x16x64
    block1   unit1: conv, stride 1          unit2: BN, ReLU, conv; + identity; SE    16x16x16x64
    block2   unit1: BN, ReLU, conv, stride 2  unit2: ...; + 1x1x1 conv, stride 2; SE  8x8x8x128
    block3   likewise                                                                4x4x4x256
    block4   likewise                                                                2x2x2x512
    global average pooling: the 512 deep features
    dense 512, 256, 128 (ReLU), each with dropout 0.4; output: one tanh unit, the log hazard

Where the paper leaves a choice, this is the one taken:

- The stem's convolution is followed by BN and ReLU, as in ResNet-18. That is why block 1 may
  convolve its input directly: it is already activated.
- Convolutions pad to keep the size ("same"), have no bias where BN follows or precedes them, and
  start from He's normal initialisation.
- Where a block changes the shape, its skip connection is a 1x1x1 convolution of the block's input
  with stride 2; in block 1 it is the identity.
- The SE module scales the block's sum (after the skip connection). Its hidden layer has channels
  / 64 units: 1, 2, 4 and 8.
- BN's running statistics have momentum 0.9. A cohort of 56 makes two steps per epoch, and with
  Keras' default of 0.99 the statistics used for prediction would still be those of the beginning
  after dozens of epochs.
- Averages over voxels and the output are float32 even in mixed precision: half precision cannot
  sum 16x16x16 voxels.
- L2 1e-4 acts on the kernels of convolutions and dense layers, not on biases or BN.

References
----------
.. [1] He K, Zhang X, Ren S, Sun J. Identity mappings in deep residual networks. ECCV 2016.
.. [2] Hu J, Shen L, Sun G. Squeeze-and-excitation networks. CVPR 2018.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.errors import BundleError
from models.network.backend import keras
from models.network.weights import INPUT_SHAPE, NetworkWeights

FILTERS = (64, 128, 256, 512)
DENSE_UNITS = (512, 256, 128)
REDUCTION = 64
DROPOUT = 0.4
WEIGHT_DECAY = 1e-4
BATCH_NORM_MOMENTUM = 0.9
FEATURE_LAYER = "deep_features"


def build_se_resnet(*, squeeze_excitation: bool = True) -> Any:
    """Build the whole network.

    Parameters
    ----------
    squeeze_excitation : bool
        `False` gives the ablation: the same network without SE modules.

    Returns
    -------
    keras.Model
        (n, 64, 64, 64, 1) -> (n, 1), a log hazard between -1 and 1.
    """
    inputs, features = _trunk(squeeze_excitation)
    x = features
    for number, units in enumerate(DENSE_UNITS, start=1):
        x = keras.layers.Dense(
            units, activation="relu", kernel_regularizer=_l2(), name=f"dense{number}"
        )(x)
        x = keras.layers.Dropout(DROPOUT, name=f"dropout{number}")(x)
    output = keras.layers.Dense(
        1, activation="tanh", kernel_regularizer=_l2(), dtype="float32", name="log_hazard"
    )(x)
    return keras.Model(inputs, output, name="se_resnet" if squeeze_excitation else "resnet")


def build_feature_network(*, squeeze_excitation: bool = True) -> Any:
    """Build the network up to its deep features.

    Parameters
    ----------
    squeeze_excitation : bool
        As in `build_se_resnet`.

    Returns
    -------
    keras.Model
        (n, 64, 64, 64, 1) -> (n, 512).
    """
    inputs, features = _trunk(squeeze_excitation)
    return keras.Model(inputs, features, name="feature_network")


def network_weights(network: Any, *, squeeze_excitation: bool = True) -> NetworkWeights:
    """Copy a network's weights, by layer path."""
    return NetworkWeights(
        {weight.path: np.asarray(weight) for weight in network.weights}, squeeze_excitation
    )


def load_weights(network: Any, weights: NetworkWeights) -> None:
    """Put weights into a network of the same architecture.

    Raises
    ------
    BundleError
        If a weight is absent or has another shape.
    """
    for variable in network.weights:
        array = weights.arrays.get(variable.path)
        if array is None or array.shape != tuple(variable.shape):
            found = "absent" if array is None else f"of shape {array.shape}"
            raise BundleError(
                f"The network weights {variable.path} are {found}, expected shape "
                f"{tuple(variable.shape)}: they belong to another architecture, so train the "
                "network again with this software version."
            )
        variable.assign(array)


def _trunk(squeeze_excitation: bool) -> tuple[Any, Any]:
    inputs = keras.Input((*INPUT_SHAPE, 1), name="tumour")
    x = _convolution(64, strides=2, name="stem_conv")(inputs)
    x = _activation(x, "stem")
    x = keras.layers.MaxPooling3D(3, strides=2, padding="same", name="stem_pool")(x)
    for number, filters in enumerate(FILTERS, start=1):
        x = _residual_block(x, filters, number)
        if squeeze_excitation:
            x = _squeeze_excitation(x, filters, f"block{number}_se")
    return inputs, keras.layers.GlobalAveragePooling3D(dtype="float32", name=FEATURE_LAYER)(x)


def _residual_block(x: Any, filters: int, number: int) -> Any:
    name, first = f"block{number}", number == 1
    strides = 1 if first else 2
    y = x if first else _activation(x, f"{name}_unit1")
    y = _convolution(filters, strides=strides, name=f"{name}_unit1_conv")(y)
    y = _activation(y, f"{name}_unit2")
    y = _convolution(filters, name=f"{name}_unit2_conv")(y)
    skip = (
        x if first else _convolution(filters, size=1, strides=strides, name=f"{name}_skip_conv")(x)
    )
    return keras.layers.Add(name=f"{name}_add")([y, skip])


def _squeeze_excitation(x: Any, filters: int, name: str) -> Any:
    squeezed = keras.layers.GlobalAveragePooling3D(
        keepdims=True, dtype="float32", name=f"{name}_squeeze"
    )(x)
    hidden = keras.layers.Dense(
        filters // REDUCTION, activation="relu", kernel_regularizer=_l2(), name=f"{name}_reduce"
    )(squeezed)
    scale = keras.layers.Dense(
        filters, activation="sigmoid", kernel_regularizer=_l2(), name=f"{name}_expand"
    )(hidden)
    return keras.layers.Multiply(name=f"{name}_scale")([x, scale])


def _activation(x: Any, name: str) -> Any:
    normalised = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(normalised)


def _convolution(filters: int, *, name: str, size: int = 3, strides: int = 1) -> Any:
    return keras.layers.Conv3D(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=_l2(),
        name=name,
    )


def _l2() -> Any:
    return keras.regularizers.L2(WEIGHT_DECAY)
