"""Months by the names that tables write: in English, German, French, Dutch, Spanish, Italian,
Portuguese and the Scandinavian languages, in full and shortened. No name means two months.
"""

from __future__ import annotations

import unicodedata

_NAMES = (
    "january januar jänner janvier januari enero gennaio janeiro jan janv ene gen",
    "february februar février februari febrero febbraio fevereiro feb febr fév févr fev",
    "march märz maerz mars maart marzo março marts mar mär mrz mrt",
    "april avril abril aprile apr avr abr",
    "may mai mei mayo maggio maio maj mag",
    "june juni juin junio giugno junho jun giu",
    "july juli juillet julio luglio julho jul juil lug",
    "august août augustus agosto augusti aug aoû ago",
    "september septembre septiembre setiembre settembre setembro sep sept set",
    "october oktober octobre octubre ottobre outubro oct okt ott out",
    "november novembre noviembre novembro nov",
    "december dezember décembre diciembre dicembre dezembro desember dec dez déc dic des",
)


def _plain(word: str) -> str:
    """Return a word in small letters without accents, as some tables write it."""
    parted = unicodedata.normalize("NFKD", word.lower())
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


_MONTH_OF = {
    _plain(name): number for number, names in enumerate(_NAMES, start=1) for name in names.split()
}


def month_named(word: str) -> int | None:
    """Return the number of the month that a word names, `None` where it names none.

    Parameters
    ----------
    word : str
        Letters alone; case and accents do not count.
    """
    return _MONTH_OF.get(_plain(word))
