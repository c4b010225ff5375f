"""Planted signal is found and travels; where there is none, none is reported (20 seeds, a fast
version).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from models.combined.combined_model import train_combined_model
from models.combined.signature import SelectionSettings
from models.errors import NoFeatureSelectedError
from models.survival.concordance import training_concordance
from models.survival.survival_data import Survival

SEEDS = range(20)
PATIENTS = 300
PLANTED = {"gtv:000": 0.8, "gtv:001": -0.5, "ring_6mm:000": 0.6}
COLUMNS = [f"{block}:{number:03d}" for block in ("gtv", "ring_6mm") for number in range(12)]
SETTINGS = SelectionSettings(n_folds=5, n_lambdas=25, lambda_ratio=0.05)


def center(
    random: np.random.Generator, effect: float
) -> tuple[pd.DataFrame, Survival, NDArray[np.float64]]:
    """Draw a centre of which only the planted features, times `effect`, carry the hazard."""
    features = pd.DataFrame(random.normal(size=(PATIENTS, len(COLUMNS))), columns=COLUMNS)
    hazard = effect * (features[list(PLANTED)].to_numpy() @ np.array(list(PLANTED.values())))
    death, censoring = (
        random.exponential(700 / np.exp(hazard)),
        random.uniform(1100, 4000, PATIENTS),
    )
    return features, Survival(np.ceil(np.minimum(death, censoring)), death <= censoring), hazard


@pytest.mark.slow
def test_a_planted_signal_travels_to_a_centre_that_training_never_saw() -> None:
    lost = []
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        features, survival, _ = center(random, 1.0)
        others, follow_up, hazard = center(random, 1.0)
        model = train_combined_model(
            features, survival, seed=seed, blocks=("gtv", "ring_6mm"), settings=SETTINGS
        )
        best = training_concordance(follow_up, hazard).estimate
        lost.append(best - training_concordance(follow_up, model.linear_predictor(others)).estimate)
    print(
        f"external C below that of the generating hazard by {np.mean(lost):.4f} on average, "
        f"{max(lost):.4f} at most"
    )
    assert max(lost) < 0.03


def test_no_signal_gives_no_concordance() -> None:
    found, apparent = [], []
    for seed in SEEDS:
        random = np.random.default_rng(1000 + seed)
        features, survival, _ = center(random, 0.0)
        others, follow_up, _ = center(random, 0.0)
        for blocks in (("gtv", "ring_6mm"), ("gtv",), ("ring_6mm",)):
            try:
                model = train_combined_model(
                    features, survival, seed=seed, blocks=blocks, settings=SETTINGS
                )
            except NoFeatureSelectedError:
                continue
            found.append(training_concordance(follow_up, model.linear_predictor(others)).estimate)
            apparent.append(
                training_concordance(survival, model.linear_predictor(features)).estimate
            )
            break
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    print(
        f"external C {np.mean(found):.4f} with standard error {error:.4f} in {len(found)} seeds "
        "with a model"
    )
    assert len(found) >= 5
    assert abs(np.mean(found) - 0.5) < 1.96 * error
    assert np.mean(apparent) > 0.52  # in its own patients, noise looks like signal
