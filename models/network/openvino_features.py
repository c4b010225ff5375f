"""Deep features by OpenVINO [1]_ from the network's ONNX graph: what scores on CPUs.

It starts in half a second and adds a quarter of TensorFlow's memory. Everything is computed in
single precision, one tumour at a time, so that a tumour's features have the same bits alone and
among others.

References
----------
.. [1] https://docs.openvino.ai, CPU device.
"""

from __future__ import annotations

import importlib.metadata
import os
import threading
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import BundleError
from models.network.weights import INPUT_SHAPE, N_DEEP_FEATURES, checked_inputs

THREADS_VARIABLE = "OMP_NUM_THREADS"
"""Threads of one process, for this engine as for the others; all cores where it is not set."""


class OpenVinoExtractor:
    """A warm network that answers with its deep features.

    Parameters
    ----------
    graph : bytes or Path
        The ONNX file, as `models.network.onnx_graph` writes it, or where it is: OpenVINO reads it
        from there in half the time and a third of the memory.

    Raises
    ------
    BundleError
        If OpenVINO cannot read or compile it.
    """

    def __init__(self, graph: bytes | Path) -> None:
        # Only who scores needs it
        import openvino  # noqa: PLC0415

        self.engine = f"openvino {importlib.metadata.version('openvino')}"
        properties = {
            # some processors would take bfloat16, which moves features by hundredths
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
        }
        if (threads := os.environ.get(THREADS_VARIABLE, "")).isdecimal() and int(threads) > 0:
            properties["INFERENCE_NUM_THREADS"] = threads
        # A request holds one tumour: studies that are scored beside each other wait for it.
        self._turn = threading.Lock()
        core = openvino.Core()
        try:
            model = core.read_model(graph)
            model.reshape([1, 1, *INPUT_SHAPE])
            self._request = core.compile_model(model, "CPU", properties).create_infer_request()
        except RuntimeError as error:
            raise BundleError(
                'OpenVINO cannot use the network\'s ONNX graph: set engine = "keras" in the '
                "[model] table, which scores with the weights beside it, or freeze the bundle "
                f"again ({str(error).strip().splitlines()[-1]})."
            ) from error

    def extract(self, inputs: ArrayLike) -> NDArray[np.float32]:
        """Return the global average pooling layer's answer.

        Parameters
        ----------
        inputs : array_like of float32, shape (n, 64, 64, 64)
            GTV regions, resized and z-scored.

        Returns
        -------
        ndarray of float32, shape (n, 512)

        Raises
        ------
        FeatureMismatchError
            If the shape is another or a value is not finite.
        """
        volumes = checked_inputs(inputs)
        features = np.empty((volumes.shape[0], N_DEEP_FEATURES), dtype=np.float32)
        for row, volume in enumerate(volumes):
            with self._turn:
                self._request.infer({0: np.ascontiguousarray(volume[np.newaxis, np.newaxis])})
                features[row] = self._request.get_output_tensor().data[0]
        return features
