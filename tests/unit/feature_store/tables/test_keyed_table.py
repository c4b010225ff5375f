"""Keyed tables: upserts from several processes at once, and keys that need care."""

from __future__ import annotations

import multiprocessing
import threading
import time
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pyarrow import parquet

from feature_store.tables.compaction_lease import compaction_lease
from feature_store.tables.guarded_table import StoreError
from feature_store.tables.keyed_table import KeyedTable

SCHEMA = pa.schema(
    [("center", pa.string()), ("key", pa.string()), ("values", pa.list_(pa.float64()))]
)


def table_at(folder: Path | str, compact_every: int | None = 100) -> KeyedTable:
    return KeyedTable(f"{folder}/table", ("center", "key"), SCHEMA, compact_every=compact_every)


def row(key: str, value: float = 1.0, center: str = "A") -> dict[str, object]:
    return {"center": center, "key": key, "values": [value] * 3}


def _write(folder: str, barrier: Barrier, own: str, count: int) -> None:
    table = table_at(folder, compact_every=5)
    barrier.wait(60)
    for number in range(count):
        table.upsert([row(f"shared {number}")])
        table.upsert([row(f"{own} {number}", 2.0)])


@pytest.mark.slow
def test_two_processes_that_write_the_same_leave_each_row_once(location: str) -> None:
    context = multiprocessing.get_context("spawn")  # deltalake's threads do not survive a fork
    barrier = context.Barrier(2)
    writers = [
        context.Process(target=_write, args=(location, barrier, own, 5))
        for own in ("first", "second")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    found = sorted(table_at(location).read({}).column("key").to_pylist())
    assert found == sorted(
        f"{kind} {number}" for kind in ("first", "second", "shared") for number in range(5)
    )


def test_keys_may_hold_any_character(location: str) -> None:
    table = table_at(location)
    keys = ["it's", 'a "quote"', "semi;colon -- x", "ümläut", "slash/../..", ""]
    for center in ("O'Brien", "A"):
        for _ in range(2):
            table.upsert([row(key, center=center) for key in keys])
    assert table.version() == 2
    assert sorted(table.read({"center": "O'Brien"}).column("key").to_pylist()) == sorted(keys)
    assert table.read({"key": "it's"}).num_rows == 2


def test_small_files_are_joined_now_and_then_and_versions_stay(tmp_path: Path) -> None:
    table = table_at(tmp_path, compact_every=5)
    for number in range(5):
        table.upsert([row(str(number))])
    assert len(DeltaTable(table.uri).file_uris()) == 1
    assert table.read({}).num_rows == 5
    assert table.read({}, version=3).num_rows == 3
    untouched = table_at(tmp_path / "other", compact_every=None)
    for number in range(5):
        untouched.upsert([row(str(number))])
    untouched.upkeep.compact()
    assert len(DeltaTable(untouched.uri).file_uris()) == 5


def test_the_newest_small_files_are_joined_more_often_and_checkpoints_stay_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_store.tables.table_upkeep._JOIN_EVERY", 4)
    monkeypatch.setattr("feature_store.tables.table_upkeep._CHECKPOINT_EVERY", 4)
    table = table_at(tmp_path)
    for number in range(12):
        table.upsert([row(str(number))])
    assert len(DeltaTable(table.uri).file_uris()) <= 6
    assert table.read({}).num_rows == 12
    assert table.read({}, version=2).num_rows == 2  # the files that were joined are still there


def test_a_file_of_joined_rows_holds_them_in_groups_without_their_largest_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_store.tables.table_upkeep._GROUP_BYTES", 100_000)
    schema = pa.schema([("center", pa.string()), ("key", pa.string()), ("voxels", pa.binary())])
    table = KeyedTable(f"{tmp_path}/table", ("center", "key"), schema, compact_every=6)
    for number in range(6):
        voxels = np.random.default_rng(number).bytes(40_000)
        table.upsert([{"center": "A", "key": str(number), "voxels": voxels}])
    (joined,) = DeltaTable(table.uri).file_uris()
    found = parquet.read_metadata(joined)
    assert [found.row_group(group).num_rows for group in range(found.num_row_groups)] == [2, 2, 2]
    column = found.row_group(0).column(found.num_columns - 1)
    assert column.compression == "ZSTD"
    assert len(column.statistics.min) <= 64
    assert Path(joined).stat().st_size < 6 * 40_000 + 20_000


def test_long_keys_are_found_in_joined_files(tmp_path: Path) -> None:
    table = table_at(tmp_path, compact_every=4)
    keys = [letter + "\U0010ffff" * 80 + str(number) for number, letter in enumerate("abyz")]
    for key in keys:
        table.upsert([row(key)])
    assert len(DeltaTable(table.uri).file_uris()) == 1
    for key in keys:
        table.upsert([row(key)])
    assert table.version() == 5  # each was there: four writes and one join
    table.upsert([row(key, 2.0) for key in keys])
    found = table.read({}).to_pylist()
    assert sorted(one["key"] for one in found) == keys
    assert {tuple(one["values"]) for one in found} == {(2.0,) * 3}


def test_a_row_that_two_handles_find_absent_is_there_once(tmp_path: Path) -> None:
    table = table_at(tmp_path)
    table.upsert([row("first")])
    one, other = table_at(tmp_path), table_at(tmp_path)
    stale = DeltaTable(table.uri)
    source = one._source([row("second")])
    one._put(DeltaTable(table.uri), source)
    # an append by itself conflicts with nothing
    with pytest.raises(CommitFailedError):
        other._put(stale, source)
    other.upsert([row("second")])
    other.upsert([row("second", 3.0)])
    found = table.read({"key": "second"}).to_pylist()
    assert [one["values"] for one in found] == [[3.0] * 3]


def test_what_a_version_of_the_last_days_reads_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_store.tables.table_upkeep._LEAST_HOURS", 0)
    table = table_at(tmp_path)
    table.upsert([row("a")])
    then = time.time()
    time.sleep(0.5)
    table.upsert([row("a", 2.0)])
    days = (time.time() - then) / 86400
    assert table.upkeep.remove_old(days, [], dry_run=False) == 0
    assert table.read({}, version=1).column("values").to_pylist() == [[1.0] * 3]
    assert table.upkeep.remove_old(0, [], dry_run=False) == 1
    assert table.read({}).column("values").to_pylist() == [[2.0] * 3]


def test_of_two_compactions_at_once_one_is_done_and_no_row_is_there_twice(location: str) -> None:
    table = table_at(location)
    for number in range(4):
        table.upsert([row(str(number))])
    with compaction_lease(table.uri, {}) as is_ours:
        assert is_ours
        assert not table.upkeep.compact()  # deltalake would commit both, and double every row
        table.upsert([row("4")])
    assert table.upkeep.compact()
    assert len(DeltaTable(table.uri).file_uris()) == 1
    assert sorted(table.read({}).column("key").to_pylist()) == list("01234")


def test_the_lease_of_a_process_that_died_is_free_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        compaction_lease(str(tmp_path), {}) as first,
        compaction_lease(str(tmp_path), {}) as second,
    ):
        assert (first, second) == (True, False)
    monkeypatch.setattr("feature_store.tables.compaction_lease.LEASE", timedelta(seconds=-1))
    with (
        compaction_lease(str(tmp_path), {}) as first,
        compaction_lease(str(tmp_path), {}) as second,
    ):
        assert (first, second) == (True, True)


