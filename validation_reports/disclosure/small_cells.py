"""Counts in which nobody is found alone: none from 1 to 4 is shown, nor one that leaves so few of
its whole.

Levels of a table are put together until none is small, so that nothing is got by subtraction from a
margin. What is shown is rounded to 5, so that two reports whose patients differ by one do not tell
in which cells that one is; sums are those of what is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from validation_reports.disclosure.alike_patients import SMALLEST_CELL, on_grid
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.acquisition_table import (
    AcquisitionTable,
    ProtocolCharacteristic,
    ProtocolLevel,
)
from validation_reports.statistics.cohort_table import AgeSummary, CohortColumn, CohortTable
from validation_reports.statistics.kaplan_meier import MedianTime
from validation_reports.statistics.over_contours import OverContours
from validation_reports.statistics.subgroups import SubgroupAnalysis

AGE_STEP = 5
OTHER_REASONS = "other reasons"
Counts = tuple[int, ...]
FEW_WITHOUT_CONTOURS = NotEstimable(
    "Not shown: the scores of all but fewer than 5 patients are known over other contours, or of "
    "fewer than 5, and they could be found."
)


def is_small(count: int) -> bool:
    """Say whether a count is of 1 to 4 patients."""
    return 0 < count < SMALLEST_CELL


def shown(count: int, whole: int | None = None) -> int:
    """Return a count as it leaves: none or all as they are, else rounded to 5, neither none nor
    so many that fewer than 5 of the whole are left.
    """
    if count in (0, whole):
        return count
    rounded = max(SMALLEST_CELL * round(count / SMALLEST_CELL), SMALLEST_CELL)
    while whole is not None and rounded > SMALLEST_CELL and whole - rounded < SMALLEST_CELL:
        rounded -= SMALLEST_CELL
    return rounded


def unrounded(count: int, whole: int | None = None) -> int:
    """Return a count that is told as it is: of patients, and of deaths; unless it is small, or
    leaves few of the whole.
    """
    few = is_small(count) or (whole is not None and is_small(whole - count))
    return shown(count, whole) if few else count


def reasons_together(
    excluded: Sequence[tuple[str, tuple[str, ...]]],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return reasons of exclusion with numbers in place of pseudonyms; those of 1 to 4 patients are
    one, the next smallest joins them while they are not five.
    """
    large = [(reason, len(keys)) for reason, keys in excluded if not is_small(len(keys))]
    small = sum(len(keys) for _, keys in excluded if is_small(len(keys)))
    large.sort(key=lambda item: -item[1])
    while is_small(small) and large:
        small += large.pop()[1]
    found = [(reason, shown(count)) for reason, count in large]
    found += [(OTHER_REASONS, shown(small))] if small else []
    return tuple(
        (reason, tuple(str(number + 1) for number in range(count))) for reason, count in found
    )


def without_small_cells(
    table: CohortTable, columns: Sequence[CohortColumn], *, has_pool: bool
) -> CohortTable:
    """Return the table of patients with levels put together.

    Parameters
    ----------
    table : CohortTable
        As it was found.
    columns : sequence of CohortColumn
        Its columns, whose counts of patients are those that leave; the pool's last.
    has_pool : bool
        Whether the last column is the sum of the others.
    """
    centers = list(columns[:-1] if has_pool else columns)
    levels = []
    counts: list[list[tuple[str, Counts]]] = [[] for _ in centers]
    for row, (name, names) in enumerate(table.levels):
        together, merged = _together(names, [column.counts[row][1] for column in centers])
        levels.append((name, together))
        for place, values in enumerate(merged):
            counts[place].append((name, values))
    found = [
        replace(_rounded(column), counts=tuple(counts[place]))
        for place, column in enumerate(centers)
    ]
    if has_pool:
        found.append(_sum(_rounded(columns[-1]), found))
    return replace(table, columns=tuple(found), levels=tuple(levels))


def levels_together(table: AcquisitionTable, n: int) -> AcquisitionTable:
    """Return scanners and protocols with those of 1 to 4 patients put together."""
    return replace(
        table,
        characteristics=tuple(
            ProtocolCharacteristic(one.name, _protocols(one.levels, n))
            for one in table.characteristics
        ),
        n_training=None if table.n_training is None else shown(table.n_training),
        tissues=tuple(
            replace(
                one,
                median=round(one.median, 2),
                median_training=None
                if one.median_training is None
                else round(one.median_training, 2),
            )
            for one in table.tissues
        ),
    )


def subgroups_that_leave(
    centers: Sequence[Sequence[SubgroupAnalysis]], pooled: Sequence[SubgroupAnalysis]
) -> tuple[list[tuple[SubgroupAnalysis, ...]], tuple[SubgroupAnalysis, ...]]:
    """Return the subgroups of each centre and of the pool in whose levels no death, and nobody who
    lived, is nearly alone; without curves.

    A centre's that does not leave could be got from the pool less the other centres: the pool's
    leaves only where what is so left over is of no few patients either.
    """
    kept = [tuple(_plain(one) for one in of_center if _is_large(one)) for of_center in centers]
    names = [{one.name for one in of_center} for of_center in kept]
    together = []
    for one in pooled:
        hidden = [
            analysis
            for of_center, known in zip(centers, names, strict=True)
            for analysis in of_center
            if analysis.name == one.name and one.name not in known
        ]
        if _is_large(one) and (not hidden or (len(hidden) > 1 and _is_large(*hidden))):
            together.append(_plain(one))
    return kept, tuple(together)


