"""Patients by at least five, all of whom look alike: what takes the place of single patients in
everything that leaves.

Deaths and survivors of one centre are split at the median of score or time, whichever spreads
wider, as long as each part keeps five [1]_. A part shares one score and one time. Whoever holds the
exact table, and knows all this, finds of a row at least five patients, and no more.

References
----------
.. [1] LeFevre K, DeWitt DJ, Ramakrishnan R. Mondrian multidimensional k-anonymity. ICDE 2006.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.survival.survival_data import Survival
from validation_reports.cohort.scored_cohort import COVARIATES, ScoredCohort

SMALLEST_CELL = 5
GRID_DAYS = 30
SCORE_STEP = 0.1
_SHARE_OF_SPREAD = 0.1
Array = NDArray[np.float64]


def alike_patients(cohort: ScoredCohort) -> ScoredCohort | None:
    """Return a cohort in which at least five patients share each row.

    Parameters
    ----------
    cohort : ScoredCohort
        A centre's patients as they are.

    Returns
    -------
    ScoredCohort or None
        As many patients, dead and alive, in another order and without pseudonyms: score to
        `SCORE_STEP`, time to `GRID_DAYS` days, group and predicted
        survival by the shared score, signatures to a tenth of their standard deviation; nothing
        else of them. `None` where fewer than five died, or fewer than five did not.
    """
    event = cohort.survival.event
    parts: list[NDArray[np.intp]] = []
    for of_event in (event, ~event):
        rows = np.flatnonzero(of_event)
        if 0 < rows.size < SMALLEST_CELL:
            return None
        if rows.size:
            parts += _parts(rows, cohort.linear_predictor, cohort.survival.days)
    order = np.concatenate(parts)
    sizes = np.array([rows.size for rows in parts])
    score = np.repeat(_stepped(_means(cohort.linear_predictor, parts), SCORE_STEP), sizes)
    days = np.repeat(_on_grid(_means(cohort.survival.days, parts)), sizes)
    high = np.repeat(_above_cut_off(cohort, parts), sizes)
    # rows of one part follow each other: another order than anything that is known
    shown = np.lexsort((high, score, event[order], days))
    return ScoredCohort(
        center=cohort.center,
        patient_keys=tuple(f"{cohort.center} {number + 1}" for number in range(cohort.n)),
        survival=Survival(days[shown], event[order][shown]),
        linear_predictor=score[shown],
        high_risk=high[shown],
        predicted_survival={
            day: _survival_by(cohort, values, parts, score, sizes)[shown]
            for day, values in cohort.predicted_survival.items()
        },
        covariates=pd.DataFrame({name: [None] * cohort.n for name in COVARIATES}),
        baseline=cohort.baseline,
        signatures=_signatures(cohort, parts, sizes, shown),
    )


def on_grid(days: float) -> float:
    """Return a time on the grid in which times leave; none becomes 0."""
    return float(_on_grid(np.array([days]))[0])


def _parts(rows: NDArray[np.intp], score: Array, days: Array) -> Iterator[NDArray[np.intp]]:
    """Yield rows in parts of at least five that are near in score and time."""
    pending = [rows]
    spread = [np.ptp(values[rows]) or 1.0 for values in (score, days)]
    while pending:
        now = pending.pop()
        if now.size < 2 * SMALLEST_CELL:
            yield now
            continue
        widths = [
            np.ptp(values[now]) / whole for values, whole in zip((score, days), spread, strict=True)
        ]
        values = (score, days)[int(np.argmax(widths))]
        in_order = now[np.argsort(values[now], kind="stable")]
        pending += [in_order[now.size // 2 :], in_order[: now.size // 2]]


def _means(values: Array, parts: list[NDArray[np.intp]]) -> Array:
    return np.array([values[rows].mean() for rows in parts])


def _stepped(values: Array, step: float) -> Array:
    return np.round(np.round(values / step) * step, 10)


def _on_grid(days: Array) -> Array:
    return np.maximum(np.round(days / GRID_DAYS), 1) * float(GRID_DAYS)


def _above_cut_off(cohort: ScoredCohort, parts: list[NDArray[np.intp]]) -> NDArray[np.bool_]:
    """Return whether each part's mean score lies nearer to those of high risk than of low."""
    score, high = cohort.linear_predictor, cohort.high_risk
    if high.all() or not high.any():
        return np.full(len(parts), bool(high.all()))
    cut_off = (score[~high].max() + score[high].min()) / 2
    return np.asarray(_means(score, parts) > cut_off)


def _survival_by(
    cohort: ScoredCohort,
    survival: Array,
    parts: list[NDArray[np.intp]],
    score: Array,
    sizes: NDArray[np.intp],
) -> Array:
    """Return the predicted survival of the shared scores: of a Cox model log(-log S) is the score
    and a constant, which the frozen model itself tells.
    """
    with np.errstate(divide="ignore"):
        constant = np.log(-np.log(survival)) - cohort.linear_predictor
    known = constant[np.isfinite(constant)]
    if known.size == 0:
        return np.repeat(np.round(_means(survival, parts), 2), sizes)
    return np.asarray(np.exp(-np.exp(score + round(float(np.median(known)), 6))))


def _signatures(
    cohort: ScoredCohort,
    parts: list[NDArray[np.intp]],
    sizes: NDArray[np.intp],
    shown: NDArray[np.intp],
) -> pd.DataFrame | None:
    if cohort.signatures is None:
        return None
    found = {}
    for name in cohort.signatures.columns:
        values = cohort.signatures[name].to_numpy(dtype=np.float64)
        step = float(f"{_SHARE_OF_SPREAD * (values.std() or 1.0):.0e}")
        found[name] = np.repeat(_stepped(_means(values, parts), step), sizes)[shown]
    return pd.DataFrame(found)
