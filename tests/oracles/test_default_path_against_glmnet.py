"""The path of penalties that selection takes by default is glmnet's: as many, from the same largest
to the same smallest, and ending where glmnet's ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.survival.lasso_cross_validation import lasso_lambdas, partial_deviance
from models.survival.lasso_path import lasso_path
from models.survival.survival_data import Survival
from tests.support.absence import absent

pytestmark = [pytest.mark.real_data, pytest.mark.peers]

SCRIPT = Path(__file__).with_name("glmnet_default_path.R")
NO_GLMNET = 77


def tables(oracle: Path) -> dict[str, tuple[pd.DataFrame, Survival]]:
    """Return real patients, more than features and fewer, and made-up ones whose order follows a
    feature.
    """
    features = pd.read_csv(oracle / "features.csv", index_col=0)
    split = pd.read_csv(oracle / "split.csv", index_col=0).loc[features.index]
    z = (features - features.mean()) / features.std()
    known = Survival(split["time"].to_numpy(), split["event"].to_numpy())
    random = np.random.default_rng(1)
    noise = random.normal(size=(50, 6))
    days = np.ceil(1000 * random.exponential(size=50) * np.exp(-2 * noise[:, 0])) + 1
    return {
        "many": (z.iloc[:, :15], known),
        "few": (z.iloc[:40], known.subset(np.arange(40))),
        "planted": (
            pd.DataFrame(noise, columns=list("abcdef")),
            Survival(days, np.ones(50, dtype=bool)),
        ),
    }


@pytest.mark.slow
def test_the_default_path_begins_and_ends_as_glmnets(
    oracle: Path, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    cohorts = tables(oracle)
    for name, (features, survival) in cohorts.items():
        rows = features.copy()
        rows.insert(0, "days", survival.days)
        rows.insert(1, "event", survival.event.astype(int))
        rows.to_csv(tmp_path / f"{name}.csv", index=False, float_format="%.17g")
    done = subprocess.run(
        [peer("Rscript"), str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False
    )
    if done.returncode == NO_GLMNET:
        absent("R has no package glmnet: apt-get install r-cran-glmnet", "ANNULUS_REQUIRE_PEERS")
    assert done.returncode == 0, done.stderr
    lengths = {}
    for name, (features, survival) in cohorts.items():
        theirs = pd.read_csv(tmp_path / f"{name}-path.csv")
        lambdas = lasso_lambdas(features.to_numpy(), survival)
        path = lasso_path(features.to_numpy(), survival, lambdas, stops=True)
        lengths[name] = len(theirs)
        assert path.shape[1] == len(theirs)
        np.testing.assert_allclose(lambdas[: len(theirs)], theirs["lambda"], rtol=1e-7)
        deviance = partial_deviance(features.to_numpy(), survival, path)
        more = 1 - deviance / deviance[0] - theirs["explained"].to_numpy()
        # glmnet explains less where its descent stops early, as of few patients, and never more
        assert more.min() > -2e-4
        assert more.max() < (0.01 if name == "few" else 2e-4)
    assert lengths["few"] == 100
    assert max(lengths["many"], lengths["planted"]) < 100
