"""The short forms of ``make fuzz`` and ``make torture``: the node lives, and nothing that it
acknowledged is lost.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.crash import torture
from tests.torture.fuzz import fuzz


def test_mutated_bytes_do_not_hurt_a_live_node(tmp_path: Path) -> None:
    result = fuzz(tmp_path, count=800, seed=20)
    assert result["problems"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("trouble", "kills"), [("registry", 2), ("clock", 1), ("disk", 1)])
def test_what_was_acknowledged_survives_sudden_deaths(
    tmp_path: Path, trouble: str, kills: int
) -> None:
    try:
        result = torture(tmp_path, kills, seed=3, trouble=trouble)
    except PermissionError as error:
        pytest.skip(str(error))
    assert result["acknowledged"]
    assert (result["lost"], result["outbox_missing"], result["outbox_duplicated"]) == (0, 0, 0)
    assert ("0xA700" in str(result["refused_with"])) == (trouble == "disk")
