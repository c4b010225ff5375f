"""Deep features by Keras: the 512 numbers that the network's weights make of a tumour.

TensorFlow is imported when features are asked for, which takes seconds the first time, so an
extractor is made once and kept warm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.network.weights import N_DEEP_FEATURES, NetworkWeights, checked_inputs


class DeepFeatureExtractor:
    """A warm network that answers with its deep features.

    Parameters
    ----------
    weights : NetworkWeights
        Of a network of this architecture.

    Raises
    ------
    BundleError
        If the weights are of another architecture.
    BackendError
        If ``KERAS_BACKEND`` names a backend that is not there.
    """

    def __init__(self, weights: NetworkWeights) -> None:
        from models.network.backend import backend_version, numpy_of  # noqa: PLC0415 - TensorFlow
        from models.network.se_resnet import build_feature_network, load_weights  # noqa: PLC0415

        self.engine = backend_version()
        self._numpy_of = numpy_of
        self.weights = weights
        self._network = build_feature_network(squeeze_excitation=weights.squeeze_excitation)
        load_weights(self._network, weights)

    def extract(self, inputs: ArrayLike, batch: int = 8) -> NDArray[np.float32]:
        """Return the global average pooling layer's answer.

        Parameters
        ----------
        inputs : array_like of float32, shape (n, 64, 64, 64)
            GTV regions, resized and z-scored.
        batch : int
            Patients at a time.

        Returns
        -------
        ndarray of float32, shape (n, 512)

        Raises
        ------
        FeatureMismatchError
            If the shape is another or a value is not finite.
        """
        volumes = checked_inputs(inputs)
        if volumes.shape[0] == 0:
            return np.empty((0, N_DEEP_FEATURES), dtype=np.float32)
        parts = [
            self._numpy_of(
                self._network(volumes[start : start + batch, ..., np.newaxis], training=False)
            )
            for start in range(0, volumes.shape[0], batch)
        ]
        return np.concatenate(parts).astype(np.float32, copy=False)
