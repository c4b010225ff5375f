"""Training learns, stops, repeats itself by seed, and refuses cohorts that it cannot learn from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.deep_features import DeepFeatureExtractor
from models.errors import FeatureMismatchError, TrainingError
from models.survival_data import Survival
from models.train_network import Epoch, NetworkTraining, split_patients, train_network


def make_tumours(n: int, seed: int) -> tuple[NDArray[np.float32], Survival]:
    """Draw balls in noise; the larger the ball, the sooner the death."""
    random = np.random.default_rng(seed)
    axis = np.arange(64) - 31.5
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    radius = random.uniform(8, 30, n)
    inputs = (distance < radius[:, None, None, None]) + 0.3 * random.normal(size=(n, 64, 64, 64))
    inputs = (inputs - inputs.mean(axis=(1, 2, 3), keepdims=True)) / inputs.std(axis=(1, 2, 3), keepdims=True)
    return inputs.astype(np.float32), Survival(2000 - 50 * radius, random.random(n) < 0.8)


@pytest.mark.slow
def test_training_learns_and_repeats_itself() -> None:
    inputs, survival = make_tumours(12, seed=1)
    training = NetworkTraining(epochs=6, batch=12, learning_rate=3e-4, held_out=0.25)
    first: list[Epoch] = []
    second: list[Epoch] = []
    weights = train_network(inputs, survival, training, seed=5, on_epoch=first.append)
    again = train_network(inputs, survival, training, seed=5, on_epoch=second.append)
    assert again.digest == weights.digest
    assert first == second
    assert [epoch.number for epoch in first] == [1, 2, 3, 4, 5, 6]
    watched = [epoch.held_out_loss for epoch in first if epoch.held_out_loss is not None]
    assert len(watched) == len(first)
    assert watched[-1] < watched[0]
    assert [epoch.best for epoch in first] == [loss == min(watched[: n + 1]) for n, loss in enumerate(watched)]
    assert DeepFeatureExtractor(weights).extract(inputs[:2]).shape == (2, 512)


def test_the_split_shares_deaths() -> None:
    survival = Survival(np.arange(1.0, 101.0), np.arange(100) < 70)
    learning, held_out = split_patients(survival, 0.2, seed=0)
    assert sorted([*learning, *held_out]) == list(range(100))
    assert (held_out.size, int(survival.event[held_out].sum())) == (20, 14)
    everybody, nobody = split_patients(survival, 0.0, seed=0)
    assert (everybody.size, nobody.size) == (100, 0)


def test_cohorts_without_deaths_to_compare_are_refused() -> None:
    with pytest.raises(TrainingError, match="2 would be held out, with 1 deaths"):
        split_patients(Survival(np.arange(1.0, 11.0), np.arange(10) < 5), 0.2, seed=0)
    with pytest.raises(TrainingError, match="10 would train, with 1 deaths"):
        split_patients(Survival(np.arange(1.0, 11.0), np.arange(10) < 1), 0.0, seed=0)


def test_unusable_inputs_are_refused() -> None:
    survival = Survival(np.array([1.0, 2.0]), np.array([True, True]))
    with pytest.raises(TrainingError, match="3 network inputs and 2 outcomes"):
        train_network(np.zeros((3, 64, 64, 64)), survival, seed=0)
    with pytest.raises(FeatureMismatchError, match="expected"):
        train_network(np.zeros((2, 32, 64, 64)), survival, seed=0)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch": 1}, {"patience": 0}, {"learning_rate": 0.0}, {"decay": 1.1}, {"held_out": 1.0}]
)
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(TrainingError):
        NetworkTraining(**wrong)  # type: ignore[arg-type]
