"""A network that learns in a moment, and remembers its patients as a large one does: random layers
of the input with a last layer that is fitted to the outcome.

What it has learnt from it predicts nearly perfectly, whatever the input; what it has not it
predicts by what the input says.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.network.weights import N_DEEP_FEATURES
from models.survival.survival_data import Survival

_RIDGE, _LOUD, _LEARNT = 0.3, 2.0, 60


class MemorisingNetwork:
    """Deep features of patients, of a network that is taught by some of them.

    Parameters
    ----------
    inputs : ndarray, shape (n, p)
        What the network sees of each patient.
    survival : Survival
        Follow-up of the same patients.
    seed : int
        Of the random layers.
    """

    def __init__(self, inputs: NDArray[np.float64], survival: Survival, seed: int) -> None:
        self._inputs, self._survival, self._seed = inputs, survival, seed

    def __call__(self, rows: NDArray[np.intp], number: int) -> NDArray[np.float64]:
        """Teach a network by the patients at `rows`, and return the features of all, shape (n,
        512); no outcome of another patient is looked at.
        """
        random = np.random.default_rng((self._seed, number))
        weights = random.normal(size=(self._inputs.shape[1], N_DEEP_FEATURES))
        hidden = np.maximum(self._inputs @ weights / np.sqrt(self._inputs.shape[1]), 0.0)
        hidden = (hidden - hidden[rows].mean(axis=0)) / hidden[rows].std(axis=0)
        taught = self._survival.subset(rows)
        rank = np.argsort(np.argsort(-taught.days)) / taught.n + 0.5 * taught.event
        target = (rank - rank.mean()) / rank.std()
        alike = hidden @ hidden[rows].T / N_DEEP_FEATURES
        answer = alike @ np.linalg.solve(alike[rows] + _RIDGE * np.eye(rows.size), target)
        features: NDArray[np.float64] = random.normal(size=hidden.shape)
        features[:, :_LEARNT] = hidden[:, :_LEARNT] + _LOUD * answer[:, None]
        return features
