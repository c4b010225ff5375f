"""Numbers: the whole column, or the table, tells which sign parts decimals."""

from __future__ import annotations

import pytest

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.numbers import decimal_signs, read_numbers, refuse_both
from feature_store.clinical_tables.sheet import Cell
from feature_store.clinical_tables.shown_values import ShownValues

SHOWN = ShownValues(())


def numbers(*cells: Cell, signs: str = "", most: float = 10957.5) -> list[float | None]:
    found = read_numbers("days", dict(enumerate(cells)), signs, most, SHOWN)
    assert found.values.keys() | found.unreadable.keys() == set(range(len(cells)))
    return [found.values.get(place) for place in range(len(cells))]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("12", "12.5", "1,095"), [12, 12.5, 1095]),
        (("12", "12,5", "1.095"), [12, 12.5, 1095]),
        (("1.095,5", "1.095"), [1095.5, 1095]),
        (("1,095.5", "1,234,567"), [1095.5, 1234567]),
        (("1.234.567", "2,5"), [1234567, 2.5]),
        (("1 095", "1\u00a0095,5", "1'095", "1\u202f095"), [1095, 1095.5, 1095, 1095]),
        (("0.125", "1.095"), [0.125, 1.095]),
        (("1234.567", "1.095"), [1234.567, 1.095]),
        (("12.345", "1.095"), [12.345, 1.095]),  # 12345 days are more than 30 years
        ((12.5, "12.5", "+3"), [12.5, 12.5, 3]),
        (("12,", "1..5", "1e3", "0x10", "١٢", "nan", "inf", "1_000"), [None] * 8),
        (("1.5", ".5", "12."), [1.5, 0.5, 12]),
        (("1,5", "1,2,3", "1.095"), [1.5, None, 1095]),
        (("10,95.5", "12,34"), [None, 12.34]),
    ],
)
def test_the_column_tells_its_signs(cells: tuple[Cell, ...], expected: list[float | None]) -> None:
    assert numbers(*cells) == expected


def test_the_table_tells_where_the_column_does_not() -> None:
    assert numbers("1.095", signs=",") == [1095]
    assert numbers("1.095", signs=".") == [1.095]
    assert numbers("66.750", most=120.0) == [66.75]
    with pytest.raises(ClinicalTableError, match=r"holds '1,095' in line 0, which may be 1095 or"):
        numbers("1,095", "1000")


def test_both_signs_for_decimals_are_refused() -> None:
    signs = decimal_signs({2: "1,5", 3: "7", 4: "1.25", 5: "1.50"})
    assert signs == {",": 2, ".": 4}
    with pytest.raises(ClinicalTableError, match="comma in line 2 and a decimal point in line 4"):
        refuse_both("age", signs)
