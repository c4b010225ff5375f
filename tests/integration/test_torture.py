"""The short forms of ``make fuzz`` and ``make torture``: the node lives, and nothing that it acknowledged is lost."""

from __future__ import annotations

from pathlib import Path

from tests.torture.fuzz import fuzz


def test_mutated_bytes_do_not_hurt_a_live_node(tmp_path: Path) -> None:
    result = fuzz(tmp_path, count=800, seed=20)
    assert result["problems"] == []
