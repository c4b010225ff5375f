"""The combined model of those blocks in which the selection leaves something."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.combined.combined_model import CombinedModel, train_combined_model
from models.combined.signature import SelectionSettings
from models.errors import NoFeatureSelectedError
from models.survival.survival_data import Survival


def train_on_what_is_there(
    features: pd.DataFrame,
    outcome: Survival,
    *,
    seed: int,
    blocks: Sequence[str],
    horizons: Sequence[int],
    settings: SelectionSettings,
    folds: NDArray[np.intp] | None = None,
    on_left_out: Callable[[NoFeatureSelectedError], None] | None = None,
) -> CombinedModel:
    """Train the combined model of those blocks in which something is selected.

    Parameters and errors are those of `train_combined_model`; `on_left_out` is called with the
    reason for each block that is left out, the last one is never.
    """
    left = list(blocks)
    while True:
        try:
            return train_combined_model(
                features,
                outcome,
                seed=seed,
                blocks=left,
                horizons=horizons,
                settings=settings,
                folds=folds,
            )
        except NoFeatureSelectedError as error:
            if len(left) == 1:
                raise
            left.remove(error.block)
            if on_left_out is not None:
                on_left_out(error)


def within_follow_up(horizons: Sequence[int], outcome: Survival) -> list[int]:
    """Return the horizons until which anybody was followed, else the last day of all."""
    longest = outcome.days.max()
    return [day for day in horizons if day <= longest] or [int(longest)]
