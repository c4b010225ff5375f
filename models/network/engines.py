"""Which library makes the deep features, and whether two of them agree.

Keras trains the network. A frozen bundle also holds the trained network as an ONNX graph where its
features were found to be those of Keras; of such a bundle OpenVINO makes the features, unless Keras
is asked for. A bundle without a graph, as earlier releases froze them, is scored by Keras as ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import BundleError
from models.network.deep_features import DeepFeatureExtractor
from models.network.onnx_graph import onnx_graph
from models.network.openvino_features import OpenVinoExtractor
from models.network.weights import NetworkWeights
from models.wording import counted

LIMIT = 5e-6
"""By how much a feature may differ between engines, or by this share of the largest feature where
that is above 1: single precision carries seven digits.
"""


class Engine(StrEnum):
    """Names of the engines, as the settings give them."""

    OPENVINO = "openvino"
    KERAS = "keras"


class Extractor(Protocol):
    """A warm network that answers with its deep features.

    Attributes
    ----------
    engine : str
        Name and version of the library that computes them.
    """

    engine: str

    def extract(self, inputs: ArrayLike) -> NDArray[np.float32]:
        """Return the deep features of tumours, shape (n, 64, 64, 64), as shape (n, 512)."""
        ...


@dataclass(frozen=True)
class GraphCheck:
    """How the ONNX graph's features compared with those of Keras when the bundle was frozen.

    Parameters
    ----------
    engine, reference : str
        Name and version of the libraries that computed the graph and the network.
    tumours : int
        How many real inputs were compared.
    largest_difference, largest_feature : float
        Of all features of all of them, in absolute value.

    Raises
    ------
    BundleError
        If nothing was compared, or a number is none.
    """

    engine: str
    reference: str
    tumours: int
    largest_difference: float
    largest_feature: float

    def __post_init__(self) -> None:
        numbers = (self.largest_difference, self.largest_feature)
        if self.tumours < 1 or not all(np.isfinite(one) and one >= 0 for one in numbers):
            raise BundleError(
                f"The network's graph was compared on {counted(self.tumours, 'tumour')} with a "
                f"largest difference of {self.largest_difference}: expected one tumour at least, "
                "and finite numbers; freeze the bundle again."
            )

    @property
    def agrees(self) -> bool:
        """Whether the graph may score in the network's place."""
        return self.largest_difference <= LIMIT * max(1.0, self.largest_feature)


def frozen_graph(weights: NetworkWeights, inputs: ArrayLike) -> tuple[bytes | None, GraphCheck]:
    """Write the network as an ONNX graph and hold it against Keras.

    Parameters
    ----------
    weights : NetworkWeights
        The trained network.
    inputs : array_like of float32, shape (n, 64, 64, 64)
        Real inputs, one at least.

    Returns
    -------
    graph : bytes or None
        `None` where it must not score in the network's place.
    check : GraphCheck

    Raises
    ------
    BundleError
        If the weights are of another architecture.
    FeatureMismatchError
        If the shape of the inputs is another or a value is not finite.
    """
    graph = onnx_graph(weights)
    light, reference = OpenVinoExtractor(graph), DeepFeatureExtractor(weights)
    found, expected = light.extract(inputs), reference.extract(inputs)
    check = GraphCheck(
        light.engine,
        reference.engine,
        found.shape[0],
        float(np.abs(found - expected).max(initial=0.0)),
        float(np.abs(expected).max(initial=0.0)),
    )
    return (graph if check.agrees else None), check
