"""Clinical tables as delimited text: encoding, delimiter, quotes and comment lines."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Sequence
from io import StringIO

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.sheet import Cell, Line, Sheet, fitted
from feature_store.wording import counted

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[,;\t|"]*', re.IGNORECASE)
_EXCEL_TEXT = re.compile(r'="(.*)"', re.DOTALL)
_LOOK_AT_LINES = 40

Known = Callable[[str], bool]
"""Says whether a name is one that a column of a clinical table has."""


def read_text(content: bytes, known: Known) -> Sheet:
    """Read a table from delimited text.

    Parameters
    ----------
    content : bytes
        The file. Its delimiter is the one of its line ``sep=``, or comma, semicolon, tab or bar,
        whichever parts its header into most columns that are known. Lines before the header that
        begin with ``#`` are skipped.
    known : callable
        Whether a name is one of a column.

    Raises
    ------
    ClinicalTableError
        If the encoding, the quotes or the header cannot be read.
    """
    text, encoding, guessed = _decoded(content)
    # DOS ends a text by control-Z
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\x1a")
    skipped, delimiter = 0, None
    lines = text.split("\n")
    remarks = []
    if found := _SEPARATOR_LINE.fullmatch(lines[0].strip(" ")):
        skipped, delimiter = 1, found[1]
    comments = skipped
    while comments < len(lines) and (
        lines[comments].lstrip('" ').startswith("#") or not lines[comments].strip(",;|\t ")
    ):
        comments += 1
    if any(line.strip(",;|\t ") for line in lines[skipped:comments]):
        said = sum(bool(line.strip(",;|\t ")) for line in lines[skipped:comments])
        remarks.append(
            f"{counted(said, 'comment line')} before the header "
            f"{'was' if said == 1 else 'were'} skipped."
        )
    delimiter = delimiter or _delimiter(lines[comments:], known)
    records = _records("\n".join(lines[comments:]), delimiter, comments)
    header_line, header = records[0] if records else (comments + 1, [])
    _refuse_hidden_header(lines[skipped:comments], delimiter, header, known)
    names = tuple(" ".join(name.replace("\ufeff", "").split()) for name in header)
    refuse_other_header(names, header_line, records[1:], known)
    width = len(names)
    while width and not names[width - 1]:
        width -= 1
    _refuse_one_cell_more(width, [cells for _, cells in records[1:]], delimiter)
    if guessed:
        remarks.append(
            "The file is not UTF-8 and was read as Windows-1252; letters beyond ASCII may be "
            "others."
        )
    return Sheet(
        form=f"text separated by {_DELIMITERS.get(delimiter, repr(delimiter))}, {encoding}",
        header=names[:width],
        header_line=header_line,
        lines=fitted([Line(number, tuple(cells)) for number, cells in records[1:]], width),
        remarks=tuple(remarks),
        guessed_encoding=guessed,
    )


def _refuse_one_cell_more(width: int, below: Sequence[Sequence[str]], delimiter: str) -> None:
    """Refuse a table whose lines all have a cell that the header does not count."""
    if width and below and all(len(cells) == width + 1 and cells[-1].strip() for cells in below):
        decimals = ""
        if delimiter == ",":
            decimals = (
                " Or a decimal comma parts a number: separate cells by semicolons, or write such "
                "numbers between double quotes."
            )
        raise ClinicalTableError(
            f"Every line of the clinical table has {counted(width + 1, 'cell')} below a header of "
            f"{width}, as R writes a table with the names of its rows: export it with row.names = "
            f"FALSE, or give the first column a name.{decimals}"
        )


def refuse_other_header(
    names: Sequence[str],
    header_line: int,
    below: Sequence[tuple[int, Sequence[Cell]]],
    known: Known,
) -> None:
    """Refuse a table whose header seems to be in a later line, or in its first column."""
    here = sum(map(known, names))
    for number, cells in below[:_LOOK_AT_LINES]:
        there = sum(known(cell) for cell in cells if isinstance(cell, str))
        if there >= 3 and there > here:
            raise ClinicalTableError(
                f"The header seems to be in line {number} of the clinical table, expected it in "
                f"line {header_line}: delete the lines above it."
            )
    own = {name.lower() for name in names if known(name)}
    for number, cells in below:
        if sum(isinstance(cell, str) and cell.strip().lower() in own for cell in cells) >= 3:
            raise ClinicalTableError(
                f"The header of the clinical table stands again in line {number}, as if a second "
                "table began there, expected one table in one file: delete the line, or split the "
                "file."
            )
    first = [str(cells[0]) for _, cells in below[:_LOOK_AT_LINES] if cells]
    if here < 3 and sum(map(known, first)) >= 3:
        raise ClinicalTableError(
            "The names of the columns stand below each other in the first column of the clinical "
            "table, expected them in its first line, and one line for each patient: transpose it."
        )


def _decoded(content: bytes) -> tuple[str, str, bool]:
    """Return the text, its encoding in words, and whether that is a guess."""
    for mark, encoding, name in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding), f"{name} with byte-order mark", False
            except UnicodeDecodeError as error:
                raise ClinicalTableError(
                    f"The clinical table begins as {name} and is none from byte {error.start} on: "
                    "it is damaged, or two files in one. Save it again as CSV in UTF-8."
                ) from error
    if b"\x00" in content:
        raise ClinicalTableError(
            "The clinical table holds NUL bytes: it is UTF-16 without byte-order mark, or no text. "
            "Save it as CSV in UTF-8."
        )
    try:
        return content.decode("utf-8"), "UTF-8", False
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        try:
            return content.decode("cp1252"), "Windows-1252", True
        except UnicodeDecodeError:
            raise ClinicalTableError(
                f"The clinical table is neither UTF-8 (line {line}) nor Windows-1252: its encoding "
                "cannot be told. Save it as CSV in UTF-8."
            ) from error


def _delimiter(lines: Sequence[str], known: Known) -> str:
    """Return the delimiter that parts the header into most known columns."""

    def columns(delimiter: str) -> tuple[int, int]:
        try:
            names = next(csv.reader(lines[:_LOOK_AT_LINES], delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        return sum(known(name) for name in names), len(names)

    # of equals the first; a comma is the usual one
    return max(_DELIMITERS, key=columns)


def _records(text: str, delimiter: str, skipped: int) -> list[tuple[int, list[str]]]:
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [
            (reader.line_num + skipped, [_plain(cell) for cell in cells])
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise ClinicalTableError(
            f"The quotes of the clinical table cannot be read in line {reader.line_num + skipped} "
            f"({error}): expected a cell that holds a delimiter or a line break between two double "
            "quotes, and a double quote inside it written twice. Save the table again as CSV."
        ) from error


def _plain(cell: str) -> str:
    """Return a cell without what Excel is told by to take it for text, ``="0012"``."""
    found = _EXCEL_TEXT.fullmatch(cell.strip())
    return found[1] if found else cell


def _refuse_hidden_header(
    comments: Sequence[str], delimiter: str, header: Sequence[str], known: Known
) -> None:
    """Refuse a table whose only header is a comment."""
    here = sum(map(known, header))
    for line in comments:
        if here < 2 and sum(known(name) for name in line.lstrip("#").split(delimiter)) >= 3:
            raise ClinicalTableError(
                "The header of the clinical table begins with # and counts as a comment: delete "
                "the #."
            )
