"""Rows are read by Arrow's own reader: whichever byte of a file was changed, it is said in words,
and the process goes on.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from feature_store.tables.arrow_rows import UnreadableRowsError, rows_of_table
from feature_store.tables.guarded_table import StoreError
from feature_store.tables.keyed_table import KeyedTable
from feature_store.tables.table_folder import TableFolder
from tests.support.fresh_interpreter import printed_by

SCHEMA = pa.schema(
    [
        ("center", pa.string()),
        ("key", pa.string()),
        ("features", pa.list_(pa.float64())),
        ("note", pa.string()),
    ]
)
LAST_BYTES = 65536


def table_at(folder: Path | str) -> KeyedTable:
    return KeyedTable(str(folder), ("center", "key"), SCHEMA, compact_every=None)


def row(key: str, features: int = 3, center: str = "A") -> dict[str, object]:
    values = [float(n) + 0.1 for n in range(features)]
    return {"center": center, "key": key, "features": values, "note": f"as {key} says"}


def data_file(folder: Path) -> Path:
    (path,) = folder.glob("center=*/*.parquet")
    return path


def flip(folder: str, draws: int, seed: int) -> None:
    """Change single bytes near the end of a file; print what came of reading, checking and
    writing.
    """
    luck, said = Random(seed), Counter[str]()
    path = data_file(Path(folder))
    content = path.read_bytes()
    offsets = range(max(0, len(content) - LAST_BYTES), len(content))
    try:
        for offset in luck.sample(offsets, min(draws, len(offsets))):
            changed = bytearray(content)
            changed[offset] ^= luck.choice([0x01, 0x80, 0xFF])
            path.write_bytes(changed)
            table = table_at(folder)
            try:
                assert len(table.read({}).to_pylist()) == table.read({"center": "A"}).num_rows
                said["read"] += 1
            except StoreError as error:
                said[str(error)] += 1
            table.defects()
    finally:
        path.write_bytes(content)
    sys.stdout.write(json.dumps(said))


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "features"), [(1, 3), (200, 100)])
def test_no_changed_byte_ends_the_process(tmp_path: Path, rows: int, features: int) -> None:
    folder = tmp_path / "scores"
    table_at(folder).upsert([row(f"k{number:03d}", features) for number in range(rows)])
    program = f"from {__name__} import flip; flip({str(folder)!r}, 600, 1)"
    (printed,) = printed_by(program, timeout_s=300)
    said = json.loads(printed)
    assert sum(said.values()) == 600
    assert said.pop("read") > 0
    assert sum(said.values()) > 50
    for sentence in said:
        assert "he table scores" in sentence, sentence
        assert "back-up" in sentence, sentence


def test_a_file_that_is_not_what_the_log_says_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    table_at(folder).upsert([row("a"), row("b")])
    path = data_file(folder)
    rows = pq.ParquetFile(path).read()
    for other in (rows.slice(0, 1), rows.rename_columns([*rows.column_names[:-1], "nota"])):
        pq.write_table(other, path)
        table = DeltaTable(folder)
        with pytest.raises(UnreadableRowsError, match=r"The file (has 1 row,|names a column)"):
            rows_of_table(TableFolder(str(folder)), table, ["key"], {})


@pytest.mark.parametrize("key", ["k" * 300, "\U0010ffff" * 80, "k" * 63 + "ü", ""])
def test_a_key_that_is_longer_than_what_the_log_keeps_of_it_is_found(
    location: str, key: str
) -> None:
    table = KeyedTable(f"{location}/scores", ("center", "key"), SCHEMA, compact_every=None)
    table.upsert([row(key)])
    table.upsert([row("other")])
    table.upsert([row(key)])
    assert table.version() == 2
    (found,) = table.read({"key": key}, ["key", "note"]).to_pylist()
    assert found == {"key": key, "note": f"as {key} says"}
    assert table.read({"key": f"{key}x"}).num_rows == 0
    assert table.read({"note": f"as {key} says"}).num_rows == 1


def test_files_that_a_merge_wrote_are_read_with_those_that_were_appended(location: str) -> None:
    table = KeyedTable(f"{location}/scores", ("center", "key"), SCHEMA, compact_every=None)
    table.upsert([row("a"), row("b")])
    table.upsert([row("b", features=5)])
    table.upsert([row("c", center="it's/B")])
    rows = sorted(table.read({}).to_pylist(), key=lambda one: str(one["key"]))
    assert [(one["center"], one["key"], len(one["features"])) for one in rows] == [
        ("A", "a", 3),
        ("A", "b", 5),
        ("it's/B", "c", 3),
    ]
    assert table.read({}, ["center"]).column("center").to_pylist().count("A") == 2
    assert table.read({"center": "it's/B"}, ["features"]).schema.names == ["features"]
