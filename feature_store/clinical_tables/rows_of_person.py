"""The rows of a person in the bytes of a clinical table: every other row of it stays."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator

_WORKBOOK = b"PK\x03\x04"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKS = ",;\t|"


def without_rows(content: bytes, is_of_person: Callable[[str], bool]) -> tuple[bytes, int]:
    """Take the rows out in which a cell is the Patient ID of a person.

    Parameters
    ----------
    content : bytes
        Delimited text, or an Excel workbook.
    is_of_person : callable
        Says whether a cell is.

    Returns
    -------
    content : bytes
        The same bytes where there is no such row.
    rows : int
        How many went.

    Raises
    ------
    ValueError
        If it is a workbook that cannot be opened.
    """
    if content.startswith(_WORKBOOK):
        return _of_workbook(content, is_of_person)
    return _of_text(content, is_of_person)


def _of_workbook(content: bytes, is_of_person: Callable[[str], bool]) -> tuple[bytes, int]:
    # openpyxl takes a third of a second to import
    from openpyxl import load_workbook  # noqa: PLC0415

    try:
        book = load_workbook(io.BytesIO(content))
    except Exception as error:  # openpyxl raises what its parsers do
        raise ValueError("The workbook cannot be opened.") from error
    gone = 0
    for sheet in book.worksheets:
        for number in range(sheet.max_row, 0, -1):
            cells = {str(cell.value).strip() for cell in sheet[number] if cell.value is not None}
            if any(is_of_person(cell) for cell in cells):
                sheet.delete_rows(number)
                gone += 1
    if not gone:
        return content, 0
    written = io.BytesIO()
    book.save(written)
    return written.getvalue(), gone


def _of_text(content: bytes, is_of_person: Callable[[str], bool]) -> tuple[bytes, int]:
    encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8"
    mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    text = content.removeprefix(mark).decode(encoding, errors="surrogateescape")
    records = list(_records(text))
    kept = [lines for lines in records if not _is_of(lines, is_of_person)]
    if len(kept) == len(records):
        return content, 0
    written = mark + "".join(kept).encode(encoding, errors="surrogateescape")
    return written, len(records) - len(kept)


def _records(text: str) -> Iterator[str]:
    """Yield the lines of each record; a quoted cell may go over several."""
    lines = ""
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
