"""The network on other Keras backends, and the precision that it is trained in."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from models.errors import BackendError
from models.network.backend_name import backend_package, chosen_backend
from models.network.deep_features import DeepFeatureExtractor
from models.network.training import NetworkTraining, train_network
from models.network.weights import NetworkWeights
from models.survival.survival_data import Survival
from tests.support.fresh_interpreter import printed_by


def test_what_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert chosen_backend() == "tensorflow"
    assert backend_package() == "tensorflow-cpu"
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(BackendError, match="'theano': the network runs on tensorflow, jax, torch"):
        chosen_backend()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BackendError, match="finds no module jax: install it"):
        chosen_backend()


@pytest.mark.slow
def test_a_gpu_gives_memory_as_it_is_needed_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("TF_FORCE_GPU_ALLOW_GROWTH", "XLA_PYTHON_CLIENT_PREALLOCATE")
    said = f"import os, models.network.backend; print([os.environ[one] for one in {names}])"
    for name in names:
        monkeypatch.delenv(name, raising=False)
    assert printed_by(said)[-1] == "['true', 'false']"
    assert printed_by(said, environment={names[0]: "false"})[-1] == "['false', 'false']"


@pytest.mark.slow
def test_half_precision_needs_a_gpu_and_a_wish() -> None:
    from models.network.backend import precision_policy

    assert precision_policy(mixed=True, gpu=True) == "mixed_float16"
    assert precision_policy(mixed=True, gpu=False) == "float32"
    assert precision_policy(mixed=False, gpu=True) == "float32"


@pytest.mark.slow
def test_mixed_precision_keeps_weights_sums_and_output_whole() -> None:
    from models.network.backend import keras, precision
    from models.network.se_resnet import build_se_resnet

    with precision("mixed_float16"):
        network = build_se_resnet()
    assert keras.config.dtype_policy().name == "float32"
    whole = {layer.name for layer in network.layers if layer.compute_dtype == "float32"}
    assert whole == {
        "deep_features",
        "log_hazard",
        *(f"block{number}_se_squeeze" for number in (1, 2, 3, 4)),
    }
    assert {weight.dtype for weight in network.trainable_weights} == {"float32"}
    assert network.output.dtype == "float32"
    network.compile(keras.optimizers.Adam(), loss="mse")
    assert isinstance(network.optimizer, keras.optimizers.LossScaleOptimizer)
    assert all(layer.compute_dtype == "float32" for layer in build_se_resnet().layers)


def main(folder: str) -> None:
    """Extract features in a process whose environment names the backend, and train for two
    epochs.
    """
    from models.network.backend import BACKEND

    weights = NetworkWeights.from_npz((Path(folder) / "weights.npz").read_bytes())
    inputs = np.load(Path(folder) / "inputs.npy")
    np.save(Path(folder) / f"{BACKEND}.npy", DeepFeatureExtractor(weights).extract(inputs))
    survival = Survival(np.arange(1.0, 1.0 + len(inputs)), np.ones(len(inputs), dtype=bool))
    checkpoint = Path(folder) / f"{BACKEND}.checkpoint"
    for epochs in (1, 2):
        training = NetworkTraining(epochs=epochs, batch=4, held_out=0)
        trained = train_network(inputs, survival, training, seed=1, checkpoint=checkpoint)
    assert any((trained.arrays[path] != weights.arrays[path]).any() for path in trained.arrays)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_same_weights_give_the_same_features(backend: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"the Keras backend {backend} is not installed beside TensorFlow")
    from models.network.backend import keras
    from models.network.se_resnet import build_se_resnet, network_weights

    keras.utils.set_random_seed(1)
    weights = network_weights(build_se_resnet())
    inputs = np.random.default_rng(1).normal(size=(6, 64, 64, 64)).astype(np.float32)
    (tmp_path / "weights.npz").write_bytes(weights.to_npz())
    np.save(tmp_path / "inputs.npy", inputs)
    program = f"from {__name__} import main; main({str(tmp_path)!r})"
    printed_by(program, environment={"KERAS_BACKEND": backend}, timeout_s=600)
    ours, theirs = (
        DeepFeatureExtractor(weights).extract(inputs),
        np.load(tmp_path / f"{backend}.npy"),
    )
    apart = np.abs(theirs - ours).max()
    print(f"{backend}: at most {apart:.1e} apart, where features reach {ours.max():.2f}")
    assert apart < 1e-4 * max(1.0, float(ours.max()))
