"""OpenVINO's features: in single precision whatever the processor, the same bits alone and among
others, and no graph is trusted that cannot be read.
"""

from __future__ import annotations

import importlib.metadata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from models.errors import BundleError, FeatureMismatchError
from models.network.onnx_graph import onnx_graph
from models.network.openvino_features import OpenVinoExtractor
from models.network.weights import NetworkWeights
from tests.support.fresh_interpreter import printed_by


@pytest.fixture(scope="module")
def extractor(weights: NetworkWeights) -> OpenVinoExtractor:
    return OpenVinoExtractor(onnx_graph(weights))


def test_a_tumour_has_the_same_bits_alone_and_among_others(extractor: OpenVinoExtractor) -> None:
    tumours = np.random.default_rng(0).normal(size=(3, 64, 64, 64)).astype(np.float32)
    features = extractor.extract(tumours)
    assert features.shape == (3, 512)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(extractor.extract(tumours[1:2])[0], features[1])
    assert np.abs(features[0] - features[1]).max() > 1e-3
    assert extractor.extract(tumours[:0]).shape == (0, 512)
    assert extractor.engine == f"openvino {importlib.metadata.version('openvino')}"


def test_tumours_of_several_threads_are_not_mixed_up(extractor: OpenVinoExtractor) -> None:
    tumours = np.random.default_rng(1).normal(size=(8, 1, 64, 64, 64)).astype(np.float32)
    alone = [extractor.extract(tumour) for tumour in tumours]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            beside = list(threads.map(extractor.extract, tumours))
            np.testing.assert_array_equal(beside, alone)


def test_what_is_no_input_is_refused(extractor: OpenVinoExtractor) -> None:
    with pytest.raises(FeatureMismatchError, match=r"expected \(patients, 64, 64, 64\)"):
        extractor.extract(np.zeros((1, 32, 64, 64)))
    with pytest.raises(FeatureMismatchError, match="not finite"):
        extractor.extract(np.full((1, 64, 64, 64), np.nan))


def test_a_graph_that_cannot_be_read_says_what_to_do() -> None:
    with pytest.raises(BundleError, match='set engine = "keras"'):
        OpenVinoExtractor(b"no graph")


def test_it_needs_no_tensorflow_and_tells_nobody(weights: NetworkWeights, tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(onnx_graph(weights))
    program = (
        "import socket, sys; import numpy\n"
        "from pathlib import Path\n"
        "def refuse(*_): raise AssertionError('a connection was opened')\n"
        "socket.socket.connect = refuse\n"
        "from models.network.openvino_features import OpenVinoExtractor\n"
        "extractor = OpenVinoExtractor(Path(sys.argv[1]).read_bytes())\n"
        "assert extractor.extract(numpy.ones((1, 64, 64, 64))).shape == (1, 512)\n"
        "print(sorted({'tensorflow', 'keras', 'onnx', 'pandas'} & set(sys.modules)))"
    )
    assert printed_by(program, str(tmp_path / "network.onnx")) == ["[]"]
