"""Network and model learn from the same patients, or from two halves with as many deaths."""

from __future__ import annotations

import numpy as np
import pytest

from models.combined.sample_splitting import DeepFeatures, split_learners
from models.errors import TrainingError
from models.survival.survival_data import Survival

SURVIVAL = Survival(np.arange(1.0, 41.0), np.arange(40) % 4 != 0)


def test_the_papers_way_takes_everybody_twice() -> None:
    found = split_learners(SURVIVAL, DeepFeatures.SAME, 1)
    assert found.of_network.tolist() == found.of_model.tolist() == list(range(40))


def test_halves_share_nobody_and_the_deaths() -> None:
    found = split_learners(SURVIVAL, DeepFeatures.HELD_OUT, 1)
    assert sorted([*found.of_network, *found.of_model]) == list(range(40))
    assert [SURVIVAL.event[half].sum() for half in (found.of_network, found.of_model)] == [15, 15]
    again = split_learners(SURVIVAL, DeepFeatures.HELD_OUT, 1)
    assert found.of_network.tolist() == again.of_network.tolist()


def test_one_death_cannot_be_shared() -> None:
    with pytest.raises(TrainingError, match="1 death cannot be shared"):
        split_learners(Survival(np.arange(1.0, 5.0), np.arange(4) == 0), DeepFeatures.HELD_OUT, 1)
