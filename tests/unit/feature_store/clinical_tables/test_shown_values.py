"""What of a cell a sentence may show."""

from __future__ import annotations

import pytest

from feature_store.clinical_tables.shown_values import ShownValues

SHOWN = ShownValues(["LUNG1-001", "12345", "P1", ""])


@pytest.mark.parametrize(
    "cell", ["5", "unsure", "T2N1M0", "1.095", "Stage X", "2:unknown", "1,5e3"]
)
def test_a_clinical_word_or_number_is_shown(cell: str) -> None:
    assert SHOWN(cell) == f"'{cell}'"


@pytest.mark.parametrize(
    "cell",
    [
        "Jansen", "JANSEN^P", "p.jansen@example.org", "LUNG1-422", "lung1-001", "P1", "98765",
        "0031612345678", "1951-02-03", "3.2.1951", "19510203", "May", "stage II of Mrs. Jansen",
    ],
)  # fmt: skip
def test_what_may_identify_a_patient_is_told_by_its_length(cell: str) -> None:
    assert SHOWN(cell) == f"a text of {len(cell)} characters"


def test_a_date_is_shown_without_its_year() -> None:
    assert SHOWN.dated("03/04/1951") == "'03/04/…'"
    assert SHOWN.dated("3 April 1951") == "'3 April …'"
    assert SHOWN.dated("1951-13-45T00:00") == "'…-13-45T00:00'"
    assert SHOWN.dated("Jansen 1951") == "a text of 8 characters"
