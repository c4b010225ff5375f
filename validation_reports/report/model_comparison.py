"""Two models on the same patients, as for the network with and without its SE modules (paper,
figure 4).

Differences are paired: they are of the second model's patients and the first's, who are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from pydantic import TypeAdapter

from feature_store.wording import counted
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.discrimination import (
    Concordance,
    Difference,
    compare_concordance,
    harrell_c,
)
from validation_reports.statistics.roc_curve import RocCurve, roc_curve
from validation_reports.statistics.time_dependent_auc import compare_auc
from validation_reports.wording import horizon_words, interval, number, p_words


@dataclass(frozen=True)
class HorizonComparison:
    """Two ROC curves at one horizon, and the difference of their areas."""

    days: int
    curves: tuple[RocCurve | NotEstimable, RocCurve | NotEstimable]
    difference: Difference | NotEstimable


@dataclass(frozen=True)
class ScoreComparison:
    """One score of two models in the patients of a cohort.

    Parameters
    ----------
    cohort : str
        Whose patients; of the training centre the numbers are apparent ones.
    score : str
        What is compared: the combined model or one signature.
    models : tuple of (str, str)
        Names of the two.
    n, n_events : int
        Patients and deaths.
    concordances : tuple of Concordance
        Harrell's C of each.
    difference : Difference
        Of the two C, first less second.
    horizons : tuple of HorizonComparison
        ROC curves and their areas.
    """

    cohort: str
    score: str
    models: tuple[str, str]
    n: int
    n_events: int
    concordances: tuple[Concordance | NotEstimable, Concordance | NotEstimable]
    difference: Difference | NotEstimable
    horizons: tuple[HorizonComparison, ...]


def compare_scores(
    survival: Survival,
    scores: tuple[ArrayLike, ArrayLike],
    *,
    cohort: str,
    score: str,
    models: tuple[str, str],
    horizons: Sequence[int],
) -> ScoreComparison:
    """Compare a score of two models.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    scores : tuple of array_like, shape (n,) each
        The score by the first and by the second model, of the same patients in the same order.
    cohort, score, models : str, str, tuple of str
        Their names.
    horizons : sequence of int
        Days.
    """
    first, second = (np.asarray(values, dtype=np.float64) for values in scores)
    return ScoreComparison(
        cohort=cohort,
        score=score,
        models=models,
        n=survival.n,
        n_events=survival.n_events,
        concordances=(harrell_c(survival, first), harrell_c(survival, second)),
        difference=compare_concordance(survival, first, second),
        horizons=tuple(
            HorizonComparison(
                days,
                (roc_curve(survival, first, days), roc_curve(survival, second, days)),
                compare_auc(survival, first, second, days),
            )
            for days in horizons
        ),
    )


def comparison_lines(found: ScoreComparison) -> list[str]:
    """Return a comparison as lines for people."""
    lines = [
        (
            f"{found.cohort}, {found.score}: {counted(found.n, 'patient')}, "
            f"{counted(found.n_events, 'death')}"
        )
    ]
    pairs = [("Harrell's C", found.concordances, found.difference)]
    rows: list[tuple[str, Sequence[object], object]] = [*pairs]
    for horizon in found.horizons:
        areas = [curve.auc if isinstance(curve, RocCurve) else curve for curve in horizon.curves]
        rows.append((f"AUC at {horizon_words(horizon.days)}", areas, horizon.difference))
    for name, values, difference in rows:
        parts = [
            f"{model} {_value(value)}" for model, value in zip(found.models, values, strict=True)
        ]
        lines.append(f"  {name}: {'; '.join(parts)}; {_difference(difference)}")
    return lines


def comparisons_to_json(found: Sequence[ScoreComparison]) -> str:
    """Return comparisons as JSON, with every number in full precision."""
    return _adapter().dump_json(tuple(found), indent=1).decode()


def _value(value: object) -> str:
    if isinstance(value, NotEstimable):
        return "not estimable"
    estimate, lower, upper = (
        float(getattr(value, name)) for name in ("estimate", "lower", "upper")
    )
    return interval(estimate, lower, upper)


def _difference(value: object) -> str:
    if not isinstance(value, Difference):
        return value.sentence if isinstance(value, NotEstimable) else "difference not estimable"
    return (
        f"difference {number(value.estimate, 3)} ({number(value.lower, 3)} to "
        f"{number(value.upper, 3)}), {p_words(value.p_value)}"
    )


@cache
def _adapter() -> TypeAdapter[tuple[ScoreComparison, ...]]:
    """Make the adapter when a report is written or read: every scoring process imports this."""
    return TypeAdapter(tuple[ScoreComparison, ...])
