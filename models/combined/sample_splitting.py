"""Who teaches the network, and who the model that reads its features.

In the paper both learn from the same patients. A network remembers those it has learnt from, so
that its features look better in them than in others, and selection and Cox model trust them too
much. Where they learn from different patients (sample splitting [1]_), neither knows what the other
has seen; the price is that each learns from half of them.

References
----------
.. [1] Cox DR. Biometrika 1975;62:441-444 (data splitting).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.survival.lasso_cross_validation import assign_folds
from models.survival.survival_data import Survival


class DeepFeatures(StrEnum):
    """Of whom the deep features are that signatures and Cox model learn from."""

    SAME = "same"
    """Of the patients that the network learnt from, as in the paper."""
    HELD_OUT = "held-out"
    """Of others."""


@dataclass(frozen=True, eq=False)
class Learners:
    """Who learns what.

    Parameters
    ----------
    of_network, of_model : ndarray of int
        Positions of the patients that teach the network, and the signatures and the Cox model;
        ascending.
    """

    of_network: NDArray[np.intp]
    of_model: NDArray[np.intp]


def split_learners(survival: Survival, way: DeepFeatures, seed: int) -> Learners:
    """Share patients between network and model.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    way : DeepFeatures
        Whether both learn from all of them, or each from a half with as many deaths.
    seed : int
        Seed of the draw.

    Raises
    ------
    TrainingError
        If there are too few deaths for two halves.
    """
    everybody = np.arange(survival.n, dtype=np.intp)
    if way is DeepFeatures.SAME:
        return Learners(everybody, everybody)
    half = assign_folds(survival, 2, seed)
    return Learners(np.flatnonzero(half == 0), np.flatnonzero(half == 1))
