"""What a workbook shows of a number by its number format: something else than the number that is
stored, or nothing.

A format has up to four sections parted by semicolons, for numbers above 0, below 0, for 0, and for
text (ECMA-376 part 1, section 18.8.31).
"""

from __future__ import annotations

import re

_BESIDE_DIGITS = re.compile(r'"([^"]*)"|\\.|_.|\*.|\[[^\]]*\]')
"""Words, single signs, blanks, fillings, and colours or conditions."""
_SCALED = re.compile(r"[0#?],+(?=[^0#?,.]|$)")
_PLACES = re.compile(r"[0#?@]|general|[ymdhse]", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]")


def shown_otherwise(number_format: str) -> str | None:
    """Return in words how a format shows a number as another, such as 0.65 as 65%, or `None`.

    Parameters
    ----------
    number_format : str
        The format of the cell.
    """
    plain = _BESIDE_DIGITS.sub("", number_format)
    if "%" in plain or "\u2030" in plain:
        return "as per cent"
    if _SCALED.search(plain):
        return "in thousands"
    if any(map(_is_word, number_format.split(";"))):
        return "as a word"
    return "as nothing" if ";" in plain and not plain.strip(" ;") else None


def _is_word(section: str) -> bool:
    """Say whether a section shows letters in place of the digits."""
    if _PLACES.search(_BESIDE_DIGITS.sub("", section)):
        return False
    return any(map(_LETTERS.search, _BESIDE_DIGITS.findall(section)))
