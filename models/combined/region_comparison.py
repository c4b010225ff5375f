"""Which region says most: one signature per region, and of the GTV with each ring (paper, Table 3).

A signature of two regions is made of the features that were selected in each of them alone. The
concordances are those of the training patients themselves, as in the paper, and therefore too high;
`models.combined.optimism` says by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.combined.signature import SelectionSettings, block_columns, block_of, select_weights
from models.errors import NoFeatureSelectedError
from models.survival.concordance import training_concordance
from models.survival.lasso_cross_validation import assign_folds
from models.survival.survival_data import Survival

TUMOUR = "gtv"


@dataclass(frozen=True)
class RegionResult:
    """One line of the comparison.

    Parameters
    ----------
    regions : tuple of str
        Blocks whose features it is made of.
    n_offered, n_selected : int
        Features before and after selection; of two regions those that were selected in one of them
        are offered.
    concordance, standard_error : float or None
        Harrell's C in the training patients; `None` where nothing was selected.
    """

    regions: tuple[str, ...]
    n_offered: int
    n_selected: int
    concordance: float | None
    standard_error: float | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "regions", tuple(self.regions))


def compare_regions(
    features: pd.DataFrame,
    survival: Survival,
    *,
    seed: int,
    settings: SelectionSettings | None = None,
    folds: NDArray[np.intp] | None = None,
) -> tuple[RegionResult, ...]:
    """Train a signature of each region among the columns, and of the features that were selected in
    the GTV and in each ring, on the same folds.

    Parameters
    ----------
    features : DataFrame, shape (n, any)
        Features of the training patients; deep features are left aside.
    survival : Survival
        Follow-up of the same patients in the same order.
    seed : int
        Seed of the cross-validation folds.
    settings : SelectionSettings, optional
        Default is the paper's.
    folds : ndarray of int, shape (n,), optional
        Fold of each patient to use instead of drawing them.

    Returns
    -------
    tuple of RegionResult
        The GTV, each ring, then the GTV with each ring, in the order of the columns.
    """
    chosen = settings or SelectionSettings()
    if folds is None:
        folds = assign_folds(survival, chosen.n_folds, seed)
    found = dict.fromkeys(block_of(str(column)) for column in features.columns)
    regions = [region for region in found if region == TUMOUR or region.startswith("ring_")]
    rings = [region for region in regions if region != TUMOUR]
    together = [(TUMOUR, ring) for ring in rings] if TUMOUR in regions else []
    alone = {
        region: _selected((region,), block_columns(features, region), survival, chosen, folds)
        for region in regions
    }
    both = [
        _selected(
            names,
            features[[column for name in names for column in alone[name][1]]],
            survival,
            chosen,
            folds,
        )
        for names in together
    ]
    return tuple(result for result, _ in (*alone.values(), *both))


def best_ring(results: Sequence[RegionResult]) -> str | None:
    """Return the ring that says most together with the tumour (paper, Table 3), the first of equal
    ones; `None` where nothing is selected with any.

    Parameters
    ----------
    results : sequence of RegionResult
        As `compare_regions` returns them, of patients who may choose.
    """
    found = [
        (result.concordance, result.regions[-1])
        for result in results
        if result.regions[0] == TUMOUR
        and len(result.regions) > 1
        and result.concordance is not None
    ]
    return max(found, key=lambda one: one[0])[1] if found else None


def with_best_ring(
    features: pd.DataFrame,
    survival: Survival,
    blocks: Sequence[str],
    *,
    seed: int,
    settings: SelectionSettings | None = None,
    folds: NDArray[np.intp] | None = None,
) -> tuple[str, ...]:
    """Return the blocks of a model whose ring is the one that these patients favour; without any,
    the ring of the paper's model stays.

    Parameters
    ----------
    features : DataFrame, shape (n, any)
        Features of the patients who choose, of the tumour and of every ring that may be chosen.
    survival : Survival
        Follow-up of the same patients in the same order.
    blocks : sequence of str
        Blocks of the model with the paper's ring.
    seed, settings, folds
        As of `compare_regions`.
    """
    chosen = best_ring(
        compare_regions(features, survival, seed=seed, settings=settings, folds=folds)
    )
    return tuple(
        chosen if chosen is not None and block.startswith("ring_") else block for block in blocks
    )


def _selected(
    names: Sequence[str],
    candidates: pd.DataFrame,
    survival: Survival,
    settings: SelectionSettings,
    folds: np.ndarray,
) -> tuple[RegionResult, tuple[str, ...]]:
    """Return what a signature of the candidates is worth, and its features."""
    n_offered = candidates.shape[1]
    nothing = RegionResult(tuple(names), n_offered, 0, None, None), ()
    if not n_offered:
        return nothing
    try:
        z_score, coefficients, _ = select_weights(
            " + ".join(names), candidates, survival, settings, folds
        )
    except NoFeatureSelectedError:
        return nothing
    c = training_concordance(survival, z_score.apply(candidates) @ coefficients)
    found = RegionResult(tuple(names), n_offered, coefficients.size, c.estimate, c.standard_error)
    return found, z_score.features
