"""A number agrees with its noun."""

from __future__ import annotations

from models.wording import counted


def test_one_is_singular_and_everything_else_plural() -> None:
    assert [counted(n, "fold") for n in (0, 1, 2)] == ["0 folds", "1 fold", "2 folds"]
    assert counted(2, "penalty", "penalties") == "2 penalties"
