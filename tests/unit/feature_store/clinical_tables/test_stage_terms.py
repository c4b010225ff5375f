"""Overall stage as tables write it."""

from __future__ import annotations

import pytest

from feature_store.clinical_tables.sheet import Cell
from feature_store.clinical_tables.stage_terms import read_stages

MEANT: dict[str, tuple[Cell, ...]] = {
    "IIIA": (
        "IIIA", "IIIa", "Stage IIIA", "StageIIIA", "3A", "3a", "cIIIA", "ypIIIA", "iii a", "III-A",
        "IIIA (8th ed.)", "AJCC 7th edition IIIA", "Stadium IIIA", "clinical stage IIIA",
    ),
    "IIIC": ("IIIC", "3C"),
    "IIB": ("pIIB", "2B"),
    "IA": ("IA", "IA1", "IA3", "1A2"),
    "III": ("III", "3", 3.0, "3.0"),
    "IV": ("4", "IV"),
    "IVB": ("IVB",),
}  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "stage"), [(cell, stage) for stage, cells in MEANT.items() for cell in cells]
)
def test_a_stage_that_is_understood(cell: Cell, stage: str) -> None:
    assert read_stages({1: cell}).values == {1: stage}


@pytest.mark.parametrize(
    "cell",
    ["T2N1M0", "cT2N0", "0", "X", "occult", "II-III", "IIIA/B", "IC", "IVC", "IIIA1", "5", "LD"],
)
def test_what_is_no_overall_stage_is_not_understood(cell: Cell) -> None:
    assert read_stages({1: cell}).unreadable == {1: cell}


@pytest.mark.parametrize(
    "cell",
    ["I-II", "Stage I - II", "I, II", "I II", "II-I", "I-IIA", "I:IIB", "I_II", "I (I)", "I.V",
     "clinical stage II, pathological stage I"],
)  # fmt: skip
def test_two_stages_do_not_become_a_third(cell: Cell) -> None:
    assert read_stages({1: cell}).unreadable == {1: cell}


def test_digits_beside_a_digit_that_is_no_stage_are_codes() -> None:
    read = read_stages({1: "3", 2: "7", 3: "IIIA"})
    assert read.values == {3: "IIIA"}
    assert set(read.unreadable) == {1, 2}
