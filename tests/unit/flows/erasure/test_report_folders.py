"""A person's row of the check in R is recognised as finely as its numbers are given, and no other
row goes.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.erasure.report_folders import Outcome, is_in, take_out_of_report

EXACT = [
    "center,patient,days,event,lp,high",
    "B,1,100,1,0.12345678901234567,1",
    "B,2,100,1,0.12345678901234900,1",
    "B,3,120,0,-0.5,0",
    "C,1,100,1,0.12345678901234567,1",
]
ROUNDED = [
    "center,patient,days,event,lp,high",
    "B,1,90,1,0.1,1",
    "B,2,90,1,0.2,1",
    "B,3,120,0,-0.5,0",
    "C,1,90,1,0.1,1",
]


def report(folder: Path, lines: list[str], excluded: list[str]) -> Path:
    (folder / "r-check").mkdir()
    (folder / "r-check" / "patients.csv").write_text("\n".join(lines) + "\n")
    made = {"schema_version": 1, "centers": [{"excluded": [["no outcome", excluded]]}], "c": 0.1}
    (folder / "report.json").write_text(json.dumps(made))
    (folder / "report.html").write_text(f"<p>{' '.join(excluded)}</p>")
    (folder / "report.pdf").write_bytes(b"%PDF-1.7")
    return folder


@pytest.mark.parametrize("lines", [EXACT, ROUNDED])
def test_the_row_of_the_person_goes_and_no_other(tmp_path: Path, lines: list[str]) -> None:
    folder = report(tmp_path, lines, [])
    person = Outcome("B", (0.12345678901234567, 3.0), ((100.0, True), (50.0, False)))
    assert is_in(folder, ["p" * 16], person)
    assert "its row" in take_out_of_report(folder, ["p" * 16], person, "one")
    left = (folder / "r-check" / "patients.csv").read_text().splitlines()
    assert left == [lines[0], *lines[2:]]
    assert "reproducible except for 1 erased" in (folder / "ERASED.txt").read_text()


def test_who_has_no_such_row_is_not_in_the_report(tmp_path: Path) -> None:
    folder = report(tmp_path, EXACT, [])
    for person in (
        Outcome("B", (0.2,), ((100.0, True),)),
        Outcome("B", (0.12345678901234567,), ((100.0, False),)),
        Outcome("B", (0.12345678901234567,), ((101.0, True),)),
        Outcome("A", (0.12345678901234567,), ((100.0, True),)),
        Outcome("B", (), ()),
    ):
        assert not is_in(folder, ["p" * 16], person)


def test_a_pseudonym_goes_from_a_report_of_an_earlier_release_too(tmp_path: Path) -> None:
    folder = report(tmp_path, EXACT, ["p" * 16, "q" * 16])
    nobody = Outcome("B", (), ())
    for number, key in enumerate(("p" * 16, "q" * 16), 1):
        said = take_out_of_report(folder, [key], nobody, f"{number}")
        assert "its pseudonym removed" in said
        assert "earlier release" in said
        made = json.loads((folder / "report.json").read_text())
        assert made["erased"] == number
        assert made["c"] == 0.1
    assert made["centers"][0]["excluded"] == [["no outcome", ["erased-1", "erased-2"]]]
    assert (folder / "report.html").read_text() == "<p>erased-1 erased-2</p>"
    assert not (folder / "report.pdf").exists()
