"""Harrell's C of a model in the patients that it was trained on.

References
----------
.. [1] Harrell FE, Lee KL, Mark DB. Stat Med 1996;15:361-387.
.. [2] Therneau T, Atkinson E. Concordance. Vignette of the R package survival (infinitesimal
    jackknife).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.errors import TrainingError
from models.survival.survival_data import Survival

_NORMAL_975 = 1.959963984540054


@dataclass(frozen=True)
class TrainingConcordance:
    """Harrell's C and its infinitesimal-jackknife standard error.

    Parameters
    ----------
    estimate, standard_error : float
        0.5 is chance, 1 is perfect order.
    """

    estimate: float
    standard_error: float

    @property
    def interval(self) -> tuple[float, float]:
        """The normal 95 % interval, cut to 0-1."""
        half = _NORMAL_975 * self.standard_error
        return max(0.0, self.estimate - half), min(1.0, self.estimate + half)


def training_concordance(survival: Survival, score: ArrayLike) -> TrainingConcordance:
    """Estimate Harrell's C of a score that is higher for patients who die earlier.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients, of few enough that an n x n matrix fits into memory.
    score : array_like, shape (n,)
        The linear predictor.

    Returns
    -------
    TrainingConcordance
        R: ``concordance(Surv(days, event) ~ score, reverse = TRUE)``.

    Raises
    ------
    TrainingError
        If no two patients can be compared.
    """
    value, days, event = np.asarray(score, dtype=np.float64), survival.days, survival.event
    comparable = event[:, None] & ((days > days[:, None]) | ((days == days[:, None]) & ~event))
    credit = comparable * (0.5 * (np.sign(value[:, None] - value) + 1))
    total = int(comparable.sum())
    if total == 0:
        raise TrainingError(
            "No two patients can be compared, as nobody outlived a death: train on more patients."
        )
    estimate = float(credit.sum() / total)
    per_patient = credit.sum(axis=0) + credit.sum(axis=1)
    pairs = comparable.sum(axis=0) + comparable.sum(axis=1)
    error = float(np.sqrt((((per_patient - estimate * pairs) / total) ** 2).sum()))
    return TrainingConcordance(estimate, error)
