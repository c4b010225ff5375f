"""The plots name every selected feature and component, and are the same for the same model."""

from __future__ import annotations

import functools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd

from models.combined.combined_model import CombinedModel, train_combined_model
from models.network.checkpoint import Epoch
from models.survival.survival_data import Survival
from validation_reports.page.model_plots import model_plots


@functools.cache
def small_model() -> CombinedModel:
    rng = np.random.default_rng(0)
    columns = [f"{block}:feature-{number}" for block in ("gtv", "ring_6mm") for number in range(4)]
    features = pd.DataFrame(rng.normal(size=(120, 8)), columns=columns)
    hazard = features["gtv:feature-0"] - features["gtv:feature-2"] + features["ring_6mm:feature-1"]
    days = np.ceil(rng.exponential(2000 / np.exp(hazard.to_numpy())))
    return train_combined_model(
        features, Survival(days, days < 4000), seed=0, blocks=("gtv", "ring_6mm")
    )


def test_every_feature_and_component_is_named() -> None:
    model = small_model()
    plots = model_plots(model)
    assert list(plots) == [
        "coefficients-gtv.svg",
        "coefficients-ring_6mm.svg",
        "component-loadings.svg",
    ]
    drawn = {name: ET.fromstring(svg) for name, svg in plots.items()}  # noqa: S314 - our own
    texts = {name: " ".join(svg.itertext()) for name, svg in drawn.items()}
    for signature in model.signatures:
        assert all(
            name.partition(":")[2] in texts[f"coefficients-{signature.block}.svg"]
            for name in signature.features
        )
    assert all(feature in texts["component-loadings.svg"] for feature in model.features)
    assert all(
        f"PC{number + 1}" in texts["component-loadings.svg"]
        for number in range(model.cox_coefficients.size)
    )
    assert model_plots(model) == plots


def test_plots_on_one_page_share_no_id() -> None:
    curve = (Epoch(1, 3.0, 2.9, best=True),)
    ids = re.findall(r'\bid="([^"]+)"', "".join(model_plots(small_model(), curve).values()))
    assert len(ids) == len(set(ids)) > 0


def test_the_training_curve_shows_both_losses_and_the_epoch_that_was_kept() -> None:
    curve = (
        Epoch(1, 3.0, 2.9, best=True),
        Epoch(2, 2.8, 2.7, best=True),
        Epoch(3, 2.5, 2.8, best=False),
    )
    svg = model_plots(small_model(), curve)["training-curve.svg"]
    words = " ".join(ET.fromstring(svg).itertext())  # noqa: S314 - our own
    assert all(
        part in words
        for part in ("training, with weight decay", "held out", "weights kept: epoch 2")
    )
    alone = model_plots(small_model(), (Epoch(1, 3.0, None, best=True),))["training-curve.svg"]
    assert "held out" not in alone
