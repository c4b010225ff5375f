"""The rows of a person in the files of clinical tables that lie in a drop folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dicom_node.durable_files import write_durably
from feature_store.clinical_tables.rows_of_person import without_rows

TABLE_ENDINGS = frozenset({".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm"})
"""Kinds of tables whose rows can be found."""
_CLOSED_ENDINGS = frozenset({".xlsb", ".xls", ".ods"})


def tables_below(folder: Path) -> tuple[list[Path], int]:
    """Return the tables of a folder, and of all below it, in which rows can be found, and how many
    others there are: of a kind that an import refuses, or workbooks that cannot be opened.
    """
    tables, closed = [], 0
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in TABLE_ENDINGS and _opens(path):
            tables.append(path)
        elif path.suffix.lower() in TABLE_ENDINGS | _CLOSED_ENDINGS:
            closed += 1
    return tables, closed


def _opens(path: Path) -> bool:
    try:
        rows_of_person(path, lambda _: False)
    except ValueError:
        return False
    return True


def take_rows_out(path: Path, is_of_person: Callable[[str], bool]) -> int:
    """Take the rows of a clinical table out in which a cell is the Patient ID of a person.

    Parameters
    ----------
    path : Path
        The file; unchanged where it has no such row.
    is_of_person : callable
        Says whether a cell is.

    Returns
    -------
    int
        How many rows went.

    Raises
    ------
    ValueError
        If it is a workbook that cannot be opened.
    """
    content, gone = without_rows(path.read_bytes(), is_of_person)
    if gone:
        write_durably(path, content)
    return gone


def rows_of_person(path: Path, is_of_person: Callable[[str], bool]) -> int:
    """Return how many rows `take_rows_out` would take out."""
    return without_rows(path.read_bytes(), is_of_person)[1]
