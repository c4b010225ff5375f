"""What one frozen model said of one content of one study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import numpy as np

from feature_store.study_identity import StudyIdentity


@dataclass(frozen=True)
class ScoreRow:
    """What one frozen model said of one content of one study.

    Parameters
    ----------
    identity : StudyIdentity
        Which study and content.
    model_digest : str
        Digest of the frozen bundle.
    linear_predictor : float
        Log relative hazard.
    high_risk : bool
        Whether it lies above the frozen cut-off.
    survival : mapping of int to float
        Predicted survival probability by horizon in days.
    roi_number : int
        ROI Number of the contour that was scored.
    warnings : tuple of str
        What was not as the paper's protocol has it.
    software_version : str
        Version of this software.
    scored_at : datetime
        When, timezone-aware.
    engine : str
        Name and version of the library that computed the network; empty where the model has none,
        and in scores of earlier releases.

    Raises
    ------
    ValueError
        If the linear predictor or a probability is not a number in its range, or the time has no
        zone.
    """

    identity: StudyIdentity
    model_digest: str
    linear_predictor: float
    high_risk: bool
    survival: Mapping[int, float]
    roi_number: int
    warnings: tuple[str, ...]
    software_version: str
    scored_at: datetime
    engine: str = ""

    def __post_init__(self) -> None:
        if not np.isfinite(self.linear_predictor):
            raise ValueError(
                f"The linear predictor is {self.linear_predictor}: expected a finite number."
            )
        for days, probability in self.survival.items():
            if not 0 <= probability <= 1:
                raise ValueError(
                    f"Survival at {days} days is {probability}: expected a probability."
                )
        if self.scored_at.tzinfo is None:
            raise ValueError("The time of scoring has no zone: expected a timezone-aware datetime.")
        object.__setattr__(self, "survival", MappingProxyType(dict(sorted(self.survival.items()))))


@dataclass(frozen=True)
class ContourScores:
    """What one frozen model said of one content of one study over perturbed contours.

    Parameters
    ----------
    identity : StudyIdentity
        Which study and content.
    model_digest : str
        Digest of the frozen bundle.
    linear_predictors : tuple of float or None
        Of each contour, in the order in which they were made; `None` where one could not be
        measured.
    p10, p90 : float or None
        10th and 90th percentile of those that could; `None` if they were too few.
    other_group : float or None
        Share of them that fall into the other risk group than the drawn contour.
    sd_mm, correlation_mm, cut_mm : float
        How far the contours lay from the drawn one, as of `Perturbation`.
    software_version : str
        Version of this software.
    computed_at : datetime
        When, timezone-aware.

    Raises
    ------
    ValueError
        If a number is not finite or the time has no zone.
    """

    identity: StudyIdentity
    model_digest: str
    linear_predictors: tuple[float | None, ...]
    p10: float | None
    p90: float | None
    other_group: float | None
    sd_mm: float
    correlation_mm: float
    cut_mm: float
    software_version: str
    computed_at: datetime

    def __post_init__(self) -> None:
        for number in (*self.linear_predictors, self.p10, self.p90, self.other_group):
            if number is not None and not np.isfinite(number):
                raise ValueError(f"A score over contours is {number}: expected a finite number.")
        if self.computed_at.tzinfo is None:
            raise ValueError(
                "The time of the scores over contours has no zone: expected a timezone-aware "
                "datetime."
            )

    @property
    def settings(self) -> tuple[int, float, float, float]:
        """How many contours were made, and how far they lay from the drawn one."""
        return len(self.linear_predictors), self.sd_mm, self.correlation_mm, self.cut_mm
