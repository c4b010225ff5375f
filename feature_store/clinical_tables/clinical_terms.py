"""Sex and vital status in the words that tables use for them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from feature_store.clinical_records import ClinicalTableError, Sex
from feature_store.clinical_tables.column_values import ColumnValues, read_each
from feature_store.clinical_tables.sheet import Cell, code_of, text_of
from feature_store.clinical_tables.shown_values import ShownValues

_MALE = (
    "male", "m", "man", "men", "mann", "männlich", "mannlich", "mannelijk", "homme", "masculin",
    "hombre", "varón", "varon", "masculino", "uomo", "maschio", "maschile", "homem", "mand",
    "mężczyzna", "男", "男性",
)  # fmt: skip
_FEMALE = (
    "female", "f", "woman", "frau", "weiblich", "w", "vrouw", "vrouwelijk", "v", "femme",
    "féminin", "feminin", "mujer", "hembra", "femenino", "donna", "femmina", "femminile", "mulher",
    "feminino", "kvinde", "kvinne", "kvinna", "kobieta", "女", "女性",
)  # fmt: skip
_SEXES = {**dict.fromkeys(_MALE, Sex.MALE), **dict.fromkeys(_FEMALE, Sex.FEMALE)}
_OPEN_LETTERS = (
    ("m", "v", "man and woman in Dutch (man, vrouw), and woman and man in Spanish (mujer, varón)"),
    ("m", "h", "woman and man in Spanish (mujer, hombre)"),
    ("v", "h", "man and woman in Spanish (varón, hembra), while V alone is a woman in Dutch"),
    ("v", "s", "man and woman in Latvian (vīrietis, sieviete), while V alone is a woman in Dutch"),
    ("f", "n", "man and woman in Hungarian (férfi, nő)"),
)
"""Two letters that one column holds, and what they mean then."""
_DEAD = frozenset(
    {
        "dead", "deceased", "died", "death", "expired", "exitus", "dead of disease", "dod",
        "died of disease", "dead of other cause", "dead of other causes", "dead from other causes",
        "dead with tumor", "dead tumor free", "patient died", "deceased patient",
        # German, French, Dutch, Spanish, Italian, Portuguese, Scandinavian, Polish, Chinese
        "verstorben", "gestorben", "tot", "décédé", "décédée", "decede", "decedee", "mort", "morte",
        "overleden", "fallecido", "fallecida", "muerto", "muerta", "deceduto", "deceduta", "morto",
        "morta", "falecido", "falecida", "óbito", "død", "död", "avliden", "zmarł", "zmarła",
        "zgon", "死亡",
    }
)  # fmt: skip
_ALIVE = frozenset(
    {
        "alive", "living", "alive with disease", "alive without disease", "awd", "ned",
        "alive no evidence of disease", "no evidence of disease", "still alive", "lives",
        "not dead", "alive with tumor", "alive tumor free", "no death",
        "lebt", "lebend", "am leben", "vivant", "vivante", "en vie", "in leven", "levend", "leeft",
        "vivo", "viva", "in vita", "lever", "żyje", "存活", "生存",
    }
)  # fmt: skip
_CAUSE = re.compile(
    r"([^\W\d_]+) (?:d['’]|(?:of|from|due to|with|without|an|am|durch|mit|ohne|de|du|des|par|avec|"
    r"sans|senza|aan|door|met|zonder|por|con|sin|per|di|da|com|sem|av|med|utan) )"
    r"([^\W\d_]+(?: [^\W\d_]+)*)"
)
_ONE = frozenset(
    {
        "1", "yes", "y", "true", "t", "ja", "oui", "checked", "sí", "sì", "si", "sim", "tak", "是",
        "wahr", "vrai", "verdadero", "vero", "waar",
    }
)  # fmt: skip
_ZERO = frozenset(
    {
        "0", "no", "n", "false", "f", "nein", "nee", "non", "unchecked", "não", "nao", "nej", "nei",
        "nie", "否", "falsch", "faux", "falso", "onwaar",
    }
)  # fmt: skip
"""Excel writes TRUE and FALSE in its own language."""
_CODE_AND_WORD = re.compile(r"([01]) ?[:=\-.)] ?(\D+)")


def read_sex(cell: Cell) -> Sex | None:
    """Return the sex that a cell says; numbers say none, as they mean different ones."""
    return _SEXES.get(_letters(cell))


def read_sexes(column: str, cells: Mapping[int, Cell]) -> ColumnValues[Sex]:
    """Read a column of sexes.

    Parameters
    ----------
    column : str
        Its name, for sentences.
    cells : mapping of int to Cell
        Its cells by line.

    Raises
    ------
    ClinicalTableError
        If it holds letters that mean one sex in one language and the other in another.
    """
    lines = {_letters(cell): line for line, cell in reversed([*cells.items()])}
    for one, other, languages in _OPEN_LETTERS:
        if one in lines and other in lines:
            raise ClinicalTableError(
                f"The column {column} holds {one.upper()} in line {lines[one]} and {other.upper()} "
                f"in line {lines[other]}, which mean {languages}: write male and female, or say "
                "under codes in the [clinical] table of the settings file what they mean."
            )
    return read_each(cells, read_sex)


def _letters(cell: Cell) -> str:
    return text_of(cell).lower().rstrip(".")


def read_events(
    column: str, cells: Mapping[int, Cell], one_is_dead: bool | None, shown: ShownValues
) -> ColumnValues[bool]:
    """Read a column that says who died.

    Parameters
    ----------
    column : str
        Its name, for sentences.
    cells : mapping of int to Cell
        Its cells by line.
    one_is_dead : bool or None
        Whether 1 and yes mean that the patient died, by the column's name; `None` where that is
        open.
    shown : ShownValues
        Says cells.

    Raises
    ------
    ClinicalTableError
        If the column holds 1 and 2, or 1 or yes where that may mean either.
    """
    words = {line: code_of(cell) for line, cell in cells.items()}
    twos = [line for line, word in words.items() if word == "2"]
    has_zero = "0" in words.values()
    # beside 0 and 1 a single 2 is a slip in one row
    if len(twos) >= (2 if has_zero else 1) and "1" in words.values():
        zero = f", such as in line {twos[0]}" if has_zero else " and no 0"
        raise ClinicalTableError(
            f"The column {column} holds 1 and 2{zero}, expected 1 where the patient died and 0 "
            "where follow-up ended before: write it so."
        )
    if one_is_dead is None:
        for line, word in words.items():
            if word in _ONE | _ZERO:
                raise ClinicalTableError(
                    f"The column {column} holds {shown(cells[line])} in line {line}, which may "
                    "mean dead or alive: write dead and alive, or say under codes in the "
                    "[clinical] table of the settings file what it means."
                )
    return read_each(cells, lambda cell: _died(code_of(cell), one_is_dead))


def _died(word: str, one_is_dead: bool | None) -> bool | None:
    if found := _CODE_AND_WORD.fullmatch(word):
        # cBioPortal's 1:DECEASED and 0:LIVING
        said = _died(found[2].strip(), None)
        return said if said is (found[1] == "1") else None
    cause = _CAUSE.fullmatch(word)
    told = _DEAD | _ALIVE
    plain = cause[1] if cause and not told & set(cause[2].split()) else word
    if plain in told:
        return plain in _DEAD
    if one_is_dead is None or plain not in _ONE | _ZERO:
        return None
    return one_is_dead is (plain in _ONE)
