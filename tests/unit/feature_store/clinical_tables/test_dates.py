"""Dates: every form once, and orders that the column tells or leaves open."""

from __future__ import annotations

from datetime import date

import pytest

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.dates import Order, read_dates
from feature_store.clinical_tables.sheet import EXCEL_EPOCH, Cell
from feature_store.clinical_tables.shown_values import ShownValues


def dates(*cells: Cell, order: Order | None = None, epoch: date = EXCEL_EPOCH) -> list[date | None]:
    found = read_dates("start", dict(enumerate(cells)), order, epoch, ShownValues(()))
    return [found.values.get(place) for place in range(len(cells))]


@pytest.mark.parametrize(
    "cell",
    [
        "2020-04-03", "2020/4/3", "2020.04.03", "20200403", "2020-04-03 00:00:00",
        "2020-04-03T08:15:00Z", "3-Apr-2020", "03 APR 2020", "3. April 2020", "April 3, 2020",
        "3rd April 2020", "03APR2020", "3 avril 2020", "3. Aprile 2020",
        "3 de abril de 2020", "43924", 43924.0, date(2020, 4, 3),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_read_in_two_ways(cell: Cell) -> None:
    assert dates(cell) == [date(2020, 4, 3)]


@pytest.mark.parametrize(
    "cell", ["2020-04", "2020", "2020-13-01", "31.04.2020", "soon", "12", 1.5, "3 Foo 2020"]
)
def test_what_is_no_date_is_none(cell: Cell) -> None:
    assert dates(cell, order="day-first") == [None]


def test_one_date_of_the_column_tells_the_order_of_all() -> None:
    assert dates("03.04.2020", "13.04.2020")[0] == date(2020, 4, 3)
    assert dates("03/04/2020", "04/13/2020")[0] == date(2020, 3, 4)
    assert dates("4/4/2020", "2020-01-02") == [date(2020, 4, 4), date(2020, 1, 2)]
    assert dates("03/04/2020", order="month-first") == [date(2020, 3, 4)]


def test_an_order_that_is_open_or_contradicts_the_settings_is_refused() -> None:
    with pytest.raises(ClinicalTableError, match=r"tells day from month, such as in line 1 \('03"):
        dates("04-04-2020", "03-04-2020")
    with pytest.raises(ClinicalTableError, match="in line 1, which is day-first, expected"):
        dates("03/04/2020", "13/04/2020", order="month-first")


@pytest.mark.parametrize(
    "cells",
    [
        (date(2020, 3, 4), "13/04/2020", "25/04/2020"),
        ("04/13/2020", date(2020, 4, 3), "2020-01-31"),
        ("13.04.2020 08:15", date(2020, 3, 4), 43924.0),
    ],
)
@pytest.mark.parametrize("order", [None, "day-first"])
def test_dates_that_a_spreadsheet_turned_round_in_part_are_refused(
    cells: tuple[Cell, ...], order: Order | None
) -> None:
    with pytest.raises(ClinicalTableError, match="day and month of every such date may be exchang"):
        dates(*cells, order=order)


def test_dates_beside_texts_that_no_spreadsheet_turned_round_are_read() -> None:
    assert dates(date(2020, 4, 25), date(2020, 3, 4), "13/04/2020")[1:] == [
        date(2020, 3, 4),
        date(2020, 4, 13),
    ]
    assert dates(date(2020, 3, 4), "13/04/2020", "03/04/2020")[2] == date(2020, 4, 3)
    assert dates(date(2020, 3, 4), "2020-04-13", "soon") == [
        date(2020, 3, 4),
        date(2020, 4, 13),
        None,
    ]


def test_serial_numbers_count_from_the_first_day_of_the_workbook() -> None:
    assert dates("42462", epoch=date(1904, 1, 1)) == [date(2020, 4, 3)]
