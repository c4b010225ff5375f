"""A database of SQLite as the file that it is: who may read it, how it is opened, and how it is
written anew.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event

BUSY_TIMEOUT_MS: Final = 30_000
"""So long SQLite waits for whoever writes."""
_OWNER_ONLY: Final = 0o600


def sqlite_engine(url: URL) -> Engine:
    """Return connections to a database, which is made if there is none and is readable by its
    owner only.

    A transaction begins with the write lock, unless its connection's option ``annulus_reads_only``
    is set; ``annulus_sync`` says whether its commit waits for the disk (``FULL``) or not
    (``NORMAL``).

    Parameters
    ----------
    url : sqlalchemy.URL
        Of the database.
    """
    if url.database and url.database != ":memory:":
        file = Path(url.database)
        file.parent.mkdir(parents=True, exist_ok=True)
        _own(file)
    engine = create_engine(url, pool_size=10, max_overflow=30, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        reads_only = options.get("annulus_reads_only", False)
        sync = options.get("annulus_sync", "FULL")
        if not reads_only and connection.info.get("annulus_sync", "FULL") != sync:
            connection.exec_driver_sql(f"PRAGMA synchronous = {sync}")
            connection.info["annulus_sync"] = sync
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    return engine


def scrub_sqlite(file: Path) -> None:
    """Write an SQLite database anew without what was removed from it, and empty its log.

    Parameters
    ----------
    file : Path
        The database, which nobody else has open.

    Raises
    ------
    sqlite3.Error
        If somebody has, or the disk is full.
    """
    connection = sqlite3.connect(file, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("VACUUM")
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("the log of the database is in use")
    finally:
        connection.close()


def _own(file: Path) -> None:
    """Let nobody else read the registry, which holds UIDs; SQLite gives its log the same mode.

    A file that belongs to somebody else, or lies on a disk without modes, is left as it is.
    """
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, _OWNER_ONLY))
        for one in (file, *(file.with_name(file.name + more) for more in ("-wal", "-shm"))):
            if one.exists():
                one.chmod(_OWNER_ONLY)
