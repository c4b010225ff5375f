"""What of a log only older versions need lies beside it: a write costs as little as at first, every
version is read as before, and what is named is found by every program.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from feature_store.tables import older_log, table_upkeep
from feature_store.tables.guarded_table import StoreError
from feature_store.tables.keyed_table import KeyedTable
from feature_store.tables.older_log import bring_all_back, move_older
from feature_store.tables.store import FeatureStore
from feature_store.tables.table_defects import Damage
from feature_store.tables.table_folder import (
    LOG,
    OLDER_LOG,
    TableFolder,
    checkpoint_file,
    commit_file,
)
from tests.support.power_loss import Disk

SCHEMA = pa.schema([("center", pa.string()), ("key", pa.string()), ("value", pa.float64())])
NEWEST, NAMED = 26, 7


@pytest.fixture(scope="module", autouse=True)
def often() -> Iterator[None]:
    """Move after few versions what is otherwise moved after a hundred."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(older_log, "KEPT", 8)
        patch.setattr(table_upkeep, "_CHECKPOINT_EVERY", 4)
        patch.setattr(table_upkeep, "_MOVE_EVERY", 4)
        yield


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "scores"
    table = table_at(folder, [NAMED])
    for number in range(NEWEST):
        table.upsert([row(number)])
    return folder


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "scores")
    return tmp_path / "scores"


def table_at(folder: Path, named: Collection[int] = ()) -> KeyedTable:
    return KeyedTable(
        str(folder), ("center", "key"), SCHEMA, compact_every=None, named_versions=lambda: named
    )


def row(number: int) -> dict[str, object]:
    return {"center": "A", "key": f"k{number:02d}", "value": float(number)}


def keys(table: KeyedTable, version: int | None = None) -> list[str]:
    return sorted(table.read({}, ["key"], version).column("key").to_pylist())


def expected(version: int) -> list[str]:
    return [f"k{number:02d}" for number in range(version)]


def entries(folder: Path, log: str) -> list[int]:
    return sorted(int(path.stem) for path in (folder / log).glob("*.json"))


def test_few_entries_stay_in_the_log_and_the_others_lie_beside_it(folder: Path) -> None:
    named = [4, 5, 6, NAMED]
    assert entries(folder, LOG) == [*named, *range(16, NEWEST + 1)]
    assert entries(folder, OLDER_LOG) == [one for one in range(16) if one not in named]


def test_every_version_is_read_as_before(folder: Path) -> None:
    table = table_at(folder)
    for version in (*range(NEWEST, -1, -1), *range(NEWEST + 1)):
        assert keys(table, version) == expected(version), version
    assert table.defects() == ()


def test_other_programs_find_the_newest_and_what_is_named(folder: Path) -> None:
    for version in (NAMED, NEWEST, None):
        count = NEWEST if version is None else version
        assert pa.table(DeltaTable(folder, version=version).scan()).num_rows == count
        assert pl.read_delta(str(folder), version=version).height == count


@pytest.mark.parametrize("version", [10, 14, 15])
def test_other_programs_refuse_a_version_whose_entries_were_moved(
    folder: Path, version: int
) -> None:
    with pytest.raises(DeltaError, match=r"not the same|not contiguous|No files"):
        DeltaTable(folder, version=version)
    with pytest.raises(Exception, match=r"not the same|not contiguous|No files"):
        pl.read_delta(str(folder), version=version)


def test_a_version_that_was_asked_for_is_there_for_other_programs_until_the_next_moving(
    folder: Path,
) -> None:
    with pytest.raises(DeltaError, match="No files in log segment"):
        DeltaTable(folder, version=2)
    assert table_at(folder).is_readable(2)
    assert pl.read_delta(str(folder), version=2).height == 2
    move_older(TableFolder(str(folder)), 24, [NAMED])
    assert entries(folder, LOG) == [4, 5, 6, NAMED, *range(16, NEWEST + 1)]
    assert keys(table_at(folder), 2) == expected(2)


def test_times_are_found_as_before(folder: Path) -> None:
    table, whole = table_at(folder), folder.with_name("whole")
    shutil.copytree(folder, whole)
    bring_all_back(TableFolder(str(whole)))
    assert not (whole / OLDER_LOG).exists()
    assert entries(whole, LOG) == [*range(NEWEST + 1)]
    times = [one["timestamp"] / 1000 for one in DeltaTable(whole).history()]
    assert len(times) == NEWEST + 1
    for time in times:
        moment = datetime.fromtimestamp(time, UTC)
        assert table.version_at(moment) == table_at(whole).version_at(moment)


def test_a_clean_up_keeps_what_is_named_also_where_its_entries_were_moved(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_upkeep, "_LEAST_HOURS", 0)
    table = table_at(folder)
    table.remove("A", "key", expected(NEWEST), "a test")
    assert table.upkeep.remove_old(0, [2], dry_run=False) == NEWEST - 2
    assert keys(table, 2) == expected(2)
    with pytest.raises(StoreError, match="Version 3 of the table scores is gone: a compaction"):
        keys(table, 3)


def test_what_was_removed_and_why_is_told_however_long_ago(folder: Path) -> None:
    table = table_at(folder)
    table.remove("A", "key", ["k00"], "asked for by A")
    for number in range(NEWEST, NEWEST + 14):
        table.upsert([row(number)])
    assert NEWEST + 1 in entries(folder, OLDER_LOG)
    assert [why for _, why in table.removals()] == ["asked for by A"]


