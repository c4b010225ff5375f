"""Clinical tables as Excel workbooks: one sheet, its stored values, and what hides in it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from io import BytesIO
from typing import Any

from openpyxl import load_workbook

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.delimited_text import Known, refuse_other_header
from feature_store.clinical_tables.number_formats import shown_otherwise
from feature_store.clinical_tables.sheet import (
    EXCEL_EPOCH,
    Cell,
    FormattedNumber,
    Line,
    Sheet,
    fitted,
)
from feature_store.wording import counted

_EPOCH_1904 = date(1904, 1, 1)
_MANY_LINES = 100_000
_ZEROS = re.compile(r"0{2,}")
_LITERAL = re.compile(r"\"|\\|[0#]-[0#]")
"""What of a number format stands beside the digits."""
_QUOTED = re.compile(r'"([^"]*)"')
_EXACT_DIGITS = 10**15
_COLUMNS_OF_A_TABLE = 3
"""Known names in its first line make a sheet a clinical table."""


def read_workbook(content: bytes, sheet: str | None, known: Known) -> Sheet:
    """Read a table from an Excel workbook.

    Parameters
    ----------
    content : bytes
        The file (.xlsx, .xlsm). Of formulas the values count that Excel stored with them.
    sheet : str or None
        Name of the sheet; by default the first.
    known : callable
        Whether a name is one of a column.

    Raises
    ------
    ClinicalTableError
        If it cannot be opened, has no such sheet, or several tables, or the table has rows or
        columns that are hidden, rows struck through, merged cells, formulas without a stored value,
        or numbers that are shown as others.
    """
    values, formulas = _opened(content, data_only=True), _opened(content, data_only=False)
    name = _sheet_name(values, sheet)
    shown, written = values[name], formulas[name]
    if shown.max_row > _MANY_LINES:
        raise ClinicalTableError(
            f"The sheet {name} reaches down to line {shown.max_row}, expected one for each "
            "patient: copy the table alone into a new workbook."
        )
    rows = [(row[0].row, row) for row in shown.iter_rows() if _any_value(row)]
    if not rows:
        raise ClinicalTableError(
            f"The sheet {name} of the clinical table is empty, expected a header and rows"
            f"{_other_sheets(values, name)}."
        )
    _refuse_merged(written, rows[0][0])
    _refuse_hidden(shown, [number for number, _ in rows])
    _refuse_hidden_columns(shown, rows[0][1], known)
    _refuse_struck_through(rows)
    _refuse_uncalculated(shown, written)
    header_line, top = rows[0]
    names = [_name(cell) for cell in top]
    below = [(number, tuple(_cell(cell) for cell in row)) for number, row in rows[1:]]
    refuse_other_header(names, header_line, below, known)
    if sum(map(known, names)) < 2 and len(values.sheetnames) > 1:
        raise ClinicalTableError(
            f"The sheet {name} has no header of a clinical table in line {header_line}"
            f"{_other_sheets(values, name)}."
        )
    _refuse_shown_otherwise(top, [row for _, row in rows[1:]], known)
    if sheet is None:
        _refuse_several_tables(values, name, known)
    # what stands beside the table under no name, such as notes, is no part of it
    named = [place for place, one in enumerate(names) if one]
    remarks = []
    if len(values.sheetnames) > 1:
        remarks.append(f"Of {counted(len(values.sheetnames), 'sheet')} {name} was read.")
    if any(cell.data_type == "f" for row in written.iter_rows() for cell in row):
        remarks.append("Of formulas the values were read that Excel stored last.")
    return Sheet(
        form=f"Excel workbook, sheet {name}",
        header=tuple(names[place] for place in named),
        header_line=header_line,
        lines=fitted(
            [Line(number, tuple(cells[place] for place in named)) for number, cells in below],
            len(named),
        ),
        remarks=tuple(remarks),
        epoch=_EPOCH_1904 if values.epoch.year == 1904 else EXCEL_EPOCH,
    )


def _opened(content: bytes, *, data_only: bool) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # parts of a workbook that are not read anyway
            return load_workbook(BytesIO(content), data_only=data_only)
    except Exception as error:
        raise ClinicalTableError(
            f"The clinical table is an Excel workbook that cannot be opened ({type(error).__name__}"
            "): it is damaged or of an unusual make. Open it in Excel and save it anew."
        ) from error


def _sheet_name(book: Any, wanted: str | None) -> str:
    tables = [one.title for one in book.worksheets]
    if wanted is not None:
        if wanted not in tables:
            raise ClinicalTableError(
                f"The workbook has no sheet {wanted}: it has {', '.join(tables)}. Mend `sheet` in "
                "the [clinical] table of the settings file."
            )
        return wanted
    if not tables:
        raise ClinicalTableError("The workbook has charts only, expected a sheet with a table.")
    if book[tables[0]].sheet_state != "visible":
        raise ClinicalTableError(
            f"The first sheet of the workbook, {tables[0]}, is hidden: show it, delete it, or name "
            "the sheet to read as `sheet` in the [clinical] table of the settings file."
        )
    return str(tables[0])


def _other_sheets(book: Any, name: str) -> str:
    others = [one for one in book.sheetnames if one != name]
    if not others:
        return ""
    return (
        f"; the workbook also has {', '.join(others)}: put the table first, or name its sheet as "
        "`sheet` in the [clinical] table of the settings file"
    )


def _any_value(row: Sequence[Any]) -> bool:
    return any(cell.value is not None and str(cell.value).strip() for cell in row)


def _cell(cell: Any) -> Cell:
    value = cell.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number(value, str(cell.number_format))
    if isinstance(value, date):
        return value.date() if isinstance(value, datetime) else value
    return "" if value is None else str(value)


def _number(value: float, number_format: str) -> Cell:
    if isinstance(value, int) and _ZEROS.fullmatch(number_format):
        # shown with leading zeros, as an identifier has them
        return str(value).zfill(len(number_format))
    if _LITERAL.search(number_format):
        number = FormattedNumber(value)
        number.beside = tuple(_QUOTED.findall(number_format))
        return number
    return f"{value:.15G}" if abs(value) >= _EXACT_DIGITS else float(value)


def _refuse_merged(sheet: Any, header_line: int) -> None:
    for merged in sheet.merged_cells.ranges:
        if merged.max_row >= header_line:
            raise ClinicalTableError(
                f"The cells {merged.coord} of the clinical table are merged, expected one value in "
                "each cell: undo it (Unmerge Cells) and fill each of them."
            )


def _refuse_hidden(sheet: Any, lines: Iterable[int]) -> None:
    hidden = [number for number in lines if sheet.row_dimensions[number].hidden]
    if hidden:
        raise ClinicalTableError(
            f"{counted(len(hidden), 'row')} of the clinical table "
            f"{'are' if len(hidden) > 1 else 'is'} hidden, the first is line {hidden[0]}, and "
            "nobody can tell whether they count: clear the filter and show them, or delete them."
        )


def _refuse_hidden_columns(sheet: Any, top: Sequence[Any], known: Known) -> None:
    hidden = {
        place
        for one in sheet.column_dimensions.values()
        if one.hidden
        for place in range(one.min or one.index_as_number, (one.max or one.index_as_number) + 1)
    }
    names = [_name(cell) for cell in top if cell.column in hidden and known(_name(cell))]
    if names:
        raise ClinicalTableError(
            f"{counted(len(names), 'column')} of the clinical table "
            f"{'are' if len(names) > 1 else 'is'} hidden ({', '.join(names)}), and nobody can tell "
            "whether what stands there counts: show or delete it."
        )


def _refuse_shown_otherwise(
    top: Sequence[Any], rows: Iterable[Sequence[Any]], known: Known
) -> None:
    read = [place for place, cell in enumerate(top) if known(_name(cell))]
    for row in rows:
        for cell in (row[place] for place in read):
            if isinstance(cell.value, bool) or not isinstance(cell.value, int | float):
                continue
            how = shown_otherwise(str(cell.number_format))
            if how is not None:
                raise ClinicalTableError(
                    f"The cell {cell.coordinate} of the clinical table holds a number that the "
                    f"workbook shows {how} by its format, and nobody can tell which of them is "
                    "meant: give the column the format General, and write what is meant."
                )


def _refuse_several_tables(book: Any, name: str, known: Known) -> None:
    """Refuse a workbook of which several sheets are clinical tables: patients may be on either, or
    on both with something else.
    """
    others = []
    for one in book.worksheets:
        if one.title == name or one.sheet_state != "visible":
            continue
        top = next((row for row in one.iter_rows() if _any_value(row)), ())
        if sum(known(_name(cell)) for cell in top) >= _COLUMNS_OF_A_TABLE:
            others.append(one.title)
    if others:
        raise ClinicalTableError(
            f"The workbook has a clinical table on the sheets {name}, {', '.join(others)}, and "
            "nobody can tell which counts: put all patients on one sheet, or name it as `sheet` in "
            "the [clinical] table of the settings file."
        )


def _name(cell: Any) -> str:
    return " ".join(str(_cell(cell)).split())


def _refuse_struck_through(rows: Iterable[tuple[int, Sequence[Any]]]) -> None:
    struck = [
        number
        for number, row in rows
        if all(cell.font.strike for cell in row if cell.value is not None)
    ]
    if struck:
        raise ClinicalTableError(
            f"{counted(len(struck), 'row')} of the clinical table "
            f"{'are' if len(struck) > 1 else 'is'} struck through, the first is line {struck[0]}, "
            "and nobody can tell whether they count: delete them, or take the stroke away."
        )


def _refuse_uncalculated(values: Any, formulas: Any) -> None:
    for row in formulas.iter_rows():
        for cell in row:
            if cell.data_type == "f" and values[cell.coordinate].value is None:
                raise ClinicalTableError(
                    f"The cell {cell.coordinate} holds a formula without a stored value: open the "
                    "workbook in Excel and save it, or paste values in place of formulas."
                )
