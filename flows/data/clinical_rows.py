"""The rows of a person in the file of a clinical table: every other byte of it stays."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from dicom_node.durable_files import write_durably

_MARK = b"\xef\xbb\xbf"
_MARKS = ",;\t"


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
    """
    content = path.read_bytes()
    records = list(_records(content))
    kept = [lines for lines in records if not _is_of(lines, is_of_person)]
    if len(kept) < len(records):
        mark = _MARK if content.startswith(_MARK) else b""
        write_durably(path, mark + "".join(kept).encode("utf-8", errors="surrogateescape"))
    return len(records) - len(kept)


def rows_of_person(path: Path, is_of_person: Callable[[str], bool]) -> int:
    """Return how many rows `take_rows_out` would take out."""
    return sum(_is_of(lines, is_of_person) for lines in _records(path.read_bytes()))


def _records(content: bytes) -> Iterator[str]:
    """Yield the lines of each record; a quoted cell may go over several."""
    lines = ""
    text = content.decode("utf-8-sig", errors="surrogateescape")
    for line in io.StringIO(text, newline=""):
        lines += line
        if lines.count('"') % 2 == 0:
            yield lines
            lines = ""
    if lines:
        yield lines


def _is_of(lines: str, is_of_person: Callable[[str], bool]) -> bool:
    """Say whether a cell of a record is a person's Patient ID, whatever parts the cells."""
    cells = {
        cell.strip()
        for mark in _MARKS
        for row in csv.reader(io.StringIO(lines, newline=""), delimiter=mark)
        for cell in row
    }
    return any(is_of_person(cell) for cell in cells if cell)
