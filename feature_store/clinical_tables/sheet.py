"""A table as it stands in a file, whatever the file: a header and lines of cells."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from feature_store.clinical_records import ClinicalTableError

Cell = str | float | date
"""Text as it is written; a number or a date only where the file itself says that it is one."""


class FormattedNumber(float):
    """A number that a workbook shows otherwise, such as 17 as ``P-0017`` or ``17 months``."""

    beside: tuple[str, ...] = ()
    """Texts that its format shows beside the digits."""


_MISSING = frozenset(
    {
        "", "na", "nan", "n/a", "n.a.", "n.a", "#n/a", "none", "null", "nil", "unknown", "unk", ".",
        "..", "-", "--", "—", "–", "?", "nd", "n.d.", "missing", "not available", "not recorded",
        "not applicable", "not reported", "[not available]", "[not applicable]", "[unknown]",
        "[discrepancy]", "not known", "<na>", "nat",
    }
)  # fmt: skip
_WHOLE = re.compile(r"(\d*)[.,]0+")
EXCEL_EPOCH = date(1899, 12, 30)
"""Day 0 of Excel's serial numbers, as they count from March 1900 on."""


@dataclass(frozen=True)
class Line:
    """One line below the header.

    Parameters
    ----------
    number : int
        Its number in the file, from 1; of a cell with a line break inside, that of its last line.
    cells : tuple of Cell
        Its cells.
    """

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Sheet:
    """A table as it stands in a file.

    Parameters
    ----------
    form : str
        What the file is, in words.
    header : tuple of str
        Names of the columns, as they are written.
    header_line : int
        Number of the header's line.
    lines : tuple of Line
        The lines below it that are not empty.
    remarks : tuple of str
        Sentences on how the file was read.
    epoch : date
        Day 0 of serial numbers of days.
    guessed_encoding : bool
        Whether letters beyond ASCII were read by an encoding that nothing in the file confirms.
    """

    form: str
    header: tuple[str, ...]
    header_line: int
    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()
    epoch: date = EXCEL_EPOCH
    guessed_encoding: bool = False


def text_of(cell: Cell) -> str:
    """Return a cell as text: 3.0 as ``3``, a date as ``2026-01-31``, without blanks around it, and
    with letters and accents as one sign, which macOS writes as two.
    """
    if isinstance(cell, str):
        return unicodedata.normalize("NFC", " ".join(cell.replace("\ufeff", "").split()))
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return cell.isoformat()


def code_of(cell: Cell) -> str:
    """Return a cell as lower-case text, and a whole number as its digits, whether software wrote
    1.0 or, as SPSS, 1,00 and ,00.
    """
    text = text_of(cell).lower()
    whole = _WHOLE.fullmatch(text)
    return whole[1] or "0" if whole else text


def is_missing(cell: Cell) -> bool:
    """Say whether a cell stands for a value that is not known."""
    return isinstance(cell, str) and text_of(cell).lower() in _MISSING


def fitted(sheet_lines: list[Line], width: int) -> tuple[Line, ...]:
    """Return lines without empty cells beyond the header, and without empty lines."""
    kept = []
    for line in sheet_lines:
        cells = list(line.cells)
        while len(cells) > width and text_of(cells[-1]) == "":
            cells.pop()
        if any(text_of(cell) for cell in cells):
            kept.append(Line(line.number, tuple(cells)))
    return tuple(kept)


def refuse_nothing_below(header_line: int, lines: tuple[Line, ...]) -> None:
    """Refuse a table that ends with its header."""
    if not lines:
        raise ClinicalTableError(
            f"The clinical table has a header in line {header_line} and no line below it, expected "
            "one for each patient."
        )
