"""The database: a commit ends the waiting for one, and one that cannot be used says why."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from dicom_node.errors import (
    DamagedRegistryError,
    IncidentKind,
    RegistryUnavailableError,
    UnwritableRegistryError,
)
from dicom_node.registry.registry import open_registry
from dicom_node.registry.schema import SCHEMA_VERSION, incidents, schema_versions
from dicom_node.settings import NodeTable
from tests.support.intake_bench import Bench, ct_slice

LONG_S = 300.0


def _see_what_is_here(bench: Bench) -> None:
    """Wait until this thread has seen every commit so far."""
    bench.registry.wait_for_change(threading.Event(), 0.1)
    bench.registry.wait_for_change(threading.Event(), 0.1)


@pytest.mark.sqlite_only
def test_a_commit_of_another_thread_ends_the_waiting(bench: Bench) -> None:
    is_ready = threading.Event()

    def wait() -> None:
        _see_what_is_here(bench)
        is_ready.set()
        bench.registry.wait_for_change(threading.Event(), LONG_S)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert is_ready.wait(30)
    bench.push(ct_slice(0))
    waiting.join(30)
    assert not waiting.is_alive()


@pytest.mark.sqlite_only
def test_what_was_committed_before_the_waiting_began_is_not_missed(bench: Bench) -> None:
    _see_what_is_here(bench)
    bench.push(ct_slice(0))
    began = time.monotonic()
    bench.registry.wait_for_change(threading.Event(), LONG_S)
    assert time.monotonic() - began < LONG_S / 10


def test_without_a_commit_the_time_is_waited_out(bench: Bench) -> None:
    _see_what_is_here(bench)
    began = time.monotonic()
    bench.registry.wait_for_change(threading.Event(), 0.2)
    assert time.monotonic() - began >= 0.2


def test_whoever_is_told_to_stop_waits_no_more(bench: Bench) -> None:
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    bench.registry.wait_for_change(stop, LONG_S)
    assert time.monotonic() - began < LONG_S / 10


def test_the_registry_of_a_newer_version_is_refused(bench: Bench) -> None:
    with bench.registry._database.write() as connection:
        connection.execute(schema_versions.insert().values(version=SCHEMA_VERSION + 1))
    with pytest.raises(RegistryUnavailableError, match="used by a newer version of Annulus"):
        open_registry(NodeTable(folder=bench.folder, registry_url=bench.registry_url))


def test_a_registry_that_cannot_be_reached_is_told_without_values(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite").mkdir()
    with pytest.raises(RegistryUnavailableError, match=r"not commit \(OperationalError\): check"):
        open_registry(NodeTable(folder=tmp_path))


def test_that_nothing_can_be_written_is_told_apart_from_a_record_that_cannot(bench: Bench) -> None:
    database, is_sqlite = bench.registry.incidents._database, bench.registry_url is None
    no_room = "PRAGMA max_page_count = 1" if is_sqlite else "SET TRANSACTION READ ONLY"
    row = incidents.insert().values(
        kind=IncidentKind.LOW_DISK,
        center="alpha",
        subject="archive",
        sentence="x" * 1_000_000,
        count=1,
        first_at=database.now(),
        last_at=database.now(),
        reported=False,
    )

    def write() -> None:
        with database.write() as connection:
            connection.execute(text(no_room))
            connection.execute(row)

    with pytest.raises(UnwritableRegistryError, match="not full"):
        write()
    with pytest.raises(RegistryUnavailableError) as found, database.write() as connection:
        connection.execute(text("INSERT INTO incidents (nothing) VALUES (1)"))
    assert not isinstance(found.value, UnwritableRegistryError)


def test_a_file_that_is_no_database_is_damaged_and_told_without_values(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(DamagedRegistryError, match=r"cannot be read \(DatabaseError\)\. Stop"):
        open_registry(NodeTable(folder=tmp_path))
