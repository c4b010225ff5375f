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
                f"the linear predictor is {self.linear_predictor}: expected a finite number"
            )
        for days, probability in self.survival.items():
            if not 0 <= probability <= 1:
                raise ValueError(
                    f"survival at {days} days is {probability}: expected a probability"
                )
        if self.scored_at.tzinfo is None:
            raise ValueError("the time of scoring has no zone: expected a timezone-aware datetime")
        object.__setattr__(self, "survival", MappingProxyType(dict(sorted(self.survival.items()))))
