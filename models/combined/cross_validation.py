"""How good the whole pipeline is in patients whom nothing of it has seen.

In each fold network, z-scores, selection, components, Cox model and cut-off are made anew from the
other patients, and only then are the fold's patients scored. Features of two networks have nothing
to do with each other, so nothing is put together over the folds but Harrell's C within each,
averaged. A fold in which no model, or no signature of a block, can be made ranks nobody: it counts
with 0.5. The error of the average takes into account that the folds' models share most of their
patients [1]_.

References
----------
.. [1] Nadeau C, Bengio Y. Mach Learn 2003;52:239-281, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.combined.combined_model import BLOCKS, DEEP_BLOCK, HORIZONS
from models.combined.region_comparison import with_best_ring
from models.combined.sample_splitting import DeepFeatures, split_learners
from models.combined.selected_blocks import train_on_what_is_there, within_follow_up
from models.combined.signature import SelectionSettings
from models.errors import TrainingError
from models.network.weights import DEEP_COLUMNS
from models.survival.concordance import training_concordance
from models.survival.lasso_cross_validation import assign_folds
from models.survival.survival_data import Survival
from models.wording import counted

CHANCE = 0.5
ANY_RING = "ring"
"""Stands for the ring of a fold, where each chooses its own."""
NetworkOfFold = Callable[[NDArray[np.intp], int], ArrayLike]
"""From the positions of the patients that a network may learn from, and the number of the fold, to
the deep features of all patients, shape (n, 512)."""


@dataclass(frozen=True)
class FoldResult:
    """What one fold gave.

    Parameters
    ----------
    number : int
        From 1.
    n, n_events : int
        Its patients, whom nothing had seen, and deaths among them.
    n_network, n_model : int
        Patients that taught the network (0 without one), and signatures and Cox model.
    concordance : float or None
        Harrell's C of the combined model; `None` where there was none.
    blocks : mapping of str to float
        Harrell's C of each signature that there was.
    failure : str
        Why there was no model; empty where there was one.
    ring : str
        The ring that the fold's model was to have, where each fold chose its own; else empty.
    """

    number: int
    n: int
    n_events: int
    n_network: int
    n_model: int
    concordance: float | None
    blocks: Mapping[str, float]
    failure: str = ""
    ring: str = field(default="", metadata={"later": True})

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", MappingProxyType(dict(self.blocks)))


@dataclass(frozen=True)
class CrossValidation:
    """What all folds gave.

    Parameters
    ----------
    way : DeepFeatures
        Of whom the deep features were that the models learnt from.
    folds : int
        As asked for; those that are not among `results` were not run for lack of time.
    epochs : int
        Epochs of each fold's network, at most.
    seed : int
        Of the folds and of everything within them.
    blocks : tuple of str
        The blocks that were offered.
    results : tuple of FoldResult
        Of the folds that were run.

    Raises
    ------
    TrainingError
        If there are fewer than two folds.
    """

    way: DeepFeatures
    folds: int
    epochs: int
    seed: int
    blocks: tuple[str, ...]
    results: tuple[FoldResult, ...]

    def __post_init__(self) -> None:
        if len(self.results) < 2:
            raise TrainingError(
                f"{len(self.results)} of {counted(self.folds, 'fold')} of the cross-validation "
                f"{'was' if len(self.results) == 1 else 'were'} run, at least 2 are needed: give "
                "it more time, or ask for no folds."
            )
        object.__setattr__(self, "way", DeepFeatures(self.way))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        object.__setattr__(self, "results", tuple(self.results))

    @property
    def n_failed(self) -> int:
        """Folds that were run and gave no model."""
        return sum(bool(one.failure) for one in self.results)

    @property
    def concordance(self) -> tuple[float, float]:
        """Mean C of the combined model over the folds, and its standard error [1]_."""
        return _mean_and_error([one.concordance for one in self.results])

    def of_block(self, block: str) -> tuple[float, float, int]:
        """Return the mean C of a block's signature over the folds, its standard error, and in how
        many folds there was one.
        """
        found = [one.blocks.get(block) for one in self.results]
        return (*_mean_and_error(found), sum(value is not None for value in found))


def cross_validate(
    features: pd.DataFrame,
    survival: Survival,
    *,
    folds: int,
    seed: int,
    network: NetworkOfFold | None = None,
    epochs: int = 0,
    way: DeepFeatures = DeepFeatures.SAME,
    blocks: Sequence[str] = BLOCKS,
    horizons: Sequence[int] = HORIZONS,
    settings: SelectionSettings | None = None,
    choose_ring: bool = False,
    done: Iterable[FoldResult] = (),
    on_fold: Callable[[FoldResult], None] | None = None,
    may_begin: Callable[[], bool] | None = None,
) -> CrossValidation:
    """Make the whole pipeline anew in each fold, and score its patients.

    Parameters
    ----------
    features : DataFrame, shape (n, any)
        Radiomic features, indexed by patient key; deep ones among them are not looked at.
    survival : Survival
        Follow-up of the same patients in the same order.
    folds : int
        Two or more.
    seed : int
        Of the folds and of everything within them.
    network : callable, optional
        Trains a network in each fold; without it the models read no deep features.
    epochs : int
        What is recorded of it.
    way : DeepFeatures
        Whether network and model of a fold learn from the same patients.
    blocks : sequence of str
        Blocks that are offered; one in which a fold selects nothing is left out there.
    horizons : sequence of int
        Days at which survival is predicted; those beyond a fold's follow-up are left out there.
    settings : SelectionSettings, optional
        Default is the paper's.
    choose_ring : bool
        Whether each fold's model has the ring that its own learners favour, whatever ring is among
        `blocks`; it is called ``ring`` in the results.
    done : iterable of FoldResult
        Folds of an earlier run of the same, which are not run again.
    on_fold : callable, optional
        Called with the result of each fold that is run.
    may_begin : callable, optional
        Asked before each fold; where it says no, the others are not run.

    Raises
    ------
    TrainingError
        If there are too few deaths for so many folds, or fewer than two were run.
    """
    offered = tuple(block for block in blocks if block != DEEP_BLOCK or network is not None)
    numbers = assign_folds(survival, folds, seed)
    results = {one.number: one for one in done}
    for number in range(1, folds + 1):
        if number in results:
            continue
        if may_begin is not None and not may_begin():
            break
        rows = np.flatnonzero(numbers == number - 1)
        others = np.flatnonzero(numbers != number - 1)
        results[number] = _fold(
            features,
            survival,
            rows,
            others,
            number=number,
            seed=seed,
            network=network,
            way=way,
            blocks=offered,
            horizons=horizons,
            settings=settings or SelectionSettings(),
            choose_ring=choose_ring,
        )
        if on_fold is not None:
            on_fold(results[number])
    ordered = tuple(results[number] for number in sorted(results))
    names = tuple(_named(block, choose_ring) for block in offered)
    return CrossValidation(way, folds, epochs, seed, names, ordered)


def _named(block: str, choose_ring: bool) -> str:
    """Return what a block is called over folds that may have other rings."""
    return ANY_RING if choose_ring and block.startswith(f"{ANY_RING}_") else block


def _fold(
    features: pd.DataFrame,
    survival: Survival,
    rows: NDArray[np.intp],
    others: NDArray[np.intp],
    *,
    number: int,
    seed: int,
    network: NetworkOfFold | None,
    way: DeepFeatures,
    blocks: tuple[str, ...],
    horizons: Sequence[int],
    settings: SelectionSettings,
    choose_ring: bool,
) -> FoldResult:
    known, own = survival.subset(others), survival.subset(rows)
    n_network = n_model = 0
    ring = ""
    try:
        learners = split_learners(known, way if network is not None else DeepFeatures.SAME, seed)
        of_network, of_model = others[learners.of_network], others[learners.of_model]
        n_model = of_model.size
        table = features
        if network is not None:
            n_network = of_network.size
            deep = pd.DataFrame(
                np.asarray(network(of_network, number)), features.index, list(DEEP_COLUMNS)
            )
            radiomics = [column for column in features.columns if column not in deep.columns]
            table = pd.concat([features[radiomics], deep], axis=1)
        outcome = survival.subset(of_model)
        if choose_ring:
            blocks = with_best_ring(
                table.iloc[of_model], outcome, blocks, seed=seed, settings=settings
            )
            ring = next((block for block in blocks if block.startswith(ANY_RING)), "")
        model = train_on_what_is_there(
            table.iloc[of_model],
            outcome,
            seed=seed,
            blocks=blocks,
            horizons=within_follow_up(horizons, outcome),
            settings=settings,
        )
        unseen = table.iloc[rows]
        c = training_concordance(own, model.linear_predictor(unseen)).estimate
        values = model.signature_values(unseen)
        by_block = {
            _named(block, choose_ring): training_concordance(own, values[block].to_numpy()).estimate
            for block in map(str, values.columns)
        }
    except TrainingError as error:
        sizes = (own.n, own.n_events, n_network, n_model)
        return FoldResult(number, *sizes, None, {}, str(error), ring)
    return FoldResult(number, own.n, own.n_events, n_network, n_model, c, by_block, ring=ring)


def _mean_and_error(found: Sequence[float | None]) -> tuple[float, float]:
    """Return the mean over folds and its standard error [1]_; a fold without a value ranks
    nobody.
    """
    values = np.array([CHANCE if value is None else value for value in found], dtype=np.float64)
    k = values.size
    return float(values.mean()), float(np.sqrt((1 / k + 1 / (k - 1)) * values.var(ddof=1)))