def _is_large(*analyses: SubgroupAnalysis) -> bool:
    """Say whether no cell of subgroups, added up over centres, is small."""
    if is_small(sum(one.n_unknown for one in analyses)):
        return False
    cells: dict[tuple[str, bool], int] = {}
    for one in analyses:
        for level in one.levels:
            for died, count in ((True, level.n_events), (False, level.n - level.n_events)):
                cells[level.level, died] = cells.get((level.level, died), 0) + count
    return not any(map(is_small, cells.values()))


def _plain(analysis: SubgroupAnalysis) -> SubgroupAnalysis:
    """Return a subgroup without curves, and without medians, which are single patients' times."""
    levels = tuple(
        replace(
            level,
            n=shown(level.n),
            n_events=shown(level.n_events, shown(level.n)),
            risk_groups=replace(level.risk_groups, groups=()),
        )
        for level in analysis.levels
    )
    return replace(analysis, levels=levels, n_unknown=shown(analysis.n_unknown))


def _together(
    names: Sequence[str], counts: Sequence[Sequence[int]]
) -> tuple[tuple[str, ...], list[Counts]]:
    """Put levels together, the two with the fewest patients first, until no count is small."""
    groups = [([name], list(values)) for name, *values in zip(names, *counts, strict=True)]
    while len(groups) > 1 and any(is_small(one) for _, values in groups for one in values):
        by_size = sorted(groups, key=lambda group: sum(group[1]))
        first = next(group for group in by_size if any(map(is_small, group[1])))
        others = [group for group in by_size if group is not first and sum(group[1])]
        if not others:
            break
        other = others[0]
        place = min(groups.index(first), groups.index(other))
        joined = [one for one in groups if one in (first, other)]
        both = (
            [name for group in joined for name in group[0]],
            [a + b for a, b in zip(first[1], other[1], strict=True)],
        )
        groups = [one for one in groups if one is not first and one is not other]
        groups.insert(place, both)
    return (
        tuple(" or ".join(group[0]) for group in groups),
        [
            tuple(
                shown(group[1][place], None if is_small(sum(values)) else sum(values))
                for group in groups
            )
            for place, values in enumerate(counts)
        ],
    )


def _protocols(levels: Sequence[ProtocolLevel], n: int) -> tuple[ProtocolLevel, ...]:
    rest = sorted(levels, key=lambda level: level.n)
    small: list[ProtocolLevel] = []
    # also while what is left is what an unknown level would be of
    while rest and (is_small(rest[0].n) or is_small(sum(level.n for level in small))):
        small.append(rest.pop(0))
    found = [
        ProtocolLevel(
            level.level,
            shown(level.n, n),
            round(level.mean_score, 1),
            None if level.n_training is None else shown(level.n_training),
        )
        for level in reversed(rest)
    ]
    if small:
        count = sum(level.n for level in small)
        of_training = [level.n_training for level in small if level.n_training is not None]
        found.append(
            ProtocolLevel(
                "any other",
                shown(count, n),
                round(sum(level.n * level.mean_score for level in small) / count, 1),
                shown(sum(of_training)) if of_training else None,
            )
        )
    return tuple(found)


def _rounded(column: CohortColumn) -> CohortColumn:
    """Return a column whose times are on the grid and whose ages are no single patient's."""
    return replace(
        column,
        follow_up=_median(column.follow_up),
        median_survival=_median(column.median_survival),
        age=_age(column.age, column.n),
        accrual=column.accrual
        if isinstance(column.accrual, NotEstimable)
        else replace(column.accrual, n_known=shown(column.accrual.n_known, column.n)),
        missing=tuple((name, shown(count, column.n)) for name, count in column.missing),
    )


def _sum(pool: CohortColumn, centers: Sequence[CohortColumn]) -> CohortColumn:
    """Return the pool's column, whose counts are the sums of those that are shown."""
    missing = [dict(column.missing) for column in centers]
    counts = tuple(
        (name, tuple(int(total) for total in np.sum([one.counts[row][1] for one in centers], 0)))
        for row, (name, _) in enumerate(centers[0].counts)
    )
    age = pool.age
    if isinstance(age, AgeSummary):
        known = [one.age.missing for one in centers if isinstance(one.age, AgeSummary)]
        age = replace(age, missing=sum(known))
    return replace(
        pool,
        counts=counts,
        age=age,
        missing=tuple((name, sum(one.get(name, 0) for one in missing)) for name, _ in pool.missing),
    )


def _median(found: MedianTime | NotEstimable) -> MedianTime | NotEstimable:
    if isinstance(found, NotEstimable):
        return found
    limits = (None if one is None else on_grid(one) for one in (found.lower, found.upper))
    return MedianTime(on_grid(found.days), *limits)


def _age(found: AgeSummary | NotEstimable, n: int) -> AgeSummary | NotEstimable:
    if isinstance(found, NotEstimable):
        return found
    return AgeSummary(
        mean=round(found.mean, 1),
        standard_deviation=None
        if found.standard_deviation is None
        else round(found.standard_deviation, 1),
        median=float(round(found.median)),
        first_quartile=float(round(found.first_quartile)),
        third_quartile=float(round(found.third_quartile)),
        youngest=float(AGE_STEP * np.floor(found.youngest / AGE_STEP)),
        oldest=float(AGE_STEP * np.ceil(found.oldest / AGE_STEP)),
        missing=shown(found.missing, n),
    )


def contours_that_leave(
    found: OverContours | NotEstimable, whole: int
) -> OverContours | NotEstimable:
    """Return the figures over contours, unless all but a few patients have them: the difference
    from the figures of all would find these.
    """
    if not isinstance(found, OverContours):
        return found
    if is_small(found.n) or is_small(whole - found.n):
        return FEW_WITHOUT_CONTOURS
    n = found.n if found.n == whole else shown(found.n, whole)
    return replace(found, n=n, n_uncertain=min(shown(found.n_uncertain, found.n), n))
