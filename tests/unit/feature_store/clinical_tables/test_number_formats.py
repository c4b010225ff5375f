"""A format that shows another number than is stored is told from those that show the same."""

from __future__ import annotations

import pytest
from openpyxl.styles.numbers import BUILTIN_FORMATS

from feature_store.clinical_tables.number_formats import shown_otherwise


@pytest.mark.parametrize(
    ("number_format", "how"),
    [
        ("0%", "as per cent"),
        ("[<1]0.00%;0", "as per cent"),
        ("0.0,", "in thousands"),
        ('0,,"M"', "in thousands"),
        ("#,##0,", "in thousands"),
        ('[=1]"alive";[=0]"dead";General', "as a word"),
        ('"yes";;"no"', "as a word"),
        ('"n/a"', "as a word"),
        (";;;", "as nothing"),
    ],
)
def test_another_number_is_told(number_format: str, how: str) -> None:
    assert shown_otherwise(number_format) == how


@pytest.mark.parametrize(
    "number_format",
    [
        *(one for one in BUILTIN_FORMATS.values() if "%" not in one),
        '0" months"',
        '"P-"0000',
        "[Red]0",
        "[$-407]#,##0.00",
        "[$\u20ac-2] #,##0",
        "0\\%",
        "0;-0;;@",
        '_-* #,##0_-;-* #,##0_-;_-* "-"_-;_-@_-',
        "# ?/?",
    ],
)
def test_the_same_number_is_not(number_format: str) -> None:
    assert shown_otherwise(number_format) is None
