"""Counts that single somebody out are put together or rounded: no subtraction finds them."""

from __future__ import annotations

import itertools

import pytest

from validation_reports.disclosure.small_cells import (
    OTHER_REASONS,
    _together,
    is_small,
    levels_together,
    reasons_together,
    shown,
    unrounded,
)
from validation_reports.statistics.acquisition_table import (
    AcquisitionTable,
    ProtocolCharacteristic,
    ProtocolLevel,
    TissueMedian,
)


def test_no_count_that_is_shown_is_small_nor_leaves_few() -> None:
    for whole, count in itertools.product((12, 24, 60, 101), range(102)):
        if count > whole:
            continue
        for found in (shown(count, whole), unrounded(count, whole)):
            assert not is_small(found)
            assert not is_small(whole - found) or whole - found == whole % 5 == 0
            assert abs(found - count) <= 9
    assert [shown(count) for count in (0, 1, 4, 5, 7, 8, 23)] == [0, 5, 5, 5, 5, 10, 25]
    assert [unrounded(count, 50) for count in (0, 3, 23, 48, 50)] == [0, 5, 23, 45, 50]


def test_reasons_of_few_patients_are_one_without_pseudonyms() -> None:
    found = reasons_together(
        [("a", tuple("klmnopq")), ("b", ("r", "s")), ("c", ("t",)), ("d", tuple("uvwxy"))]
    )
    # three would be found by subtraction from all, so the next smallest joins them
    assert found == (
        ("a", ("1", "2", "3", "4", "5")),
        (OTHER_REASONS, tuple(map(str, range(1, 11)))),
    )
    assert reasons_together([]) == ()
    assert reasons_together([("a", ("k",))]) == ((OTHER_REASONS, ("1", "2", "3", "4", "5")),)


@pytest.mark.parametrize(
    ("counts", "names"),
    [
        ([[30, 30, 0]], ("I", "II", "III")),
        ([[30, 3, 20]], ("I", "II or III")),
        ([[30, 20, 10], [30, 2, 10]], ("I", "II or III")),
        ([[2, 1, 0]], ("I or II", "III")),
    ],
)
def test_levels_are_put_together_until_none_is_small(
    counts: list[list[int]], names: tuple[str, ...]
) -> None:
    found, values = _together(("I", "II", "III"), counts)
    assert found == names
    assert len(found) == len(values[0])
    if sum(counts[0]) > 5:
        assert not any(is_small(one) for row in values for one in row)


def test_scanners_of_few_patients_are_any_other() -> None:
    levels = (
        ProtocolLevel("Siemens", 40, 0.123, 100),
        ProtocolLevel("GE", 12, 0.2, 50),
        ProtocolLevel("Philips", 3, 0.5, 2),
    )
    table = AcquisitionTable(
        (ProtocolCharacteristic("manufacturer", levels),),
        203,
        (TissueMedian("gtv", "lung", 0.12345, None),),
    )
    (found,) = levels_together(table, 55).characteristics
    # three alone could be got from all less the others, so the next smallest joins them
    assert [(one.level, one.n) for one in found.levels] == [("Siemens", 40), ("any other", 15)]
    assert levels_together(table, 55).tissues[0].median == 0.12
