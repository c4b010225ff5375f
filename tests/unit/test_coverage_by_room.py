"""The floors of coverage: files are added up by room, and what is below its floor is named."""

from __future__ import annotations

import pytest

from tests.coverage_by_room import Covered, by_room, complaints


def _file(statements: int, run: int, branches: int, taken: int) -> dict[str, dict[str, int]]:
    return {
        "summary": {
            "num_statements": statements,
            "covered_lines": run,
            "num_branches": branches,
            "covered_branches": taken,
        }
    }


def test_files_are_added_up_by_room_and_those_beside_the_rooms_by_package() -> None:
    rooms = by_room(
        {
            "models/network/training.py": _file(10, 9, 4, 1),
            "models/network/weights.py": _file(20, 20, 0, 0),
            "models/errors.py": _file(3, 3, 0, 0),
            "models/combined/__init__.py": _file(0, 0, 0, 0),
        }
    )
    assert list(rooms) == ["models", "models/combined", "models/network"]
    assert rooms["models/network"] == Covered(30, 29, 4, 1)
    assert rooms["models/network"].percent == pytest.approx(100 * 30 / 34)
    assert rooms["models/combined"].percent == 100


def test_a_room_below_its_floor_or_without_one_and_a_floor_without_a_room_are_told() -> None:
    rooms = {"models/network": Covered(10, 8, 0, 0), "models/new": Covered(10, 10, 0, 0)}
    assert complaints(rooms, {"models/network": 80, "models/new": 100}) == []
    below, without, gone = complaints(rooms, {"models/network": 81, "models/old": 50})
    assert below.startswith("models/network is covered to 80.0 %, expected at least 81 %")
    assert without == 'models/new has no floor: add "models/new": 97 to FLOORS.'
    assert gone.startswith("models/old is no room any more")
