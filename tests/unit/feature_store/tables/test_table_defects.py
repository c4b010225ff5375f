"""Each damage to a table is one sentence in words, nothing is written or removed meanwhile, and
each can be mended.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from feature_store.tables.guarded_table import StoreError
from feature_store.tables.keyed_table import KeyedTable
from feature_store.tables.table_defects import HARMLESS, Damage
from feature_store.tables.table_folder import TableFolder, commit_file

SCHEMA = pa.schema([("center", pa.string()), ("key", pa.string()), ("value", pa.float64())])
NEWEST = 4


def table_at(folder: Path | str, known: int | None = None) -> KeyedTable:
    return KeyedTable(
        str(folder), ("center", "key"), SCHEMA, compact_every=None, known_version=lambda: known
    )


def row(key: str, value: float = 1.0) -> dict[str, object]:
    return {"center": "A/B", "key": key, "value": value}


def keys(table: KeyedTable, version: int | None = None) -> list[str]:
    return sorted(table.read({}, ["key"], version).column("key").to_pylist())


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "scores"
    table = table_at(folder)
    for number in range(NEWEST):
        table.upsert([row(f"k{number}")])
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "scores")
    return tmp_path / "scores"


def data_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("center=*/*.parquet"), key=lambda path: path.stat().st_mtime_ns)


def nobody_was_told(folder: Path) -> None:
    """Leave the table as a power cut in the newest write does."""
    (folder / "_on_disk").write_text(str(NEWEST - 1))


def empty_newest(folder: Path) -> None:
    nobody_was_told(folder)
    os.truncate(folder / commit_file(NEWEST), 0)


def empty_newest_that_was_told_of(folder: Path) -> None:
    os.truncate(folder / commit_file(NEWEST), 0)


def torn_newest(folder: Path) -> None:
    nobody_was_told(folder)
    os.truncate(folder / commit_file(NEWEST), 300)


def newest_without_rows(folder: Path) -> None:
    nobody_was_told(folder)
    data_files(folder)[-1].unlink()


def newest_that_was_told_of_without_rows(folder: Path) -> None:
    data_files(folder)[-1].unlink()


def torn_checkpoint(folder: Path) -> None:
    DeltaTable(folder).create_checkpoint()
    for path in folder.glob("_delta_log/*.checkpoint.parquet"):
        os.truncate(path, 0)


def changed_checkpoint(folder: Path) -> None:
    DeltaTable(folder).create_checkpoint()
    (path,) = folder.glob("_delta_log/*.checkpoint.parquet")
    path.write_bytes(path.read_bytes().replace(b"schemaString", b"schemaStrong"))


def torn_in_the_middle(folder: Path) -> None:
    os.truncate(folder / commit_file(2), 100)


def gap(folder: Path) -> None:
    (folder / commit_file(2)).unlink()


def newest_says_something_else(folder: Path) -> None:
    nobody_was_told(folder)
    (folder / commit_file(NEWEST)).write_text('{"add":{"path":5,"size":"x"}}\n{"add":7}\n')


def checkpoint_of_another_kind(folder: Path) -> None:
    DeltaTable(folder).create_checkpoint()
    (path,) = folder.glob("_delta_log/*.checkpoint.parquet")
    shutil.copy(data_files(folder)[0], path)


def entry_of_far_away(folder: Path) -> None:
    (folder / commit_file(10**19)).write_text("{}\n")


def no_log(folder: Path) -> None:
    shutil.rmtree(folder / "_delta_log")


def empty_log(folder: Path) -> None:
    for path in (folder / "_delta_log").iterdir():
        path.unlink()


def missing_file(folder: Path) -> None:
    data_files(folder)[0].unlink()


def file_whose_end_was_changed(folder: Path) -> None:
    path = data_files(folder)[0]
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # the length of what says where the rows are: the Rust reader panics
    path.write_bytes(content)


def empty_file(folder: Path) -> None:
    os.truncate(data_files(folder)[0], 0)


ALL = {f"k{number}" for number in range(NEWEST)}
WITHOUT_NEWEST, WITHOUT_FIRST = ALL - {f"k{NEWEST - 1}"}, ALL - {"k0"}


@pytest.mark.parametrize(
    ("harm", "damage", "words", "left"),
    [
        (empty_newest, Damage.TORN_COMMIT, "version 3 is the newest that is whole", WITHOUT_NEWEST),
        (newest_says_something_else, Damage.TORN_COMMIT, "empty, torn or", WITHOUT_NEWEST),
        (checkpoint_of_another_kind, Damage.TORN_CHECKPOINT, "the log itself is whole", ALL),
        (entry_of_far_away, Damage.LOG_BROKEN, "10000 and more missing", ALL),
        (torn_newest, Damage.TORN_COMMIT, "empty, torn or without its rows", WITHOUT_NEWEST),
        (newest_without_rows, Damage.TORN_COMMIT, "without its rows", WITHOUT_NEWEST),
        (empty_newest_that_was_told_of, Damage.LOG_BROKEN, "0 missing and 1 unreadable", ALL),
        (
            newest_that_was_told_of_without_rows,
            Damage.FILE_MISSING,
            "scores, 1 is missing",
            WITHOUT_NEWEST,
        ),
        (torn_checkpoint, Damage.TORN_CHECKPOINT, "the log itself is whole", ALL),
        (changed_checkpoint, Damage.TORN_CHECKPOINT, "the log itself is whole", ALL),
        (torn_in_the_middle, Damage.LOG_BROKEN, "0 missing and 1 unreadable", ALL),
        (gap, Damage.LOG_BROKEN, "1 missing and 0 unreadable", ALL),
        (no_log, Damage.LOG_MISSING, "it is damaged, not empty", ALL),
        (empty_log, Damage.LOG_MISSING, "it is damaged, not empty", ALL),
        (missing_file, Damage.FILE_MISSING, "Of the 4 files of rows of the", WITHOUT_FIRST),
        (
            file_whose_end_was_changed,
            Damage.FILE_MISSING,
            "1 is empty, cut short or changed",
            WITHOUT_FIRST,
        ),
        (
            empty_file,
            Damage.FILE_MISSING,
            "table scores, 1 is empty, cut short or changed, which",
            WITHOUT_FIRST,
        ),
    ],
)
def test_each_damage_is_a_sentence_stops_writes_and_clean_up_and_is_mended(
    folder: Path, harm: Callable[[Path], None], damage: Damage, words: str, left: set[str]
) -> None:
    harm(folder)
    table = table_at(folder)
    before = sorted(folder.rglob("*"))
    (defect,) = table.defects()
    assert defect.damage is damage
    assert words in defect.sentence
    for attempt in (
        lambda: table.upsert([row("new")]),
        table.upkeep.compact,
        lambda: table.upkeep.remove_old(0, [], dry_run=False),
    ):
        with pytest.raises(StoreError) as refusal:
            attempt()
        said = str(refusal.value)
        assert defect.sentence in said
        assert "unknown" not in said
        assert "gone" not in said
    assert sorted(folder.rglob("*")) == before
    assert (table.repair(harmless_only=True) != []) is (damage in HARMLESS)
    table.repair()
    assert table.defects() == ()
    assert set(keys(table)) == left
    table.upsert([row("new")])
    assert set(keys(table_at(folder))) == left | {"new"}
    if damage is not Damage.TORN_CHECKPOINT:
        assert any(folder.glob("_set_aside/*/*")) or damage is Damage.FILE_MISSING


@pytest.mark.parametrize("harm", [no_log, empty_log, empty_newest, missing_file])
def test_damage_never_reads_as_an_empty_table(folder: Path, harm: Callable[[Path], None]) -> None:
    harm(folder)
    with pytest.raises(StoreError, match="store check --repair"):
        table_at(folder).read({})


def test_of_rows_written_twice_the_later_stays_when_the_log_is_made_anew(folder: Path) -> None:
    table_at(folder).upsert([row("k0", 7.0)])
    no_log(folder)
    table = table_at(folder)
    table.repair()
    found = {one["key"]: one["value"] for one in table.read({}).to_pylist()}
    assert found == {"k0": 7.0, "k1": 1.0, "k2": 1.0, "k3": 1.0}


def test_an_older_back_up_is_not_written_to_until_the_versions_between_are_given_up(
    folder: Path,
) -> None:
    table = table_at(folder, known=9)
    (defect,) = table.defects()
    assert defect.damage is Damage.OLDER
    assert "ends with version 4, and reports name its version 9" in defect.sentence
    for attempt in (
        lambda: table.upsert([row("new")]),
        lambda: table.upkeep.remove_old(0, [9], dry_run=False),
    ):
        with pytest.raises(StoreError, match="version 4"):
            attempt()
    assert len(keys(table)) == NEWEST  # what is there may be read
    assert table.repair() == ["scores: versions 5 to 9 marked as lost"]
    table.upsert([row("new")])
    assert table.version() == 10  # so that no report reads what it did not see
    with pytest.raises(StoreError, match="Version 9 of the table scores was lost when an older"):
        table.read({}, version=9)
    assert keys(table, 4) == sorted(ALL)


def test_a_table_that_reports_name_and_that_is_not_there_is_no_empty_table(tmp_path: Path) -> None:
    table = table_at(tmp_path / "scores", known=3)
    with pytest.raises(StoreError, match="is not there, and reports name its version 3"):
        table.upsert([row("new")])
    table.repair()
    table.upsert([row("new")])
    assert table.version() == 4


def test_a_version_whose_files_nobody_removed_is_not_called_gone(folder: Path) -> None:
    table = table_at(folder)
    table.upsert([row("k0", 2.0)])
    data_files(folder)[0].unlink()
    with pytest.raises(StoreError, match="no clean-up has removed them"):
        table.read({}, version=1)
    assert len(keys(table)) == NEWEST


def test_a_version_whose_log_lost_an_earlier_entry_is_not_read_without_it(folder: Path) -> None:
    table = table_at(folder)
    DeltaTable(folder).create_checkpoint()
    os.truncate(folder / commit_file(2), 0)
    assert set(keys(table)) == ALL  # the summary says what counts now
    assert table.defects() == ()
    assert set(keys(table, 1)) == {"k0"}
    for version in (2, 3):
        with pytest.raises(StoreError, match=f"Files of version {version} .* are missing"):
            keys(table, version)


@pytest.mark.parametrize("what", ["table", "log"])
def test_something_else_in_the_place_of_a_folder_is_said(folder: Path, what: str) -> None:
    place = folder if what == "table" else folder / "_delta_log"
    shutil.rmtree(place)
    place.write_text("something else")
    table = table_at(folder)
    for ask in (lambda: keys(table), table.defects, lambda: table.upsert([row("k9")])):
        with pytest.raises(StoreError, match="something else lies in the place of its folder"):
            ask()


def test_something_else_in_the_place_of_the_store_is_no_empty_table(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("something else")
    table = table_at(folder / "clinical")
    for ask in (lambda: keys(table), table.defects, lambda: table.upsert([row("k9")])):
        with pytest.raises(StoreError, match="something else lies in the place of its folder"):
            ask()


@pytest.mark.parametrize(
    ("written", "instead", "sentence"),
    [
        ('"minReaderVersion":1', '"minReaderVersion":9', "asks for a newer Delta Lake than this"),
        ('"schemaString":"{', '"schemaString":"[', "what its log says of the table cannot be"),
    ],
)
def test_a_log_of_another_sense_is_said_in_words(
    folder: Path, written: str, instead: str, sentence: str
) -> None:
    first = folder / commit_file(0)
    content = first.read_text()
    assert written in content
    first.write_text(content.replace(written, instead))
    with pytest.raises(StoreError, match=sentence) as error:
        table_at(folder).defects()
    assert "unknown" not in str(error.value)


def test_rows_that_the_disk_has_changed_are_said_in_words(folder: Path) -> None:
    for path in data_files(folder):
        content = bytearray(path.read_bytes())
        content[4:40] = bytes(36)
        path.write_bytes(content)
    with pytest.raises(StoreError, match="the bytes of a file of rows were changed on the disk"):
        keys(table_at(folder))


def test_a_table_knows_the_newest_version_that_somebody_was_told_of(folder: Path) -> None:
    there = TableFolder(str(folder))
    assert there.newest_on_disk() == NEWEST
    table_at(folder).upsert([row("new")])
    assert there.newest_on_disk() == NEWEST + 1
    (folder / "_on_disk").write_text("")  # as a power cut leaves it
    assert there.newest_on_disk() == -1
    assert table_at(folder).defects() == ()
