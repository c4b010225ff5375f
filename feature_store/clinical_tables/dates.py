"""Dates as they are written: day first or month first is told by the whole column, never
guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Literal

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.column_values import ColumnValues, read_each
from feature_store.clinical_tables.month_names import month_named
from feature_store.clinical_tables.sheet import Cell, text_of
from feature_store.clinical_tables.shown_values import ShownValues

_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp][Mm])?(?:Z|[+-]\d{2}(?::?\d{2})?)?"
_TIME = rf"(?:[T ]{_CLOCK})?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_TIME}")
_DIGITS = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){_TIME}")
_SHORT_YEAR = re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}")
_NAME = r"([^\W\d_]{3,10})"
_DAY_NAMED_MONTH = re.compile(
    rf"(\d{{1,2}})(?:st|nd|rd|th|er|º)?[-/. ]*(?:de )?{_NAME}[-/.,]* *(?:de )?(\d{{4}})"
    rf"(?:[T :]{_CLOCK})?"  # SAS has 05JAN2015:00:00:00
)
_NAMED_MONTH_DAY = re.compile(rf"{_NAME}\.? *(\d{{1,2}})(?:st|nd|rd|th)?,? +(\d{{4}})")
_MONTHS = 12
_FIVE_DIGITS = re.compile(r"\d{5}")
_SERIAL = (20000, 80000)
"""Excel's numbers of days from 1954 to 2119."""

Order = Literal["day-first", "month-first"]
_UNAMBIGUOUS = (
    (_YEAR_FIRST, (1, 3, 4)),
    (_DIGITS, (1, 2, 3)),
    (_DAY_NAMED_MONTH, (3, 2, 1)),
    (_NAMED_MONTH_DAY, (3, 1, 2)),
)
_FORMS: dict[Order, tuple[tuple[re.Pattern[str], tuple[int, int, int]], ...]] = {
    "day-first": (*_UNAMBIGUOUS, (_YEAR_LAST, (4, 3, 1))),
    "month-first": (*_UNAMBIGUOUS, (_YEAR_LAST, (4, 1, 3))),
}
"""Forms of dates, each with the places of year, month and day in it."""


def read_dates(
    column: str,
    cells: Mapping[int, Cell],
    order: Order | None,
    epoch: date,
    shown: ShownValues,
) -> ColumnValues[date]:
    """Read a column of dates.

    Parameters
    ----------
    column : str
        Its name, for sentences.
    cells : mapping of int to Cell
        Its cells by line.
    order : {"day-first", "month-first"} or None
        As the settings say; by default what the column itself tells.
    epoch : date
        Day 0 of serial numbers.
    shown : ShownValues
        Says cells.

    Raises
    ------
    ClinicalTableError
        If nothing in the column tells day from month, or it has both orders, years of two digits,
        or dates of which a spreadsheet turned day and month round.
    """
    for line, cell in cells.items():
        if isinstance(cell, str) and _SHORT_YEAR.fullmatch(text_of(cell)):
            raise ClinicalTableError(
                f"The column {column} holds {shown.dated(cell)} in line {line}, a year of "
                "two digits, expected dates like 2026-01-31: write years with four digits."
            )
    _refuse_turned_round(column, cells, epoch, shown)
    order = _order(column, cells, order, shown)
    return read_each(cells, lambda cell: _date(cell, order, epoch))


def _refuse_turned_round(
    column: str, cells: Mapping[int, Cell], epoch: date, shown: ShownValues
) -> None:
    """Refuse a column of which a spreadsheet with the other order of day and month took for dates
    what it could: 03/04 became 4 March, and 13/04 stayed a text.
    """
    texts = {
        line: (int(found[1]), int(found[3]))
        for line, cell in cells.items()
        if isinstance(cell, str) and (found := _YEAR_LAST.fullmatch(text_of(cell)))
    }
    turned = {
        line: day
        for line, cell in cells.items()
        if not isinstance(cell, str) and (day := _date(cell, "day-first", epoch)) is not None
    }
    stayed = all(max(parts) > _MONTHS for parts in texts.values())
    if texts and turned and stayed and all(day.day <= _MONTHS for day in turned.values()):
        line = min(texts)
        raise ClinicalTableError(
            f"The column {column} holds a text in line {line} ({shown.dated(cells[line])}) and a "
            f"date in line {min(turned)}, as when a spreadsheet takes day and month for each other "
            f"and leaves what has no month {_MONTHS + 1}: day and month of every such date may be "
            "exchanged. Import the original file with its dates as text, or write all dates like "
            "2026-01-31 as text."
        )


def _order(
    column: str, cells: Mapping[int, Cell], order: Order | None, shown: ShownValues
) -> Order:
    parts = {
        line: (int(found[1]), int(found[3]))
        for line, cell in cells.items()
        if isinstance(cell, str) and (found := _YEAR_LAST.fullmatch(text_of(cell)))
    }
    days = [line for line, (first, second) in parts.items() if first > 12 and second <= 12]
    months = [line for line, (first, second) in parts.items() if second > 12 and first <= 12]
    if days and months:
        raise ClinicalTableError(
            f"The column {column} has the day first in line {days[0]} "
            f"({shown.dated(cells[days[0]])}) and the month first in line {months[0]} "
            f"({shown.dated(cells[months[0]])}): write all dates like 2026-01-31."
        )
    told: Order | None = "day-first" if days else "month-first" if months else None
    if order is not None and told is not None and told != order:
        line = (days or months)[0]
        raise ClinicalTableError(
            f"The column {column} holds {shown.dated(cells[line])} in line {line}, which is "
            f"{told}, expected {order} as the [clinical] table of the settings file says: mend "
            "either."
        )
    order = order or told
    open_lines = [line for line, (first, second) in parts.items() if first != second]
    if order is None and open_lines:
        line = open_lines[0]
        raise ClinicalTableError(
            f"Nothing in the column {column} tells day from month, such as in line {line} "
            f"({shown.dated(cells[line])}): write dates like 2026-01-31, or say dates = "
            '"day-first" or "month-first" in the [clinical] table of the settings file.'
        )
    return order or "day-first"


def _date(cell: Cell, order: Order, epoch: date) -> date | None:
    if isinstance(cell, date):
        return cell
    text = text_of(cell)
    if _FIVE_DIGITS.fullmatch(text):
        serial = int(text)
        return epoch + timedelta(days=serial) if _SERIAL[0] <= serial <= _SERIAL[1] else None
    for form, (year, month, day) in _FORMS[order]:
        if found := form.fullmatch(text):
            return _day(found[year], _month(found[month]), found[day])
    return None


def _month(name: str) -> str:
    return name if name.isdigit() else str(month_named(name) or 0)


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
