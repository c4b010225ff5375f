"""A centre's clinical table, read from whatever file it comes in: its records, the rows that cannot
be used, and what was taken for what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

from feature_store.clinical_records import (
    ClinicalRecord,
    ClinicalTable,
    ClinicalTableError,
)
from feature_store.clinical_tables.clinical_terms import read_events, read_sexes
from feature_store.clinical_tables.column_values import (
    ColumnValues,
    agreed,
    cells_of,
    read_each,
)
from feature_store.clinical_tables.conventions import Conventions, Field, Unit
from feature_store.clinical_tables.dates import read_dates
from feature_store.clinical_tables.delimited_text import read_text
from feature_store.clinical_tables.file_kind import FileKind, file_content
from feature_store.clinical_tables.follow_up import FollowUpColumns
from feature_store.clinical_tables.header import Column, columns_of, meaning_of, unit_named
from feature_store.clinical_tables.histology_terms import read_histology
from feature_store.clinical_tables.numbers import SIGNS, decimal_signs, read_numbers
from feature_store.clinical_tables.patient_ids import patient_id, refuse_repeating
from feature_store.clinical_tables.required_columns import refuse_missing
from feature_store.clinical_tables.sheet import (
    Cell,
    FormattedNumber,
    Line,
    Sheet,
    code_of,
    is_missing,
    refuse_nothing_below,
    text_of,
)
from feature_store.clinical_tables.shown_values import ShownValues
from feature_store.clinical_tables.stage_terms import read_stages
from feature_store.clinical_tables.workbook import read_workbook
from feature_store.wording import counted

T = TypeVar("T")

_CLOCK_ZERO = date(1970, 1, 1)
_OLDEST_YEARS = 120.0
_LONGEST_YEARS = 30.0
_DICOM_AGE = re.compile(r"0*(\d{1,3})Y")
_REPEATED = "the patient occurs already in line {}: keep one row."
_CONTRADICTED = (
    "the patient occurs in line {} too, with something else, and nothing tells which of them "
    "holds: keep one row."
)
_TOLD = 5
"""Of unreadable values so many are named."""


@dataclass(frozen=True)
class TableReading:
    """What was read from a file.

    Parameters
    ----------
    table : ClinicalTable
        Records, and sentences on the rows that cannot be used.
    sheet : Sheet
        What stood in the file.
    columns : mapping of Field to tuple of Column
        What was taken for what.
    unit : Unit or None
        Of the survival times in the file; `None` where all come from dates.
    warnings : tuple of str
        What could not be read and counts as not recorded.
    lost : int
        Rows that cannot be used and whose patient has no other.
    """

    table: ClinicalTable
    sheet: Sheet
    columns: Mapping[Field, tuple[Column, ...]]
    unit: Unit | None
    warnings: tuple[str, ...]
    lost: int = 0


def read_clinical_table(
    path: Path,
    center: str,
    pseudonymise: Callable[[str], str],
    clock_shift_s: Callable[[str], int] = lambda _: 0,
    conventions: Conventions | None = None,
) -> TableReading:
    """Read a centre's clinical table.

    Parameters
    ----------
    path : Path
        Delimited text or an Excel workbook with a header; ``deploy/guide/clinical-table.md`` says
        which columns and words are understood.
    center : str
        Name of the centre.
    pseudonymise : callable
        From Patient ID to patient key; the Patient ID goes no further than this.
    clock_shift_s : callable
        From patient key to the shift of the patient's own clock in seconds, on which alone the
        start of radiotherapy is kept.
    conventions : Conventions, optional
        What the centre says of its tables.

    Returns
    -------
    TableReading
        The rows that can be used, for each other row what is wrong with it, and what was taken for
        what. Of a patient who occurs twice with the same the first row is used, and none where the
        rows differ.

    Raises
    ------
    ClinicalTableError
        If the file cannot be read, lacks a column, or leaves open what a column means.
    """
    conventions = conventions or Conventions()
    named = {" ".join(name.split()) for name in conventions.columns.values() if name}

    def known(name: str) -> bool:
        return " ".join(name.split()) in named or meaning_of(name) is not None

    kind, content = file_content(path)
    if kind is FileKind.WORKBOOK:
        sheet = read_workbook(content, conventions.sheet, known)
    else:
        sheet = read_text(content, known)
    columns = columns_of(sheet.header, conventions)
    refuse_missing(sheet, columns, conventions)
    refuse_nothing_below(sheet.header_line, sheet.lines)
    return _Reader(sheet, columns, conventions).reading(center, pseudonymise, clock_shift_s)


class _Reader:
    """The columns of one table, read as wholes; then its lines, one by one."""

    def __init__(
        self, sheet: Sheet, columns: Mapping[Field, tuple[Column, ...]], conventions: Conventions
    ) -> None:
        if {Field.SURVIVAL, Field.EVENT} <= columns.keys() and Field.START not in columns:
            # dates tell nothing without the start, whatever their form
            columns = {
                field: found
                for field, found in columns.items()
                if field not in {Field.DEATH, Field.LAST_CONTACT}
            }
        self._sheet, self._columns, self._conventions = sheet, columns, conventions
        ids = self._each(Field.PATIENT_ID, lambda cell: text_of(cell) or None)
        refuse_repeating(sheet.header, ids.values)
        self._shown = shown = ShownValues(ids.values.values())
        self._id_place = columns[Field.PATIENT_ID][0].place
        self._sex = self._column(Field.SEX, lambda column, cells: read_sexes(column.name, cells))
        self._histology = self._each(Field.HISTOLOGY, read_histology)
        self._stage = self._column(Field.STAGE, lambda _, cells: read_stages(cells))
        self._age = _possible(
            self._numbers(Field.AGE, lambda _: _OLDEST_YEARS), self._first_cells(Field.AGE)
        )
        survival = self._numbers(
            Field.SURVIVAL, lambda column: _LONGEST_YEARS * Unit.YEARS.days / _unit(column).days
        )
        times = columns.get(Field.SURVIVAL, ())
        self._unit = _unit(times[0]) if times else None
        self._follow_up = FollowUpColumns(
            names={
                role: columns[field][0].name for role, field in _ROLES.items() if field in columns
            },
            unit=self._unit or Unit.DAYS,
            survival=survival,
            event=self._column(
                Field.EVENT,
                lambda column, cells: read_events(column.name, cells, column.meaning.one, shown),
            ),
            start=self._dates(Field.START),
            death=self._dates(Field.DEATH),
            last=self._dates(Field.LAST_CONTACT),
            today=datetime.now(UTC).date(),
        )

    def reading(
        self, center: str, pseudonymise: Callable[[str], str], clock_shift_s: Callable[[str], int]
    ) -> TableReading:
        found: dict[str, dict[int, ClinicalRecord]] = {}
        rejected: list[tuple[int, str]] = []
        for line in self._sheet.lines:
            number = line.number
            try:
                record = self._record(line, center, pseudonymise, clock_shift_s)
            except ValueError as error:
                rejected.append((number, f"Line {number}: {error}"))
                continue
            found.setdefault(record.patient_key, {})[number] = record
        lost, records = len(rejected), []
        for rows in found.values():
            first, *more = rows
            if all(rows[number] == rows[first] for number in more):
                records.append(rows[first])
                rejected += [(one, f"Line {one}: {_REPEATED.format(first)}") for one in more]
            else:
                # which of them holds must not hang on the order of the rows
                others = {first: more[0], **dict.fromkeys(more, first)}
                rejected += [
                    (one, f"Line {one}: {_CONTRADICTED.format(other)}")
                    for one, other in others.items()
                ]
                lost += len(rows)
        rejected.sort()
        return TableReading(
            ClinicalTable(tuple(records), tuple(rejected)),
            self._sheet,
            self._columns,
            self._unit,
            self._warnings({number for number, _ in rejected}),
            lost,
        )

    def _record(
        self,
        line: Line,
        center: str,
        pseudonymise: Callable[[str], str],
        clock_shift_s: Callable[[str], int],
    ) -> ClinicalRecord:
        width, number = len(self._sheet.header), line.number
        if len(line.cells) != width:
            cells = counted(len(line.cells), "cell")
            raise ValueError(f"It has {cells}, expected {width} as in the header.")
        written = line.cells[self._id_place]
        if is_missing(written):
            name = self._columns[Field.PATIENT_ID][0].name
            raise ValueError(f"{name} is empty, and a patient cannot be used without it.")
        key = pseudonymise(patient_id(written, guessed_encoding=self._sheet.guessed_encoding))
        days, died = self._follow_up.of(number, self._shown)
        start = self._follow_up.start.values.get(number)
        return ClinicalRecord(
            patient_key=key,
            center=center,
            age=self._age.values.get(number),
            sex=self._sex.values.get(number),
            histology=self._histology.values.get(number),
            stage=self._stage.values.get(number),
            survival_days=days,
            event=died,
            treatment_start_s=None
            if start is None
            else (start - _CLOCK_ZERO).days * 86400 + clock_shift_s(key),
        )

    def _warnings(self, rejected: set[int]) -> tuple[str, ...]:
        """Say of each column that no patient is refused for what could not be read in it."""
        sentences = []
        optional: tuple[tuple[Field, ColumnValues[object]], ...] = (
            (Field.AGE, self._age),
            (Field.SEX, self._sex),
            (Field.HISTOLOGY, self._histology),
            (Field.STAGE, self._stage),
            (Field.START, self._follow_up.start),
        )  # type: ignore[assignment]
        for field, values in optional:
            lines = sorted(values.unreadable.keys() - rejected)
            if not lines:
                continue
            say = self._shown.dated if field is Field.START else self._shown
            told = [f"{say(values.unreadable[line])} in line {line}" for line in lines[:_TOLD]]
            more = f" and {len(lines) - _TOLD} more" if len(lines) > _TOLD else ""
            sentences.append(
                f"{counted(len(lines), 'value')} of {self._columns[field][0].name} "
                f"could not be read and {'count' if len(lines) > 1 else 'counts'} as not recorded: "
                f"{', '.join(told)}{more}."
            )
        return tuple(sentences)

    def _column(
        self,
        field: Field,
        read: Callable[[Column, Mapping[int, Cell]], ColumnValues[T]],
        same: Callable[[T, T], bool] = lambda one, other: one == other,
    ) -> ColumnValues[T]:
        columns = self._columns.get(field, ())
        if not columns:
            return ColumnValues()
        values = tuple(read(column, self._cells(field, column)) for column in columns)
        return agreed(columns, values, field, same)

    def _each(self, field: Field, read: Callable[[Cell], T | None]) -> ColumnValues[T]:
        return self._column(field, lambda _, cells: read_each(cells, read))

    def _cells(self, field: Field, column: Column) -> dict[int, Cell]:
        """Return the cells of a column, codes replaced by what the centre says they mean."""
        cells = cells_of(self._sheet, column)
        codes = {
            code_of(code): word for code, word in self._conventions.codes.get(field, {}).items()
        }
        return {line: codes.get(code_of(cell), cell) for line, cell in cells.items()}

    def _first_cells(self, field: Field) -> dict[int, Cell]:
        columns = self._columns.get(field, ())
        return cells_of(self._sheet, columns[0]) if columns else {}

    def _numbers(self, field: Field, most: Callable[[Column], float]) -> ColumnValues[float]:
        signs = {
            sign
            for other in (Field.AGE, Field.SURVIVAL)
            if other is not field
            for column in self._columns.get(other, ())
            for sign in decimal_signs(self._cells(other, column))
        }
        if self._conventions.decimal is not None:
            signs = {SIGNS[self._conventions.decimal]}

        def read(column: Column, cells: Mapping[int, Cell]) -> ColumnValues[float]:
            plain = {
                line: found[1]
                if isinstance(cell, str) and (found := _DICOM_AGE.fullmatch(cell.strip()))
                else cell
                for line, cell in cells.items()
            }
            _refuse_other_unit(column, cells)
            numbers = read_numbers(column.name, plain, signs, most(column), self._shown)
            if field is not Field.SURVIVAL:
                return numbers
            unit, first = _unit(column), _unit(self._columns[field][0])
            scale = unit.days / first.days
            return ColumnValues(
                {line: value * scale for line, value in numbers.values.items()},
                numbers.unreadable,
            )

        coarsest = max((_unit(one).days for one in self._columns.get(field, ())), default=1.0)
        return self._column(
            field,
            read,
            lambda one, other: abs(one - other) < 1e-6 or self._close(one, other, coarsest),
        )

    def _close(self, one: float, other: float, coarsest: float) -> bool:
        """Say whether two survival times are the same but for rounding in the coarser unit."""
        first = self._columns.get(Field.SURVIVAL, ())
        if len({_unit(column) for column in first}) < 2:
            return False
        return abs(one - other) * _unit(first[0]).days <= coarsest

    def _dates(self, field: Field) -> ColumnValues[date]:
        return self._column(
            field,
            lambda column, cells: read_dates(
                column.name, cells, self._conventions.dates, self._sheet.epoch, self._shown
            ),
        )


_ROLES = {
    "survival": Field.SURVIVAL,
    "event": Field.EVENT,
    "start": Field.START,
    "death": Field.DEATH,
    "last": Field.LAST_CONTACT,
}


def _unit(column: Column) -> Unit:
    return column.meaning.unit or (Unit.YEARS if column.meaning.field is Field.AGE else Unit.DAYS)


def _possible(ages: ColumnValues[float], cells: Mapping[int, Cell]) -> ColumnValues[float]:
    """Return ages of which those that nobody has are not readable: 999 and -1 stand for one that is
    not known, 1954 is the year of birth.
    """
    possible = {line: age for line, age in ages.values.items() if 0 <= age <= _OLDEST_YEARS}
    others = {line: cells[line] for line in ages.values.keys() - possible.keys()}
    return ColumnValues(possible, {**ages.unreadable, **others})


def _refuse_other_unit(column: Column, cells: Mapping[int, Cell]) -> None:
    """Refuse times above which a second header line names another unit, or which a workbook shows
    with another.
    """
    for line, cell in cells.items():
        beside = cell.beside if isinstance(cell, FormattedNumber) else ()
        shown = next(filter(None, map(unit_named, beside)), None)
        if shown is not None and shown is not _unit(column):
            raise ClinicalTableError(
                f"The column {column.name} is in {_unit(column)} by its name and line {line} shows "
                f"{shown} by the format of its number: {_unit_told(column, shown)}, or mend the "
                "format."
            )
        unit = unit_named(cell) if isinstance(cell, str) else None
        if unit is not None and unit is not _unit(column):
            raise ClinicalTableError(
                f"The column {column.name} is in {_unit(column)} by its name and in {unit} by line "
                f"{line}: {_unit_told(column, unit)}, and delete the line."
            )


def _unit_told(column: Column, unit: Unit) -> str:
    """Return how to tell that a column is in another unit."""
    if column.meaning.field is Field.AGE:
        return "write ages in years"
    return f"say the unit in the name, such as survival_{unit}"
