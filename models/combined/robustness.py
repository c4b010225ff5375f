"""Which features would be nearly the same had another reader drawn the contours: the intraclass
correlation over perturbed contours of the training patients.

References
----------
.. [1] Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. Psychol
    Bull 1979;86:420-428: ICC(1,1).
.. [2] Zwanenburg A et al. Assessing robustness of radiomic features by image perturbation. Sci Rep
    2019;9:614: features with ICC(1,1) of at least 0.90 are called robust.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.combined.signature import block_of
from models.errors import TrainingError
from models.wording import counted

LEAST_PATIENTS = 10
"""From fewer the correlation says next to nothing."""


@dataclass(frozen=True)
class Robustness:
    """What a training found of its features over perturbed contours.

    Parameters
    ----------
    threshold : float
        Intraclass correlation that a feature must reach to enter the selection.
    contours : int
        Contours of each patient.
    n : int
        Patients whose contours were measured.
    n_left_out : int
        Patients one of whose contours could not be measured.
    correlations : mapping of str to float
        Intraclass correlation by feature column; 0 of a feature that never varies.
    """

    threshold: float
    contours: int
    n: int
    n_left_out: int
    correlations: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "correlations", MappingProxyType(dict(self.correlations)))

    def robust(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return the columns of a table of features that reach the threshold."""
        kept: pd.DataFrame = features.loc[
            :, [self.correlations[str(name)] >= self.threshold for name in features.columns]
        ]
        return kept

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return for each block how many features reach the threshold, and how many there are."""
        found: dict[str, tuple[int, int]] = {}
        for name, correlation in self.correlations.items():
            reach, all_of_it = found.get(block_of(name), (0, 0))
            found[block_of(name)] = (reach + (correlation >= self.threshold), all_of_it + 1)
        return found


def measure_robustness(
    patients: Iterable[NDArray[np.float64] | None],
    columns: Sequence[str],
    threshold: float,
    contours: int,
) -> Robustness:
    """Compute the intraclass correlation ICC(1,1) of each feature: one-way random effects, one
    contour, patients as the subjects.

    Parameters
    ----------
    patients : iterable of ndarray of float64, shape (contours, p), or None
        Each patient's features by contour, one patient at a time; `None` where they could not all
        be measured.
    columns : sequence of str
        Names of the p features.
    threshold : float
        What a feature must reach.
    contours : int
        Contours of each patient, at least two.

    Raises
    ------
    TrainingError
        If fewer than 10 patients could be measured.
    """
    means, within, n_left_out = [], np.zeros(len(columns)), 0
    for values in patients:
        if values is None:
            n_left_out += 1
            continue
        mean = values.mean(axis=0)
        means.append(mean)
        within += ((values - mean) ** 2).sum(axis=0)
    n = len(means)
    if n < LEAST_PATIENTS:
        raise TrainingError(
            f"The contours of {counted(n, 'patient')} could be perturbed and measured, expected at "
            f"least {LEAST_PATIENTS}: train without --robust, or on more patients."
        )
    between_ms = contours * np.var(means, axis=0, ddof=1)
    within_ms = within / (n * (contours - 1))
    whole = between_ms + (contours - 1) * within_ms
    found = np.divide(between_ms - within_ms, whole, out=np.zeros_like(whole), where=whole > 0)
    return Robustness(
        threshold, contours, n, n_left_out, dict(zip(columns, found.tolist(), strict=True))
    )