def test_a_version_that_will_be_named_needs_no_other_entry(folder: Path) -> None:
    table = table_at(folder, [NEWEST])
    assert not (folder / checkpoint_file(NEWEST)).exists()
    table.bring_to_disk(NEWEST)
    for number in range(NEWEST, NEWEST + 14):
        table.upsert([row(number)])
    there = entries(folder, LOG)
    assert there[0] == NEWEST
    assert there[1] > NEWEST + 1
    assert pl.read_delta(str(folder), version=NEWEST).height == NEWEST


def test_an_installation_says_what_reports_and_bundles_name(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, named_versions=lambda: [{"scores": 3, "deep": 2}, {"scores": 5}])
    named = {
        name: set(store._tables[name].named_versions()) for name in ("scores", "deep", "deep_input")
    }
    assert named == {"scores": {3, 5}, "deep": {2}, "deep_input": set()}


@pytest.mark.slow
def test_a_process_that_fell_behind_what_was_moved_writes_on(folder: Path) -> None:
    behind, ahead = table_at(folder), table_at(folder)
    behind.upsert([row(NEWEST)])
    for number in range(NEWEST + 1, NEWEST + 30):
        ahead.upsert([row(number)])
    assert NEWEST + 2 in entries(folder, OLDER_LOG)
    behind.upsert([row(NEWEST + 30)])
    assert keys(behind) == expected(NEWEST + 31)
    assert keys(ahead, NEWEST + 31) == expected(NEWEST + 31)


def test_torn_checkpoints_cost_nothing(folder: Path) -> None:
    for path in (folder / LOG).glob("*.checkpoint.parquet"):
        os.truncate(path, 0)
    table = table_at(folder)
    with pytest.raises(StoreError, match="A summary of the log of the table scores is missing"):
        keys(table)
    assert {one.damage for one in table.defects()} == {Damage.TORN_CHECKPOINT}
    table.repair(harmless_only=True)
    assert table.defects() == ()
    assert keys(table) == expected(NEWEST)
    assert keys(table, NAMED) == expected(NAMED)


def test_checkpoints_that_are_gone_cost_nothing(folder: Path) -> None:
    for path in (folder / LOG).glob("*checkpoint*"):
        path.unlink()
    table = table_at(folder)
    (defect,) = table.defects()
    assert defect.damage == Damage.TORN_CHECKPOINT
    (done,) = table.repair(harmless_only=True)
    assert done == "scores: entries of the log that were moved beside it brought back"
    assert keys(table) == expected(NEWEST)


def test_an_entry_that_is_in_neither_folder_is_damage(folder: Path) -> None:
    for path in (folder / LOG).glob("*checkpoint*"):
        path.unlink()
    (folder / OLDER_LOG / commit_file(1).rpartition("/")[2]).unlink()
    (defect,) = table_at(folder).defects()
    assert defect.damage == Damage.LOG_BROKEN
    assert "1 missing and 0 unreadable entries" in defect.sentence
    table_at(folder).repair()
    assert keys(table_at(folder)) == expected(NEWEST)
    assert not list((folder / OLDER_LOG).glob("*.json"))


@pytest.mark.slow
def test_a_moving_that_is_interrupted_anywhere_loses_nothing(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    for stop in range(1, 200):
        folder = tmp_path / str(stop) / "scores"
        shutil.copytree(filled, folder)
        bring_all_back(TableFolder(str(folder)))
        left = stop

        def dies(real: object, stop: int = stop) -> object:
            def call(*arguments: object, **more: object) -> object:
                nonlocal left, calls
                left -= 1
                calls = max(calls, stop - left)
                if not left:
                    raise KeyboardInterrupt
                return real(*arguments, **more)  # type: ignore[operator]

            return call

        with monkeypatch.context() as patch:
            steps = ((os, "link"), (os, "fsync"), (Path, "unlink"), (Path, "replace"))
            for owner, name in steps:
                patch.setattr(owner, name, dies(getattr(owner, name)))
            try:
                move_older(TableFolder(str(folder)), 24, [NAMED])
            except KeyboardInterrupt:
                finished = False
            else:
                finished = True
        table = table_at(folder)
        assert table.defects() == ()
        assert DeltaTable(folder).version() == NEWEST
        for version in (NEWEST, 0, 3, NAMED, 11, 15):
            assert keys(table, version) == expected(version)
        if finished:
            break
        shutil.rmtree(folder)
    else:
        pytest.fail("the moving never came to its end")
    assert calls > 40


@pytest.mark.slow
def test_no_power_cut_takes_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "store" / "scores"
    folder.parent.mkdir()
    states: list[int] = []
    told = 0

    def cut() -> None:
        if any(folder.glob(f"{OLDER_LOG}/*")) and told < 21:
            after = tmp_path / f"after-{len(states)}"
            disk.after_power_loss(after)
            states.append(told)
            copy = table_at(after / "scores")
            copy.repair(harmless_only=True)
            assert set(expected(told)) <= set(keys(copy)), told
            for version in range(0, told, 5):
                assert keys(copy, version) == expected(version)
            shutil.rmtree(after)

    disk = Disk(tmp_path / "store", monkeypatch, cut)
    table = table_at(folder, [NAMED])
    for number in range(22):
        table.upsert([row(number)])
        told = number + 1
    assert len(states) > 50


def test_where_a_file_has_one_name_only_entries_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    table = table_at(tmp_path / "scores", [NAMED])
    for number in range(NEWEST):
        table.upsert([row(number)])
    assert list((tmp_path / "scores" / OLDER_LOG).iterdir())
    assert not list((tmp_path / "scores" / OLDER_LOG).glob(".*"))
    assert keys(table, 2) == expected(2)
    assert keys(table) == expected(NEWEST)
