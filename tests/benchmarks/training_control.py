"""Does the internal validation of a training find what is there, and nothing where nothing is:
``make control-training [ARGS=--seeds N]``.

The whole pipeline of selection, components, Cox model and cut-off is cross-validated with a network
that learns in a moment and remembers its patients as a large one does
(`tests.support.memorising_networks`), made anew in each fold. With *permuted* outcomes nothing can
be predicted: the mean of Harrell's C over the seeds must lie within 2.6 standard errors of 0.5, for
the combined model and for each block, deep features included, and so must C in another centre. With
a *planted* hazard in radiomics and tumours each must be above 0.5 by as much. What a bootstrap
finds that leaves the network outside is shown beside it, to tell them apart. The last line is JSON;
the exit status is 1 where something is not as expected.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.combined.combined_model import BLOCKS, DEEP_BLOCK
from models.combined.cross_validation import cross_validate
from models.combined.optimism import validate_internally
from models.combined.selected_blocks import train_on_what_is_there
from models.combined.signature import SelectionSettings
from models.errors import TrainingError
from models.network.weights import DEEP_COLUMNS
from models.survival.concordance import training_concordance
from models.survival.survival_data import Survival
from tests.support.memorising_networks import MemorisingNetwork

PATIENTS, EXTERNAL, FOLDS, COLUMNS, PIXELS = 80, 80, 5, 15, 60
ERRORS = 2.6
SETTINGS = SelectionSettings(n_folds=5, n_lambdas=20, lambda_ratio=0.05)
BOOTSTRAP, ELSEWHERE = "bootstrap, network outside", "deep, another centre"


def main() -> int:
    """Run both, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    seeds = range(parser.parse_args().seeds)
    begun, ok = time.perf_counter(), True
    found: dict[str, dict[str, object]] = {}
    for kind in ("permuted", "planted"):
        values: dict[str, list[float]] = defaultdict(list)
        failed = 0
        for seed in seeds:
            of_seed, n_failed = one_center(seed, permuted=kind == "permuted")
            failed += n_failed
            for name, value in of_seed.items():
                values[name].append(value)
        found[kind] = {name: _mean(column) for name, column in values.items()}
        found[kind]["folds without a model"] = failed
        for name, column in values.items():
            mean, error = np.mean(column), np.std(column, ddof=1) / np.sqrt(len(column))
            distance = (mean - 0.5) / error
            expected = name == BOOTSTRAP or (
                abs(distance) < ERRORS if kind == "permuted" else distance > ERRORS
            )
            ok &= bool(expected)
            print(
                f"{kind:9} {name:27} C {mean:.3f} (standard error {error:.3f}, {len(column)} "
                f"seeds){'' if expected else '  NOT AS EXPECTED'}"
            )
        print(f"{kind:9} {failed} of {FOLDS * len(seeds)} folds without a model")
    print(json.dumps({"ok": ok, **found, "seconds": round(time.perf_counter() - begun, 1)}))
    return 0 if ok else 1


def one_center(seed: int, *, permuted: bool) -> tuple[dict[str, float], int]:
    """Draw a training centre and another one, and return each C by its name, and how many folds
    gave no model.
    """
    random = np.random.default_rng((11, seed))
    n = PATIENTS + EXTERNAL
    hazard = random.normal(size=n)
    death = random.exponential(700 * np.exp(-hazard))
    censoring = random.uniform(900, 4000, n)
    survival = Survival(np.ceil(np.minimum(death, censoring)), death <= censoring)
    if permuted:
        survival = survival.subset(random.permutation(n))
    features, tumours = _measured(random, hazard), random.normal(size=(n, PIXELS))
    tumours[:, :20] += hazard[:, None]
    here = np.arange(PATIENTS)
    inside = survival.subset(here)
    found = cross_validate(
        features.iloc[here],
        inside,
        folds=FOLDS,
        seed=seed,
        network=MemorisingNetwork(tumours[here], inside, seed),
        settings=SETTINGS,
    )
    values = {"combined": found.concordance[0]}
    values |= {block: found.of_block(block)[0] for block in BLOCKS}
    deep = pd.DataFrame(
        MemorisingNetwork(tumours, survival, seed)(here, 0), features.index, list(DEEP_COLUMNS)
    )
    try:
        model = train_on_what_is_there(
            deep.iloc[here],
            inside,
            seed=seed,
            blocks=(DEEP_BLOCK,),
            horizons=(365,),
            settings=SETTINGS,
        )
        outside = np.arange(PATIENTS, n)
        values[ELSEWHERE] = training_concordance(
            survival.subset(outside), model.linear_predictor(deep.iloc[outside])
        ).estimate
        values[BOOTSTRAP] = validate_internally(
            model, deep.iloc[here], inside, resamples=4, seed=seed
        ).out_of_bag
    except TrainingError as error:
        print(f"seed {seed}: {error}", file=sys.stderr)
    return values, found.n_failed


def _measured(random: np.random.Generator, hazard: NDArray[np.float64]) -> pd.DataFrame:
    """Draw radiomics of two regions, a third of which follow the hazard."""
    columns = {}
    for block in BLOCKS[:2]:
        for number in range(COLUMNS):
            noise = random.normal(size=hazard.size)
            columns[f"{block}:{number:03d}"] = noise + (hazard if number < COLUMNS // 3 else 0.0)
    return pd.DataFrame(columns, index=[f"p{row:04d}" for row in range(hazard.size)])


def _mean(values: list[float]) -> list[float]:
    mean, error = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
    return [round(float(mean), 4), round(float(error), 4)]


if __name__ == "__main__":
    sys.exit(main())
