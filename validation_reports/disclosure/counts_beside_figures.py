"""Counts that stand beside figures, as they leave: a difference of two of them would find what the
tables put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from validation_reports.disclosure.alike_patients import SMALLEST_CELL
from validation_reports.disclosure.sentences import sentence_that_leaves
from validation_reports.disclosure.small_cells import shown
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.center_result import CenterResult, SignatureComparison
from validation_reports.report.validation_report import PooledStatistic
from validation_reports.statistics.added_value import AddedValue
from validation_reports.statistics.cohort_shift import CohortShift
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.risk_groups import LogRank
from validation_reports.statistics.subgroups import InteractionTest, SubgroupAnalysis


def rough(count: float) -> int:
    """Return a number to the next multiple of five."""
    return SMALLEST_CELL * round(count / SMALLEST_CELL)


def rough_pairs(found: Concordance | NotEstimable) -> Concordance | NotEstimable:
    """Return a concordance whose numbers of pairs are rounded: one patient changes many."""
    if isinstance(found, NotEstimable):
        return found
    return replace(
        found,
        concordant=rough(found.concordant),
        discordant=rough(found.discordant),
        tied_score=rough(found.tied_score),
        tied_time=rough(found.tied_time),
    )


def rough_deaths(found: LogRank | NotEstimable) -> LogRank | NotEstimable:
    """Return a log-rank test whose deaths are rounded."""
    if isinstance(found, NotEstimable):
        return found
    return replace(
        found,
        observed_high=rough(found.observed_high),
        expected_high=float(rough(found.expected_high)),
    )


def comparisons_that_leave(
    found: Sequence[SignatureComparison], n: int
) -> tuple[SignatureComparison, ...]:
    """Return the comparisons with single signatures, of n patients."""
    return tuple(
        replace(
            one,
            alone=rough_pairs(one.alone),
            horizons=tuple(
                replace(
                    at,
                    n_dead=None if at.n_dead is None else shown(at.n_dead, n),
                    n_alive=None if at.n_alive is None else shown(at.n_alive, n),
                )
                for at in one.horizons
            ),
        )
        for one in found
    )


def added_value_that_leaves(
    found: AddedValue | NotEstimable, exact_n: int, n: int, n_events: int
) -> AddedValue | NotEstimable:
    """Return the added value over stage.

    Parameters
    ----------
    found : AddedValue or NotEstimable
        As it was found.
    exact_n : int
        Patients of the centre.
    n, n_events : int
        Its patients and deaths as they leave.
    """
    if not isinstance(found, AddedValue):
        return found
    if found.n == exact_n:
        return replace(found, n=n, n_events=None if found.n_events is None else n_events)
    staged = shown(found.n, n)
    deaths = None if found.n_events is None else shown(found.n_events, staged)
    return replace(found, n=staged, n_events=deaths)


def subgroups_with_rough_counts(
    found: Sequence[SubgroupAnalysis],
) -> tuple[SubgroupAnalysis, ...]:
    """Return subgroups whose figures have no exact counts beside them."""
    return tuple(
        replace(
            one,
            levels=tuple(
                replace(
                    level,
                    concordance=rough_pairs(level.concordance),
                    risk_groups=replace(
                        level.risk_groups, log_rank=rough_deaths(level.risk_groups.log_rank)
                    ),
                )
                for level in one.levels
            ),
            interaction=_interaction(one.interaction),
        )
        for one in found
    )


def _interaction(found: InteractionTest | NotEstimable) -> InteractionTest | NotEstimable:
    if isinstance(found, NotEstimable) or found.n is None or found.n_events is None:
        return found
    n = shown(found.n)
    return replace(found, n=n, n_events=shown(found.n_events, n))


def shift_that_leaves(found: CohortShift | NotEstimable, n: int) -> CohortShift | NotEstimable:
    """Return the comparison of n patients with those of the training."""
    if not isinstance(found, CohortShift):
        return found
    return replace(
        found,
        n=None if found.n is None else n,
        variables=tuple(
            replace(
                one,
                n=None if one.n is None else shown(one.n, n),
                n_outside=None if one.n_outside is None else shown(one.n_outside, n),
            )
            for one in found.variables
        ),
    )


def across_centers_that_leave(
    found: Sequence[PooledStatistic], centers: Sequence[CenterResult]
) -> tuple[PooledStatistic, ...]:
    """Return what was pooled over centres with their counts and reasons as they leave.

    Parameters
    ----------
    found : sequence of PooledStatistic
        As it was found.
    centers : sequence of CenterResult
        As they leave.
    """
    sizes = {one.center: (one.n, one.n_events) for one in centers}
    return tuple(
        replace(
            one,
            sizes=tuple(sizes[center] for center, *_ in one.centers) if one.sizes else (),
            left_out=tuple((center, sentence_that_leaves(why)) for center, why in one.left_out),
        )
        for one in found
    )
