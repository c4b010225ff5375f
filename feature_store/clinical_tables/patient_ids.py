"""Patient IDs as they are written, and what a spreadsheet makes of them on the way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.header import words_of
from feature_store.clinical_tables.sheet import Cell, FormattedNumber, text_of
from feature_store.wording import counted

_SHORTENED = re.compile(r"\d+(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
_AS_FLOAT = re.compile(r"\d+[.,]0+")
_SUMMARIES = frozenset(
    {"mean", "median", "total", "sum", "average", "sd", "std", "min", "max", "count", "n"}
)
_QUOTES = "'\"’‘“”„«»`"
_LONGEST_LO = 64
"""Characters of a Patient ID, PS3.5 6.2 (LO)."""
_REPEATING = frozenset({"redcap event name", "redcap repeat instrument", "redcap repeat instance"})


def patient_id(cell: Cell, *, guessed_encoding: bool) -> str:
    """Return the Patient ID that a cell holds.

    Raises
    ------
    ValueError
        If it cannot be the one of the DICOM header: shortened, turned into a date or number, read
        by a guessed encoding, or none of a patient at all.
    """
    if _is_spoilt(cell):
        raise ValueError(
            "The Patient ID is a date, or a number with decimals or a format, expected it as in "
            "the PACS: format the column as text, and mend it."
        )
    text = cell.replace("\ufeff", "").strip() if isinstance(cell, str) else text_of(cell)
    if _SHORTENED.fullmatch(text):
        raise ValueError(
            "The Patient ID was shortened by a spreadsheet (1.2E+11): format the column as text, "
            "and export it again."
        )
    if text[0] in _QUOTES or text[-1] in _QUOTES:
        raise ValueError(
            "The Patient ID stands in quotes or after an apostrophe, expected it as in the PACS."
        )
    if not text.isprintable():
        raise ValueError("The Patient ID holds a character that cannot be seen: write it anew.")
    if _AS_FLOAT.fullmatch(text):
        raise ValueError(
            "The Patient ID ends with .0 or ,00, as software writes a number, expected it as in "
            "the PACS: export the column as text."
        )
    if text.startswith("#") or text.lower().rstrip(":") in _SUMMARIES:
        raise ValueError(
            "In place of a Patient ID it has a comment or the name of a summary: delete the line."
        )
    if len(text) > _LONGEST_LO:
        raise ValueError(
            f"The Patient ID has {counted(len(text), 'character')}, expected at most 64."
        )
    if guessed_encoding and not text.isascii():
        raise ValueError(
            "The Patient ID has a letter beyond ASCII in a file that is not UTF-8, so that it may "
            "be another: save the table in UTF-8."
        )
    return text


def _is_spoilt(cell: Cell) -> bool:
    return isinstance(cell, date | FormattedNumber) or (
        isinstance(cell, float) and not cell.is_integer()
    )


def refuse_repeating(header: Sequence[str], ids: Mapping[int, str]) -> None:
    """Refuse an export of REDCap that has several rows for a patient, each with a part of it."""
    if not _REPEATING & set(map(words_of, header)):
        return
    seen = Counter(ids.values())
    for line, one in ids.items():
        if seen[one] > 1:
            raise ClinicalTableError(
                f"The table is an export of REDCap with several rows for a patient, such as line "
                f"{line}: export the events or instruments joined, one row for each patient."
            )
