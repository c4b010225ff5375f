"""Whether a word is understood in a column, so that a code may stand for it."""

from __future__ import annotations

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.clinical_terms import read_events, read_sex
from feature_store.clinical_tables.conventions import Field
from feature_store.clinical_tables.histology_terms import read_histology
from feature_store.clinical_tables.sheet import is_missing
from feature_store.clinical_tables.shown_values import ShownValues
from feature_store.clinical_tables.stage_terms import read_stages


def is_understood(field: Field, word: str) -> bool:
    """Say whether a word means something in a column, or that its value is not known.

    Parameters
    ----------
    field : Field
        One of `feature_store.clinical_tables.conventions.CODED`.
    word : str
        What a code stands for.
    """
    if is_missing(word):
        return True
    if field is Field.SEX:
        return read_sex(word) is not None
    if field is Field.HISTOLOGY:
        return read_histology(word) is not None
    if field is Field.STAGE:
        return bool(read_stages({1: word}).values)
    try:
        return bool(read_events(field, {1: word}, None, ShownValues(())).values)
    except ClinicalTableError:
        return False
