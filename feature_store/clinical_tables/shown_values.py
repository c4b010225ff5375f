"""What of a cell may be shown in a sentence that goes into logs: never what may identify a
patient.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from feature_store.clinical_tables.month_names import month_named
from feature_store.clinical_tables.sheet import Cell, text_of
from feature_store.wording import counted

_BESIDE_MONTHS = frozenset({"t", "z", "am", "pm", "de"})
_LONGEST = 24
_YEAR = re.compile(r"\d{4}")
_FULL_DATE = re.compile(r"(?:\d{1,4}[-/.]){2}\d{1,4}|(?:18|19|20)\d{6}")
_LETTERS = re.compile(r"[^\W\d_]+")
_WORDS = """a about aden adeno adenoca adenocarcinoma adenosquamous ago ajcc alive and approx benign
    biopsy both bronchial ca cancer carcinoid carcinoma cell cells censored central clear clinical
    combined d day days dead death deceased differentiated died disease divers early ed edition
    effusion est extensive false favor favour female fibrosis follow fu grade group h high hours i
    ii iii iv in inf infinity intersex invasive ix keratinizing large late left limited living lost
    low lung male malignant met metastatic mixed mo moderately months mucinous n nan negative
    neuroendocrine no non none nos not nsclc occult of old or other pending performed poorly
    positive possible possibly primary probable probably progression r1 recurrent refused relapse
    right s sarcomatoid scc sclc see separate small solid squamous stable stage still suspected t
    text the tis to true tumor tumour type uicc unclear undetermined undifferentiated unk unknown
    unspecified unsure up v value well withdrawn without x y year years yes young zero ref div
    name num"""
_CLINICAL_WORDS = frozenset(_WORDS.split())
"""A cell of words is shown when all of them are of these; any other may be a name."""
_UNITS_AND_ROMAN = re.compile(r"[ivx]+[abc]?|[tnmcpyr]{1,2}[x0-4]?|[a-c]|e", re.IGNORECASE)


class ShownValues:
    """Says cells of one table so that nobody can be recognised by them.

    Parameters
    ----------
    patient_ids : iterable of str
        What the table holds as Patient ID; a cell that is one of them or of their form is told by
        its length only.
    """

    def __init__(self, patient_ids: Iterable[str]) -> None:
        self._ids = {one.lower() for one in patient_ids if one}
        self._forms = {_form(one) for one in self._ids if len(one) >= 4}

    def __call__(self, cell: Cell) -> str:
        """Return the cell between quotes, or how long it is where it may identify a patient."""
        if isinstance(cell, date):
            return "a date"
        text = text_of(cell)
        if self._may_identify(text):
            return f"a text of {counted(len(text), 'character')}"
        return f"'{text}'"

    def dated(self, cell: Cell) -> str:
        """Return a date without its year."""
        text = text_of(cell)
        short = _YEAR.sub("…", text, count=1)
        words = _LETTERS.findall(text)
        if any(month_named(one) is None and one.lower() not in _BESIDE_MONTHS for one in words):
            return self(short)
        return (
            f"'{short}'"
            if len(short) <= _LONGEST
            else f"a text of {counted(len(text), 'character')}"
        )

    def _may_identify(self, text: str) -> bool:
        lower = text.lower()
        if len(text) > _LONGEST or lower in self._ids or _form(lower) in self._forms:
            return True
        if re.search(r"\d{6}", text) or _FULL_DATE.search(text) or re.search(r"[\^@]", text):
            return True
        return not all(
            word.lower() in _CLINICAL_WORDS or _UNITS_AND_ROMAN.fullmatch(word)
            for word in _LETTERS.findall(text)
        )


def _form(text: str) -> str:
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", text))
