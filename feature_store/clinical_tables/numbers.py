"""Numbers as they are written: which sign parts decimals and which thousands is told by the whole
column, or by the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.column_values import ColumnValues, read_each
from feature_store.clinical_tables.sheet import Cell, text_of
from feature_store.clinical_tables.shown_values import ShownValues

_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_SPACED = re.compile(r"([+-]?\d{1,3})((?:[ '\u2019\u00a0\u202f\u2009]\d{3})+)(?=$|[.,])")
_ONE_SIGN = re.compile(r"[+-]?(\d*)([.,])(\d+)")
_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*(?:([.,])\d+)?")
_OTHER = {".": ",", ",": "."}
_NAMES: dict[str, Literal["comma", "point"]] = {",": "comma", ".": "point"}
SIGNS = {name: sign for sign, name in _NAMES.items()}


def decimal_signs(cells: Mapping[int, Cell]) -> dict[str, int]:
    """Return the signs that certainly part decimals in some cell, each with the first such line."""
    found: dict[str, int] = {}
    for line, cell in cells.items():
        sign = _certain(_unspaced(cell)) if isinstance(cell, str) else None
        if sign is not None:
            found.setdefault(sign, line)
    return found


def refuse_both(column: str, signs: Mapping[str, int]) -> None:
    """Refuse a column in which both signs part decimals."""
    if len(signs) > 1:
        raise ClinicalTableError(
            f"The column {column} has a decimal comma in line {signs[',']} and a decimal point in "
            f"line {signs['.']}, expected one of them throughout: write all numbers the same way."
        )


def read_numbers(
    column: str,
    cells: Mapping[int, Cell],
    table_signs: Iterable[str],
    most: float,
    shown: ShownValues,
) -> ColumnValues[float]:
    """Read a column of numbers.

    Parameters
    ----------
    column : str
        Its name, for sentences.
    cells : mapping of int to Cell
        Its cells by line.
    table_signs : iterable of str
        The signs that part decimals in the table's other columns, or as the settings say.
    most : float
        A number above this is impossible in this column: where 1.095 read as 1095 is, it has
        decimals.
    shown : ShownValues
        Says cells.

    Raises
    ------
    ClinicalTableError
        If the column writes decimals in two ways, or nothing tells whether 1.095 is 1095.
    """
    signs = decimal_signs(cells)
    refuse_both(column, signs)
    known = set(signs) or set(table_signs)
    decimal = next(iter(known)) if len(known) == 1 else None
    if decimal is None:
        decimal = _told_by_size(column, cells, most, shown)
    return read_each(cells, lambda cell: _number(cell, decimal))


def _unspaced(cell: str) -> str:
    """Return a number without blanks or apostrophes between its thousands."""
    text = text_of(cell)
    return _SPACED.sub(lambda found: found[1] + re.sub(r"\D", "", found[2]), text)


def _certain(text: str) -> str | None:
    """Return the sign that certainly parts decimals in a number."""
    if found := _ONE_SIGN.fullmatch(text):
        before, sign, after = found.groups()
        ambiguous = len(after) == 3 and 1 <= len(before) <= 3 and not before.startswith("0")
        return None if ambiguous else sign
    if found := _GROUPS.fullmatch(text):
        thousands, decimal = found.groups()
        if decimal is not None and decimal == thousands:
            return None
        return _OTHER[thousands]
    return None


def _told_by_size(column: str, cells: Mapping[int, Cell], most: float, shown: ShownValues) -> str:
    """Return the decimal sign of a column in which every sign is followed by three digits."""
    for sign in _OTHER:
        open_cells = {
            line: found
            for line, cell in cells.items()
            if isinstance(cell, str)
            and (found := _ONE_SIGN.fullmatch(_unspaced(cell)))
            and found[2] == sign
        }
        if not open_cells:
            continue
        if any(float(found[1] + found[3]) > most for found in open_cells.values()):
            return sign
        line = min(open_cells)
        value = open_cells[line]
        raise ClinicalTableError(
            f"The column {column} holds {shown(cells[line])} in line {line}, which may be "
            f"{value[1]}{value[3]} or {value[1]}.{value[3]}: write thousands without a sign, or "
            'say decimal = "comma" or "point" in the [clinical] table of the settings file.'
        )
    return "."


def _number(cell: Cell, decimal: str) -> float | None:
    if not isinstance(cell, str):
        return cell if isinstance(cell, float) else None
    text = _unspaced(cell)
    thousands = _OTHER[decimal]
    grouped = _GROUPS.fullmatch(text)
    if grouped and grouped[1] == thousands and grouped[2] in {None, decimal}:
        text = text.replace(thousands, "")
    elif thousands in text or text.count(decimal) > 1:
        return None
    plain = text.replace(decimal, ".")
    return float(plain) if _FLOAT.fullmatch(plain) else None
