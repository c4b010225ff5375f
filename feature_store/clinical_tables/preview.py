"""What would be read from a clinical table, in words, before anything is kept of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from feature_store.clinical_records import ClinicalRecord
from feature_store.clinical_tables.conventions import Field, Unit
from feature_store.clinical_tables.reading import TableReading
from feature_store.wording import counted

_FIRST_ROWS = 5
_MOST_REJECTED = 20


def preview_lines(reading: TableReading) -> list[str]:
    """Say what was taken for what, how many patients have what, and which rows are rejected.

    Parameters
    ----------
    reading : TableReading
        What was read.

    Returns
    -------
    list of str
        Lines without anything that identifies a patient.
    """
    sheet, table = reading.sheet, reading.table
    taken = {column.place for columns in reading.columns.values() for column in columns}
    others = [name for place, name in enumerate(sheet.header) if place not in taken and name]
    lines = [
        (
            f"Read as {sheet.form}; the header is in line {sheet.header_line}, "
            f"{counted(len(sheet.lines), 'line')} below it."
        ),
        *sheet.remarks,
        "",
        "Columns:",
        *(f"  {_taken_for(field, reading)}" for field in Field if field in reading.columns),
    ]
    if Field.SURVIVAL not in reading.columns:
        lines.append("  survival_days is computed from the dates, in days")
    if Field.EVENT not in reading.columns:
        lines.append("  event is told by the dates: who has a date of death died")
    lines.append(f"  not read: {', '.join(others) or 'none'}")
    n, wrong = len(table.records), len(table.rejected)
    lines += [
        "",
        (f"{counted(n, 'patient')} can be imported, {counted(wrong, 'row')} would be rejected."),
        *_counts(table.records),
        "",
        f"First rows, without identity: {', '.join(_SHOWN)}",
        *(f"  {_row(record)}" for record in table.records[:_FIRST_ROWS]),
        "",
        *reading.warnings,
        *(sentence for _, sentence in table.rejected[:_MOST_REJECTED]),
    ]
    if wrong > _MOST_REJECTED:
        lines.append(f"and {counted(wrong - _MOST_REJECTED, 'more rejected row')}.")
    return lines


_SHOWN = ("age", "sex", "histology", "stage", "survival_days", "event")


def _taken_for(field: Field, reading: TableReading) -> str:
    names = " and ".join(column.name for column in reading.columns[field])
    unit = reading.unit
    if field is not Field.SURVIVAL or unit is None:
        return f"{field} from {names}"
    factor = "" if unit is Unit.DAYS else f", times {unit.days:g}, rounded to whole days"
    return f"{field} from {names}, in {unit} from the start of radiotherapy{factor}"


def _counts(records: tuple[ClinicalRecord, ...]) -> list[str]:
    if not records:
        return []
    days = np.array([record.survival_days for record in records])
    ages = [record.age for record in records if record.age is not None]
    told = (
        f"  age: {min(ages):g} to {counted(max(ages), 'year')}, {len(records) - len(ages)} not "
        "recorded"
        if ages
        else "  age: not recorded"
    )
    return [
        told,
        f"  sex: {_each(record.sex for record in records)}",
        f"  histology: {_each(record.histology for record in records)}",
        f"  stage: {_each(record.stage for record in records)}",
        (
            f"  follow-up: {days.min():g} to {counted(float(days.max()), 'day')}, median "
            f"{np.median(days):g}; {sum(record.event for record in records)} of {len(records)} died"
        ),
    ]


def _each(values: Iterable[str | None]) -> str:
    numbers = Counter(value or "not recorded" for value in values)
    return ", ".join(f"{value} {number}" for value, number in sorted(numbers.items()))


def _row(record: ClinicalRecord) -> str:
    values = (record.age, record.sex, record.histology, record.stage, record.survival_days)
    shown = ["" if one is None else f"{one:g}" if isinstance(one, float) else one for one in values]
    return ", ".join([*shown, "died" if record.event else "alive"])
