"""A block in which nothing is selected is left out with its reason; the last one is not."""

from __future__ import annotations

import numpy as np
import pytest

from models.combined.selected_blocks import train_on_what_is_there, within_follow_up
from models.combined.signature import SelectionSettings
from models.errors import NoFeatureSelectedError
from models.survival.survival_data import Survival
from tests.support.training_cohorts import make_cohort


def test_a_block_of_noise_is_left_out() -> None:
    cohort = make_cohort(columns=12)
    features = cohort.features.copy()
    ring = [column for column in features.columns if column.startswith("ring_6mm")]
    features[ring] = 1.0
    left_out: list[NoFeatureSelectedError] = []
    model = train_on_what_is_there(
        features,
        cohort.survival,
        seed=1,
        blocks=("gtv", "ring_6mm"),
        horizons=(365,),
        settings=SelectionSettings(),
        on_left_out=left_out.append,
    )
    assert model.blocks == ("gtv",)
    assert [error.block for error in left_out] == ["ring_6mm"]
    with pytest.raises(NoFeatureSelectedError):
        train_on_what_is_there(
            features,
            cohort.survival,
            seed=1,
            blocks=("ring_6mm",),
            horizons=(365,),
            settings=SelectionSettings(),
        )


def test_horizons_end_with_follow_up() -> None:
    outcome = Survival(np.array([100.0, 800.0]), np.array([True, False]))
    assert within_follow_up((365, 730, 1095), outcome) == [365, 730]
    assert within_follow_up((900,), outcome) == [800]
