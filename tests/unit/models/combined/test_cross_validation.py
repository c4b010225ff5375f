"""Cross-validation of the whole pipeline: a network that remembers its patients gains nothing, what
fails is counted, and what was done is not done again.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.bundle.records import from_record, to_record
from models.combined import cross_validation
from models.combined.cross_validation import CrossValidation, FoldResult, cross_validate
from models.combined.optimism import validate_internally
from models.combined.region_comparison import with_best_ring
from models.combined.sample_splitting import DeepFeatures
from models.combined.selected_blocks import train_on_what_is_there
from models.combined.signature import SelectionSettings
from models.errors import TrainingError
from models.network.weights import DEEP_COLUMNS
from models.survival.concordance import training_concordance
from models.survival.lasso_cross_validation import assign_folds
from models.survival.survival_data import Survival
from tests.support.memorising_networks import MemorisingNetwork
from tests.support.training_cohorts import Cohort, make_cohort

FAST = SelectionSettings(n_folds=5, n_lambdas=20, lambda_ratio=0.05)
RADIOMICS = ("gtv",)


@pytest.fixture(scope="module")
def center() -> Cohort:
    """A centre of which one radiomic feature tells the hazard."""
    cohort = make_cohort(n=90, columns=8, blocks=RADIOMICS)
    planted = cohort.log_hazard + 0.5 * np.random.default_rng(1).normal(size=90)
    return replace(cohort, features=cohort.features.assign(**{"gtv:planted": planted}))


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(n, 60))


@pytest.mark.slow
def test_a_deep_block_of_noise_has_no_concordance_although_it_looks_perfect(
    center: Cohort,
) -> None:
    """The bootstrap, whose left-out patients have taught the network, is far from what another
    centre shows; the cross-validation agrees with it within its error.
    """
    external = make_cohort(n=90, columns=8, blocks=RADIOMICS, seed=6)
    both = Survival(
        np.concatenate([center.survival.days, external.survival.days]),
        np.concatenate([center.survival.event, external.survival.event]),
    )
    everybody, here = MemorisingNetwork(noise(180), both, seed=1), np.arange(90)
    deep = pd.DataFrame(everybody(here, 0), columns=list(DEEP_COLUMNS))
    trained = deep.iloc[:90].set_index(center.features.index)
    model = train_on_what_is_there(
        trained,
        center.survival,
        seed=1,
        blocks=("deep",),
        horizons=(365,),
        settings=FAST,
    )
    bootstrap = validate_internally(model, trained, center.survival, resamples=3, seed=1)
    elsewhere = training_concordance(external.survival, model.linear_predictor(deep.iloc[90:]))
    assert bootstrap.out_of_bag > 0.8
    assert abs(elsewhere.estimate - 0.5) < 2.6 * elsewhere.standard_error

    found = cross_validate(
        center.features,
        center.survival,
        folds=5,
        seed=2,
        network=MemorisingNetwork(noise(90), center.survival, seed=1),
        settings=FAST,
        blocks=("gtv", "deep"),
    )
    c, error, selected = found.of_block("deep")
    assert selected == 5
    assert abs(c - 0.5) < 2.6 * error
    assert abs(c - elsewhere.estimate) < 2.6 * math.hypot(error, elsewhere.standard_error)
    radiomics, error, _ = found.of_block("gtv")
    assert radiomics - 2.6 * error > 0.5


def test_models_that_learn_from_others_are_not_misled(center: Cohort) -> None:
    network = MemorisingNetwork(noise(90), center.survival, seed=1)
    of = {
        way: cross_validate(
            center.features,
            center.survival,
            folds=3,
            seed=2,
            network=network,
            way=way,
            settings=FAST,
            blocks=("gtv", "deep"),
        )
        for way in DeepFeatures
    }
    held_out = of[DeepFeatures.HELD_OUT]
    assert [(one.n_network, one.n_model) for one in held_out.results] == [(30, 30)] * 3
    assert [(one.n_network, one.n_model) for one in of[DeepFeatures.SAME].results] == [(60, 60)] * 3
    assert held_out.concordance[0] > of[DeepFeatures.SAME].concordance[0]


def test_each_patient_is_left_out_once_by_a_network(center: Cohort) -> None:
    taught: list[tuple[int, frozenset[int]]] = []

    def network(rows: np.ndarray, number: int) -> np.ndarray:
        taught.append((number, frozenset(rows.tolist())))
        return MemorisingNetwork(noise(90), center.survival, seed=1)(rows, number)

    found = cross_validate(
        center.features,
        center.survival,
        folds=3,
        seed=2,
        network=network,
        settings=FAST,
        blocks=("gtv", "deep"),
    )
    left_out = [set(range(90)) - rows for _, rows in taught]
    assert sorted(row for rows in left_out for row in rows) == list(range(90))
    assert [len(rows) for rows in left_out] == [one.n for one in found.results]


def test_a_fold_that_fails_is_counted_and_ranks_nobody(center: Cohort) -> None:
    def network(rows: np.ndarray, number: int) -> np.ndarray:
        if number == 2:
            raise TrainingError("The network's loss is no number.")
        return MemorisingNetwork(noise(90), center.survival, seed=1)(rows, number)

    found = cross_validate(
        center.features,
        center.survival,
        folds=3,
        seed=2,
        network=network,
        epochs=7,
        settings=FAST,
        blocks=("gtv", "deep"),
    )
    assert (found.n_failed, found.folds, found.epochs) == (1, 3, 7)
    values = [one.concordance for one in found.results]
    assert values[1] is None
    assert found.results[1].failure == "The network's loss is no number."
    numbers = np.array([values[0], 0.5, values[2]], dtype=float)
    mean, error = found.concordance
    assert mean == pytest.approx(numbers.mean())
    assert error == pytest.approx(np.sqrt((1 / 3 + 1 / 2) * numbers.var(ddof=1)))
    assert found.of_block("gtv")[2] == 2
    assert from_record(CrossValidation, to_record(found)) == found


def test_what_is_done_is_not_done_again_and_time_ends_it(center: Cohort) -> None:
    def run(done: tuple[FoldResult, ...] = (), begun: int = 9) -> tuple[CrossValidation, list[int]]:
        heard: list[int] = []
        found = cross_validate(
            center.features,
            center.survival,
            folds=4,
            seed=2,
            settings=FAST,
            blocks=RADIOMICS,
            done=done,
            on_fold=lambda one: heard.append(one.number),
            may_begin=lambda: len(heard) < begun,
        )
        return found, heard

    whole, all_heard = run()
    assert all_heard == [1, 2, 3, 4]
    part, heard = run(begun=2)
    assert heard == [1, 2]
    assert part.results == whole.results[:2]
    again, heard = run(part.results)
    assert heard == [3, 4]
    assert again == whole
    with pytest.raises(TrainingError, match="1 of 4 folds of the cross-validation was run"):
        run(begun=1)
    assert all(one.n_network == 0 for one in whole.results)


@pytest.mark.slow
def test_each_fold_chooses_its_ring_by_its_learners_alone_and_noise_gains_nothing_by_it(
    center: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(5)
    names = [f"{ring}:{one}" for ring in ("ring_3mm", "ring_6mm", "ring_9mm") for one in range(6)]
    rings = pd.DataFrame(random.normal(size=(90, 18)), center.features.index, names)
    features = pd.concat([center.features, rings], axis=1)
    numbers = assign_folds(center.survival, 3, 1)
    chose: list[set[str]] = []

    def told(table: pd.DataFrame, *arguments: Any, **named: Any) -> tuple[str, ...]:
        chose.append(set(table.index))
        return with_best_ring(table, *arguments, **named)

    monkeypatch.setattr(cross_validation, "with_best_ring", told)
    found = cross_validate(
        features,
        center.survival,
        folds=3,
        seed=1,
        blocks=("gtv", "ring_6mm"),
        horizons=(365,),
        settings=FAST,
        choose_ring=True,
    )
    held_out = [set(features.index[numbers == number]) for number in range(3)]
    assert [learners & others for learners, others in zip(chose, held_out, strict=True)] == [
        set()
    ] * 3
    assert found.blocks == ("gtv", "ring")
    assert {one.ring for one in found.results} <= {"ring_3mm", "ring_6mm", "ring_9mm"}
    c, error, n_folds = found.of_block("ring")
    assert abs(c - 0.5) < max(2.6 * error, 0.05) or n_folds == 0
    assert from_record(CrossValidation, to_record(found)) == found
