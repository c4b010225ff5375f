"""The page of all codes is the one that the rule tables give."""

from __future__ import annotations

import re

import pytest

from feature_store.expectations.refusals import REFUSALS
from feature_store.expectations.suites import RELEASABLE, SUITES
from flows.__main__ import main
from tests.support import ROOT

PAGE = (ROOT / "deploy" / "guide" / "codes.md").read_text(encoding="utf-8")


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codes"]) == 0
    assert capsys.readouterr().out == PAGE, "python -m flows codes > deploy/guide/codes.md"


def test_every_code_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \|$", PAGE, re.MULTILINE)
    codes = [rule.code for rules in SUITES.values() for rule in rules]
    assert sorted(rows) == sorted([*codes, *REFUSALS])


@pytest.mark.parametrize(
    "row",
    [
        "| `missing-slice` | evenly spaced CT slices, none missing | quarantined | no |",
        "| `gtv-hu` | a tumour's Hounsfield units in the GTV | warning | by default |",
        "| `kvp` | 120 kV | warning | yes |",
        "| `repeated-patient` | one row per patient | refused |",
        "| `cohort-events` | at least 100 deaths | warning |",
        "| `overlapping-contours` | GTV contours apart or within each other",
    ],
)
def test_a_row_says_what_follows(row: str) -> None:
    assert f"\n{row}" in PAGE


def test_what_may_quarantine_is_what_the_settings_accept() -> None:
    found = re.findall(r"^\| `([a-z-]+)` \|.*\| (?:yes|by default) \|$", PAGE, re.MULTILINE)
    assert set(found) == RELEASABLE
