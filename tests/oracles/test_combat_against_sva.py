"""ComBat with the training centre as reference against Bioconductor's sva, on the real Lung1
features.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.combined.combat import estimate_center_effect, fit_combat_reference
from tests.support.absence import absent

pytestmark = [pytest.mark.real_data, pytest.mark.peers]

SCRIPT = Path(__file__).with_name("combat_sva.R")
NO_SVA = 77


@pytest.mark.slow
def test_the_aligned_features_are_those_of_sva(
    oracle: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    features = pd.read_csv(oracle / "features.csv", index_col=0).add_prefix("gtv:")
    inside = pd.read_csv(oracle / "split.csv", index_col=0)["set"].loc[features.index] == "train"
    training, center = features[inside], features[~inside].iloc[:60]
    random = np.random.default_rng(5)
    factors, shifts = (
        np.exp(0.3 * random.normal(size=features.shape[1])),
        0.8 * random.normal(size=features.shape[1]),
    )
    center = center * factors + shifts * training.std()  # another scanner
    rows = pd.concat([training, center])
    rows.insert(0, "batch", ["training"] * len(training) + ["center"] * len(center))
    rows.to_csv(tmp_path / "features.csv", index=False, float_format="%.17g")
    done = subprocess.run(
        [peer("Rscript"), str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False
    )
    if done.returncode == NO_SVA:
        absent("R has no package sva: apt-get install r-bioc-sva", "ANNULUS_REQUIRE_PEERS")
    assert done.returncode == 0, done.stderr

    effect = estimate_center_effect(fit_combat_reference(training), center)
    ours = effect.remove(center)
    for name, tolerance in (("default", 1e-3), ("converged", 1e-9)):
        theirs = pd.read_csv(tmp_path / f"{name}.csv").to_numpy()
        np.testing.assert_allclose(theirs[: len(training)], training, rtol=1e-14)
        apart = np.abs(ours.to_numpy() - theirs[len(training) :]) / training.std().to_numpy()
        print(
            f"{features.shape[1]} features of {len(center)} patients, {name}: at most "
            f"{apart.max():.1e} SD from sva"
        )
        assert apart.max() < tolerance
    assert (effect.location != 0).all()
