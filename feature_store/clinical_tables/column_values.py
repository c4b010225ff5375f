"""The cells of one column, read one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.header import Column
from feature_store.clinical_tables.sheet import Cell, Sheet, is_missing

T = TypeVar("T")


@dataclass(frozen=True)
class ColumnValues(Generic[T]):
    """What a column says, line by line; a line that is in neither has no value.

    Parameters
    ----------
    values : mapping of int to T
        By number of the line.
    unreadable : mapping of int to Cell
        Cells that hold something that is not understood.
    """

    values: Mapping[int, T] = field(default_factory=dict)
    unreadable: Mapping[int, Cell] = field(default_factory=dict)


def cells_of(sheet: Sheet, column: Column) -> dict[int, Cell]:
    """Return the cells of a column that hold something, by number of the line."""
    return {
        line.number: line.cells[column.place]
        for line in sheet.lines
        if len(line.cells) > column.place and not is_missing(line.cells[column.place])
    }


def read_each(cells: Mapping[int, Cell], read: Callable[[Cell], T | None]) -> ColumnValues[T]:
    """Read cells by a function that returns `None` for what it does not understand."""
    values: dict[int, T] = {}
    unreadable: dict[int, Cell] = {}
    for line, cell in cells.items():
        value = read(cell)
        if value is None:
            unreadable[line] = cell
        else:
            values[line] = value
    return ColumnValues(values, unreadable)


def agreed(
    columns: tuple[Column, ...],
    values: tuple[ColumnValues[T], ...],
    field_name: str,
    same: Callable[[T, T], bool] = lambda one, other: one == other,
) -> ColumnValues[T]:
    """Return what several columns for the same say, which must be the same in every line.

    Raises
    ------
    ClinicalTableError
        With the first line in which they differ.
    """
    first = values[0]
    for column, other in zip(columns[1:], values[1:], strict=True):
        lines = {*first.values, *first.unreadable, *other.values, *other.unreadable}
        for line in sorted(lines):
            here, there = first.values.get(line), other.values.get(line)
            if here is None or there is None or not same(here, there):
                raise ClinicalTableError(
                    f"The columns {columns[0].name} and {column.name} both say {field_name} and "
                    f"differ in line {line}: delete one of them, or name the right one in the "
                    "[clinical] table of the settings file."
                )
    return first
