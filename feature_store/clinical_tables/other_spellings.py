"""How a Patient ID is written elsewhere: what spreadsheets and other systems change of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from feature_store.clinical_tables.conventions import Field
from feature_store.clinical_tables.patient_ids import patient_id
from feature_store.clinical_tables.reading import TableReading
from feature_store.clinical_tables.sheet import is_missing
from feature_store.wording import are, counted

_DIGITS = re.compile(r"(.*?)0*([0-9]+)", re.DOTALL)
_LONGEST_NUMBER = 12
_BETWEEN = re.compile(r"[\s\-_./‐-―]+")
_LETTERS_OR_DIGITS = re.compile(r"[^\W\d_]+|\d+")
_CASES = (str.upper, str.lower, str.title, str.capitalize, str.swapcase)

ZEROS = "zeros before the number"
SIGNS = "blanks or signs between its parts"
CASE = "upper and lower case"
WIDTH = "wide or otherwise drawn letters"
_TOLD = 5
"""Of lines so many are named."""


def other_spellings(written: str) -> dict[str, str]:
    """Return other ways to write a Patient ID, each with what differs in words.

    Parameters
    ----------
    written : str
        As a table has it.

    Returns
    -------
    dict of str to str
        Without the ID itself; two of them may be two patients.
    """
    found: dict[str, str] = {}
    if numbered := _DIGITS.fullmatch(written):
        before, number = numbered.groups()
        for width in range(len(number), max(len(number), _LONGEST_NUMBER) + 1):
            found.setdefault(before + number.zfill(width), ZEROS)
    for parts in (_BETWEEN.split(written), _LETTERS_OR_DIGITS.findall(written)):
        for sign in ("", "-", "_", " ", "/", "."):
            found.setdefault(sign.join(filter(None, parts)), SIGNS)
    for way in _CASES:
        found.setdefault(way(written), CASE)
    found.setdefault(unicodedata.normalize("NFKC", written), WIDTH)
    found.pop(written, None)
    return found


def spelt_otherwise(
    reading: TableReading, has_arrived: Callable[[str], bool], n_arrived: int
) -> tuple[str, ...]:
    """Say of which rows nobody has arrived but a patient whose ID is written otherwise, so that
    they would be left out of every validation; or that nobody of the table has arrived at all.

    Parameters
    ----------
    reading : TableReading
        What was read.
    has_arrived : callable
        Whether a study of the patient with this Patient ID has arrived.
    n_arrived : int
        Patients of the centre whose studies have arrived; where it is 0, nothing is said.

    Returns
    -------
    tuple of str
        One sentence for each kind of difference, without a Patient ID.
    """
    if not n_arrived:
        return ()
    place = reading.columns[Field.PATIENT_ID][0].place
    lines: dict[str, list[int]] = {}
    known = False
    for line in reading.sheet.lines:
        if len(line.cells) <= place or is_missing(line.cells[place]):
            continue
        try:
            written = patient_id(line.cells[place], guessed_encoding=reading.sheet.guessed_encoding)
        except ValueError:  # the row is rejected with that sentence
            continue
        if has_arrived(written):
            known = True
            continue
        for other, differs in other_spellings(written).items():
            if has_arrived(other):
                lines.setdefault(differs, []).append(line.number)
                break
    if not known and not lines and reading.table.records:
        name = reading.columns[Field.PATIENT_ID][0].name
        nobody = (
            "Nobody of the table is a patient whose study has arrived, while those of "
            f"{counted(n_arrived, 'patient')} have: check that the column {name} holds the Patient "
            "ID of the PACS and the table is this centre's, unless their studies are still to come."
        )
        return (nobody,)
    return tuple(_sentence(differs, found) for differs, found in lines.items())


def _sentence(differs: str, lines: list[int]) -> str:
    n = len(lines)
    told = ", ".join(map(str, lines[:_TOLD])) + (f" and {n - _TOLD} more" if n > _TOLD else "")
    return (
        f"{counted(n, 'Patient ID')} {are(n)} of nobody whose study has arrived, while "
        f"{'one has' if n == 1 else 'studies have'} arrived whose ID differs in {differs} only "
        f"(line{'' if n == 1 else 's'} {told}): write "
        f"{'it' if n == 1 else 'them'} as in the PACS, or the patients are left out of validation."
    )
