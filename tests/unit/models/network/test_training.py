"""Training learns, stops, survives being killed, repeats itself, and refuses cohorts that it cannot
learn from.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import FeatureMismatchError, TrainingError
from models.network.deep_features import DeepFeatureExtractor
from models.network.training import (
    Epoch,
    NetworkTraining,
    _Memory,
    one_ahead,
    split_patients,
    train_network,
)
from models.network.weights import NetworkWeights
from models.survival.survival_data import Survival
from tests.support import ROOT


def make_tumours(n: int, seed: int) -> tuple[NDArray[np.float32], Survival]:
    """Draw balls in noise; the larger the ball, the sooner the death."""
    rng = np.random.default_rng(seed)
    axis = np.arange(64) - 31.5
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    radius = rng.uniform(8, 30, n)
    inputs = (distance < radius[:, None, None, None]) + 0.3 * rng.normal(size=(n, 64, 64, 64))
    inputs = (inputs - inputs.mean(axis=(1, 2, 3), keepdims=True)) / inputs.std(
        axis=(1, 2, 3), keepdims=True
    )
    return inputs.astype(np.float32), Survival(2000 - 50 * radius, rng.random(n) < 0.8)


TRAINING = NetworkTraining(epochs=3, batch=12, learning_rate=3e-4, held_out=0.25)


def main(checkpoint: str) -> None:
    """Train in a process of its own, saying each epoch; the last line is the digest of the
    weights.
    """
    inputs, survival = make_tumours(12, seed=1)
    weights = train_network(
        inputs,
        survival,
        TRAINING,
        seed=5,
        checkpoint=Path(checkpoint),
        checkpoint_every_s=0,
        on_epoch=lambda epoch: print(epoch, flush=True),
    )
    print(weights.digest)


@pytest.mark.slow
def test_a_training_that_was_killed_ends_with_the_same_weights(tmp_path: Path) -> None:
    inputs, survival = make_tumours(12, seed=1)
    epochs: list[Epoch] = []
    weights = train_network(inputs, survival, TRAINING, seed=5, on_epoch=epochs.append)
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    watched = [epoch.held_out_loss for epoch in epochs if epoch.held_out_loss is not None]
    assert len(watched) == len(epochs)
    assert min(watched) < watched[0]
    assert [epoch.best for epoch in epochs] == [
        loss == min(watched[: n + 1]) for n, loss in enumerate(watched)
    ]
    assert DeepFeatureExtractor(weights).extract(inputs[:2]).shape == (2, 512)

    command = [
        sys.executable,
        "-c",
        f"from {__name__} import main; main({str(tmp_path / 'network.ckpt')!r})",
    ]
    last = random.SystemRandom().randint(1, 2)
    killed = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert killed.stdout is not None
    for _ in range(last):
        killed.stdout.readline()
    time.sleep(random.SystemRandom().uniform(0, 0.5))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    print(f"killed in or after epoch {last}")
    assert killed.returncode == -signal.SIGKILL
    answer = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    assert answer.stdout.splitlines() == [*map(str, epochs), weights.digest]


def test_a_checkpoint_is_written_after_the_last_epoch_and_not_after_each(tmp_path: Path) -> None:
    written: list[int] = []

    memory = _Memory(tmp_path / "network.ckpt", "f", every_s=3600)
    best = NetworkWeights({"a": np.zeros(1, dtype=np.float32)})
    network = SimpleNamespace(variables=[np.ones(2)], optimizer=SimpleNamespace(variables=[]))
    for number in (1, 2, 3):
        curve = [Epoch(one, 1.0, None, True) for one in range(1, number + 1)]
        memory.keep(curve, network, best, is_last=number == 3)
        found = memory.recall()
        written.append(0 if found is None else found.curve[-1].number)
    assert written == [0, 0, 3]


def test_the_split_shares_deaths() -> None:
    survival = Survival(np.arange(1.0, 101.0), np.arange(100) < 70)
    learning, held_out = split_patients(survival, 0.2, seed=0)
    assert sorted([*learning, *held_out]) == list(range(100))
    assert (held_out.size, int(survival.event[held_out].sum())) == (20, 14)
    everybody, nobody = split_patients(survival, 0.0, seed=0)
    assert (everybody.size, nobody.size) == (100, 0)


def test_cohorts_without_deaths_to_compare_are_refused() -> None:
    with pytest.raises(TrainingError, match="2 would be held out, 1 of whom died"):
        split_patients(Survival(np.arange(1.0, 11.0), np.arange(10) < 5), 0.2, seed=0)
    with pytest.raises(TrainingError, match="10 would train, 1 of whom died"):
        split_patients(Survival(np.arange(1.0, 11.0), np.arange(10) < 1), 0.0, seed=0)


def test_unusable_inputs_are_refused() -> None:
    survival = Survival(np.array([1.0, 2.0]), np.array([True, True]))
    with pytest.raises(TrainingError, match="3 network inputs and 2 outcomes"):
        train_network(np.zeros((3, 64, 64, 64)), survival, seed=0)
    with pytest.raises(FeatureMismatchError, match="expected"):
        train_network(np.zeros((2, 32, 64, 64)), survival, seed=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 1},
        {"patience": 0},
        {"learning_rate": 0.0},
        {"decay": 1.1},
        {"held_out": 1.0},
    ],
)
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(TrainingError):
        NetworkTraining(**wrong)  # type: ignore[arg-type]


def test_the_next_batch_is_made_while_the_last_is_used_and_in_order() -> None:
    begun = [threading.Event() for _ in range(3)]

    def make(number: int) -> int:
        begun[number].set()
        return 10 * number

    ahead = one_ahead(make, range(3))
    assert next(ahead) == 0
    assert begun[1].wait(10)  # though nobody has asked for it yet
    assert list(ahead) == [10, 20]
    assert list(one_ahead(make, [])) == []


def test_a_batch_that_cannot_be_made_is_an_error_and_leaves_no_thread() -> None:
    def make(number: int) -> int:
        raise ValueError(f"batch {number}")

    before = threading.active_count()
    with pytest.raises(ValueError, match="batch 0"):
        list(one_ahead(make, range(3)))
    assert threading.active_count() == before
