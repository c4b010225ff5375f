"""Overall stage in the words that tables use for it: ``Stage IIIA``, ``3A``, ``IA1``, ``cT…`` not.

Sub-stages that only one edition of TNM has are told by what the groups of the analysis need: IA1 to
IA3 of the 8th edition become IA.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from feature_store.clinical_tables.column_values import ColumnValues, read_each
from feature_store.clinical_tables.sheet import Cell, code_of

_WORDS = re.compile(
    r"期|\b(?:stage|stadium|stadio|stade|estadio|estadío|estádio|"
    r"ajcc|uicc|tnm|clinical|pathologic|pathological|edition|ed|version|"
    r"nsclc|group|[678](?:th)?(?= ?(?:ed|th))|[678]th)\b\.?"
)
_STAGE = re.compile(r"(?:y?[cp])?(iv|iii|ii|i|[1-4])([abc])?([1-3])?")
_TWO_NUMERALS = re.compile(r"[iv1-4][abc]?[1-3]?[\s\-_.,:()]+[iv]")
"""``I-II`` and ``II (I)``: without the signs they would be another stage, III."""
_ROMAN = {"1": "i", "2": "ii", "3": "iii", "4": "iv"}
_LETTERS = {"i": "ab", "ii": "ab", "iii": "abc", "iv": "ab"}


def read_stages(cells: Mapping[int, Cell]) -> ColumnValues[str]:
    """Read a column of overall stages as upper-case Roman with a letter: ``IIIA``.

    Where a column of bare digits holds others than 1 to 4, they are codes of something else, and
    none of them is read.
    """
    bare = [text for cell in cells.values() if (text := _text(cell)).isdigit()]
    coded = any(text not in _ROMAN for text in bare)
    return read_each(cells, lambda cell: None if coded and _text(cell).isdigit() else _stage(cell))


def _text(cell: Cell) -> str:
    return unicodedata.normalize("NFKC", code_of(cell)).lower()  # Ⅲ is one sign


def _stage(cell: Cell) -> str | None:
    text = _WORDS.sub(" ", _text(cell).replace("stage", "stage "))
    found = _STAGE.fullmatch(re.sub(r"[\s\-_.,:()]", "", text))
    if found is None or _TWO_NUMERALS.search(text):
        return None
    roman, letter, number = _ROMAN.get(found[1], found[1]), found[2] or "", found[3]
    if letter and letter not in _LETTERS[roman]:
        return None
    if number and (roman, letter) != ("i", "a"):
        return None
    return (roman + letter).upper()