def test_a_repeated_write_at_a_version_of_compaction_compacts_nothing(tmp_path: Path) -> None:
    table = table_at(tmp_path, compact_every=3)
    for _ in range(3):
        table.upsert([row("a")])
    table.upsert([row("b")])
    table.upsert([row("c")])
    version = table.version()
    assert version == 4  # three rows and one compaction
    table.upsert([row("c")])
    assert table.version() == version


def test_no_rows_are_no_write_and_chosen_columns_are_all_that_is_read(tmp_path: Path) -> None:
    table = table_at(tmp_path)
    table.upsert([])
    assert table.version() is None
    assert table.read({}, ["key"]).schema.names == ["key"]
    table.upsert([row("k")])
    assert table.read({}, ["key"]).to_pylist() == [{"key": "k"}]


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="something else lies in the place of its folder"):
        table_at(tmp_path).upsert([row("k")])


def test_a_version_of_a_table_that_was_never_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist, expected version 3"):
        table_at(tmp_path).read({}, version=3)


def newer_table_at(folder: Path | str) -> KeyedTable:
    """The table as a later release has it: two columns more."""
    added = [("month", pa.string()), ("scanners", pa.list_(pa.string()))]
    return KeyedTable(f"{folder}/table", ("center", "key"), pa.schema([*SCHEMA, *added]))


def test_a_table_of_an_earlier_release_is_read_and_gets_its_new_columns_with_the_next_write(
    location: str,
) -> None:
    table_at(location).upsert([row("old")])
    newer = newer_table_at(location)
    assert [
        (found["key"], found["month"], found["scanners"]) for found in newer.read({}).to_pylist()
    ] == [("old", None, None)]
    assert newer.read({"month": "2020-01"}).num_rows == 0
    assert newer.version() == 1  # reading changes nothing
    newer.upsert([{**row("new"), "month": "2020-01", "scanners": ["A", "B"]}])
    assert newer.read({"month": "2020-01"}).column("key").to_pylist() == ["new"]
    assert newer.read({"key": "old"}).column("scanners").to_pylist() == [None]
    assert newer.read({}, ["month"], version=1).to_pylist() == [{"month": None}]


def test_a_table_of_a_later_release_is_refused_but_its_earlier_versions_are_not(
    tmp_path: Path,
) -> None:
    table = table_at(tmp_path)
    table.upsert([row("old")])
    newer_table_at(tmp_path).upsert([{**row("new"), "month": "2020-01", "scanners": []}])
    before = table.version()
    for attempt in (lambda: table.read({}), lambda: table.upsert([row("mine")])):
        with pytest.raises(
            StoreError,
            match=r"does not know as they are there: month, scanners\. It was written by",
        ):
            attempt()
    assert table.version() == before
    assert table.read({}, version=1).num_rows == 1


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    table_at(tmp_path).upsert([row("old")])
    other = pa.schema([("center", pa.string()), ("key", pa.string()), ("values", pa.string())])
    with pytest.raises(StoreError, match="does not know as they are there: values"):
        KeyedTable(f"{tmp_path}/table", ("center", "key"), other).read({})


def test_of_two_writers_that_add_the_columns_at_once_both_succeed(location: str) -> None:
    table_at(location).upsert([row("old")])
    newer = newer_table_at(location)
    barrier = threading.Barrier(2)

    def write(key: str) -> None:
        barrier.wait(60)
        newer.upsert([{**row(key), "month": key, "scanners": []}])

    threads = [threading.Thread(target=write, args=(key,)) for key in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(newer.read({}, ["key"]).column("key").to_pylist()) == ["old", "one", "two"]
