"""SQLite's file is read by its owner only, and what was removed from it is gone when it is written
anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.registry.sqlite_file import scrub_sqlite
from tests.support.intake_bench import Bench, ct_slice


@pytest.mark.sqlite_only
def test_the_registry_is_readable_by_its_owner_only(bench: Bench) -> None:
    bench.push(ct_slice(0))
    files = list(bench.folder.glob("registry.sqlite*"))
    assert len(files) == 3
    assert {one.stat().st_mode & 0o777 for one in files} == {0o600}
    bench.close()
    (bench.folder / "registry.sqlite").chmod(0o644)  # as an earlier version left it
    bench.reopen().close()
    assert (bench.folder / "registry.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.sqlite_only
def test_commits_wait_for_the_disk_unless_the_archive_holds_the_same(bench: Bench) -> None:
    for can_be_rebuilt, expected in ((True, 1), (False, 2), (True, 1)):
        with bench.registry._database.write(can_be_rebuilt=can_be_rebuilt) as connection:
            found = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
        assert found == expected  # 1 is NORMAL, 2 is FULL


@pytest.fixture
def people(tmp_path: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """A database in which one of two names was removed, and a connection to it."""
    file = tmp_path / "people.sqlite"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("CREATE TABLE people (name TEXT)")
    connection.executemany("INSERT INTO people VALUES (?)", [("Erika",), ("Hans",)])
    connection.execute("DELETE FROM people WHERE name = 'Erika'")
    yield file, connection
    connection.close()


def test_what_was_removed_is_in_no_byte_of_a_file_that_is_written_anew(
    people: tuple[Path, sqlite3.Connection],
) -> None:
    file, connection = people
    assert any(b"Erika" in one.read_bytes() for one in file.parent.iterdir())
    scrub_sqlite(file)
    assert not any(b"Erika" in one.read_bytes() for one in file.parent.iterdir())
    assert connection.execute("SELECT name FROM people").fetchall() == [("Hans",)]


def test_a_database_that_is_in_use_is_not_written_anew(
    people: tuple[Path, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, connection = people
    monkeypatch.setattr("dicom_node.registry.sqlite_file.BUSY_TIMEOUT_MS", 10)
    connection.execute("BEGIN")
    connection.execute("SELECT name FROM people").fetchall()
    with pytest.raises(sqlite3.OperationalError, match="the log of the database is in use"):
        scrub_sqlite(file)
