"""A Patient ID is found as others write it, and says what differs."""

from __future__ import annotations

import pytest

from feature_store.clinical_tables.other_spellings import (
    CASE,
    SIGNS,
    WIDTH,
    ZEROS,
    other_spellings,
)


@pytest.mark.parametrize(
    ("written", "elsewhere", "differs"),
    [
        ("123", "0000123", ZEROS),
        ("0000123", "123", ZEROS),
        ("LUNG-7", "LUNG-007", ZEROS),
        ("0", "000", ZEROS),
        ("12 34", "12-34", SIGNS),
        ("P–4", "P-4", SIGNS),
        ("AB_1", "AB1", SIGNS),
        ("AB1", "AB-1", SIGNS),
        ("p17a", "P17A", CASE),
        ("１２", "12", WIDTH),
    ],
)
def test_what_a_spreadsheet_or_another_system_changes_is_found(
    written: str, elsewhere: str, differs: str
) -> None:
    assert other_spellings(written)[elsewhere] == differs


@pytest.mark.parametrize("one", ["P1", "0", "-", "名", "0007"])
def test_an_identifier_is_no_other_spelling_of_itself(one: str) -> None:
    assert one not in other_spellings(one)
    assert len(other_spellings(one)) < 40
