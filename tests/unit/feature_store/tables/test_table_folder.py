"""What a power cut takes: nothing that was acknowledged, at any moment."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from feature_store.tables.guarded_table import StoreError
from feature_store.tables.keyed_table import KeyedTable
from feature_store.tables.table_folder import TableFolder
from tests.support.power_loss import Disk

SCHEMA = pa.schema([("center", pa.string()), ("key", pa.string()), ("value", pa.float64())])


def table_at(folder: Path, compact_every: int | None = 7) -> KeyedTable:
    return KeyedTable(str(folder / "table"), ("center", "key"), SCHEMA, compact_every=compact_every)


def row(number: int) -> dict[str, object]:
    return {"center": f"C{number % 3}", "key": f"k{number}", "value": float(number)}


@pytest.mark.slow
def test_a_power_cut_at_any_moment_takes_no_row_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "store"
    root.mkdir()
    monkeypatch.setattr("feature_store.tables.table_upkeep._CHECKPOINT_EVERY", 4)
    luck = Random(1)
    acknowledged: list[str] = []
    lost: list[str] = []
    healed = states = 0

    def cut(fate: Random | None) -> None:
        nonlocal healed, states
        states += 1
        after = tmp_path / f"after{states}"
        disk.after_power_loss(after, fate)
        table = table_at(after)
        healed += len(table.repair(harmless_only=True))
        there = set(table.read({}, ["key"]).column("key").to_pylist())
        lost.extend(key for key in acknowledged if key not in there)
        table.upsert([row(999)])  # and work goes on
        assert "k999" in table.read({}, ["key"]).column("key").to_pylist()

    def sometimes() -> None:
        if is_on and luck.random() < 0.15:
            cut(luck)

    disk = Disk(root, monkeypatch, sometimes)
    is_on = True
    table = table_at(root)
    for number in range(16):
        table.upsert([row(number)])
        acknowledged.append(f"k{number}")
        is_on = False
        cut(None)
        cut(luck)
        is_on = True
    assert lost == []
    assert states > 40
    assert healed > 0  # among them are states with a torn commit or checkpoint


def test_without_the_syncs_rows_are_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "store"
    root.mkdir()
    disk = Disk(root, monkeypatch)
    monkeypatch.setattr(TableFolder, "bring_to_disk", lambda *_: None)
    table_at(root).upsert([row(1)])
    disk.after_power_loss(tmp_path / "after")
    try:
        there = table_at(tmp_path / "after").read({}).num_rows
    except StoreError:
        there = 0
    assert there == 0


def test_a_repeated_write_syncs_what_a_process_that_died_had_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "store"
    root.mkdir()
    disk = Disk(root, monkeypatch)
    with monkeypatch.context() as dying:
        dying.setattr(TableFolder, "bring_to_disk", lambda *_: None)
        table_at(root).upsert([row(1)])
    table_at(root).upsert([row(1)])
    disk.after_power_loss(tmp_path / "after")
    assert table_at(tmp_path / "after").read({}).num_rows == 1
