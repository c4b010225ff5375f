"""The registry's transactions, on SQLite in the node's folder or on PostgreSQL by URL."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Table,
    TextClause,
    create_engine,
    inspect,
    make_url,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError, StatementError

from dicom_node.clock import Clock
from dicom_node.errors import (
    DamagedRegistryError,
    NodeError,
    RegistryUnavailableError,
    UnstorableRecordError,
    UnwritableRegistryError,
)
from dicom_node.registry.migrations import upgrade
from dicom_node.registry.schema import SCHEMA_VERSION, metadata, schema_versions
from dicom_node.registry.sqlite_file import BUSY_TIMEOUT_MS, scrub_sqlite, sqlite_engine

_LONGEST_WAIT: Final = timedelta(days=1)
_LOOK_S: Final = 0.02
_LOOK_WHILE_BUSY_S: Final = 0.005
_BUSY_S: Final = 5.0
"""So long after a commit another one is likely: a study is coming in, or is being scored."""
_SCHEMA_LOCK: Final = 0x414E4E55
_DAMAGED: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_UNWRITABLE: Final = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    )
)
_UNWRITABLE_CLASSES: Final = frozenset(("08", "25", "40", "53", "55", "57", "58"))
"""PostgreSQL's classes of errors for the same (its manual, appendix A)."""
_UNDEFINED_TABLE: Final = "42P01"
"""PostgreSQL's name of the error (its manual, appendix A)."""


class Database:
    """Transactions on the registry's tables.

    Parameters
    ----------
    url : str
        SQLAlchemy URL.
    clock : callable
        Returns the current time.

    Raises
    ------
    DamagedRegistryError
        If its file is no database or its tables are not whole.
    RegistryUnavailableError
        If the registry cannot be opened, or was made by a newer version.

    Attributes
    ----------
    is_new : bool
        Whether there was no registry before.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self.now = clock
        self.is_new = False
        self._engine = _engine(url)
        self._is_sqlite = self._engine.dialect.name == "sqlite"
        self._file = self._engine.url.database if self._is_sqlite else None
        self._kept = threading.local()
        # Writers of one process take turns here, because SQLite's own waiting is a poll.
        self._turn: AbstractContextManager[Any] = (
            threading.RLock() if self._is_sqlite else nullcontext()
        )
        try:
            self._create_tables()
        except RegistryUnavailableError:
            self.close()
            raise

    @contextmanager
    def write(self, *, can_be_rebuilt: bool = False) -> Iterator[Connection]:
        """Open a transaction that commits on exit; on SQLite it holds the write lock from its first
        statement on.

        Parameters
        ----------
        can_be_rebuilt : bool
            Whether the files of the archive hold the same facts, so that SQLite need not wait for
            the disk: after a loss of power the reindexing at the start brings them back. Any later
            commit of another kind waits for it.

        Raises
        ------
        RegistryUnavailableError
            If anything in it could not be done; then nothing of it was.
        UnstorableRecordError
            If that lies in a value, so that it could not be done at any time.
        """
        with self._turn, _as_node_error(), self._engine.connect() as connection:
            connection.execution_options(annulus_sync="NORMAL" if can_be_rebuilt else "FULL")
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a consistent view that never waits for a writer.

        Raises
        ------
        RegistryUnavailableError
            If the registry cannot be read.
        """
        with _as_node_error(), self._engine.connect() as connection:
            connection.execution_options(annulus_reads_only=True)
            with connection.begin():
                yield connection

    def first(self, query: str, parameters: Mapping[str, str]) -> tuple[Any, ...] | None:
        """Return the first row of a short query that is asked for every instance, without a
        transaction's ceremony.

        Parameters
        ----------
        query : str
            SQL with ``:name`` for each parameter.
        parameters : mapping of str to str
            Their values.

        Raises
        ------
        RegistryUnavailableError
            If the registry cannot be read.
        """
        if self._file is None:
            with self.read() as connection:
                row = connection.execute(text(query), parameters).first()
            return None if row is None else tuple(row)
        try:
            own = getattr(self._kept, "connection", None)
            if own is None:
                own = sqlite3.connect(
                    self._file, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None
                )
                own.execute("PRAGMA query_only = ON")
                self._kept.connection = own
            row_found: tuple[Any, ...] | None = own.execute(query, parameters).fetchone()
        except sqlite3.Error as error:
            if _is_damage(error):
                raise _damaged(f"its file cannot be read ({type(error).__name__})") from error
            raise RegistryUnavailableError(
                f"The registry did not answer ({type(error).__name__}): check that its database is "
                "reachable."
            ) from error
        return row_found

    def wait_for_change(self, stop: threading.Event, timeout_s: float) -> None:
        """Wait until anybody has committed since this thread's last waiting, or `stop` is set, or
        the time is over.

        SQLite counts commits for whoever asks, which costs microseconds: we ask more often for some
        seconds after one. On PostgreSQL the time is waited out.

        Parameters
        ----------
        stop : threading.Event
            Ends the waiting.
        timeout_s : float
            Longest time, seconds.

        Raises
        ------
        RegistryUnavailableError
            If the registry cannot be read.
        """
        if self._file is None:
            stop.wait(timeout_s)
            return
        now = time.monotonic()
        deadline = now + timeout_s
        busy_until = getattr(self._kept, "committed_at", now) + _BUSY_S
        while (left := deadline - now) > 0:
            if stop.wait(min(left, _LOOK_WHILE_BUSY_S if now < busy_until else _LOOK_S)):
                return
            commits, now = self.first("PRAGMA data_version", {}), time.monotonic()
            if commits != getattr(self._kept, "commits", None):
                self._kept.commits, self._kept.committed_at = commits, now
                return

    def is_due(self, due_at: Column[datetime]) -> ColumnElement[bool]:
        """Return the condition that a time has come.

        One that lies further ahead than we ever wait was written before the clock was set back, and
        has come too.
        """
        now = self.now()
        return or_(due_at <= now, due_at > now + _LONGEST_WAIT)

    def among(self, column: str, values: Collection[str]) -> tuple[TextClause, dict[str, Any]]:
        """Return the condition that a column holds one of some texts, and its parameters; of one
        form however many they are, so that it is prepared once.
        """
        if self._is_sqlite:
            inside = "IN (SELECT value FROM json_each(:among))"
            return text(f"{column} {inside}"), {"among": json.dumps(list(values))}
        return text(f"{column} = ANY(:among)"), {"among": list(values)}

    def insert(self, table: Table) -> Any:
        """Return the dialect's INSERT, which knows ON CONFLICT."""
        return sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)

    def check(self) -> None:
        """Look through the whole file of a registry on SQLite, some seconds for each gigabyte;
        PostgreSQL minds its own.

        Raises
        ------
        DamagedRegistryError
            If a part of it cannot be read.
        """
        if not self._is_sqlite:
            return
        with self.read() as connection:
            found = connection.scalar(text("PRAGMA quick_check(1)"))
        if found != "ok":
            raise _damaged("a page of its file is not what it must be")

    def scrub(self) -> None:
        """Write the database anew without what was removed from it, and empty its log; nobody else
        may have it open.

        Raises
        ------
        RegistryUnavailableError
            If that cannot be done.
        """
        if self._file is None:
            with (
                _as_node_error(),
                self._engine.connect().execution_options(
                    isolation_level="AUTOCOMMIT"
                ) as connection,
            ):
                connection.execute(text("VACUUM (FULL)"))
            return
        self._kept = threading.local()
        self._engine.dispose()
        try:
            scrub_sqlite(Path(self._file))
        except sqlite3.Error as error:
            raise RegistryUnavailableError(
                f"The registry cannot be written anew ({type(error).__name__}): stop whatever has "
                "it open, and see that the disk has room for a second copy."
            ) from error

    def close(self) -> None:
        """Close every connection, so that SQLite writes its log back and removes it; those that
        other threads kept go with them.
        """
        own = getattr(self._kept, "connection", None)
        if own is not None:
            own.close()
            del self._kept.connection
        self._engine.dispose()

    def _create_tables(self) -> None:
        with self.write() as connection:
            if not self._is_sqlite:
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK}
                )
            self._check_tables(connection)
            metadata.create_all(connection)
            upgrade(connection, metadata)
            connection.execute(
                self.insert(schema_versions).values(version=SCHEMA_VERSION).on_conflict_do_nothing()
            )
            newest = max(connection.scalars(select(schema_versions.c.version)))
        if newest > SCHEMA_VERSION:
            raise RegistryUnavailableError(
                f"The registry has schema version {newest}, expected at most {SCHEMA_VERSION}: it "
                "was used by a newer version of Annulus; run that one."
            )

    def _check_tables(self, connection: Connection) -> None:
        """Refuse a registry of this version that lacks a table: made anew, it would be empty, and
        nobody would hear of what is lost.
        """
        here = set(inspect(connection).get_table_names())
        self.is_new = schema_versions.name not in here
        if self.is_new and not here.isdisjoint(metadata.tables):
            raise _damaged(f"it lacks its table {schema_versions.name}")
        if self.is_new:
            return
        lacking = sorted(metadata.tables.keys() - here)
        newest = max(connection.scalars(select(schema_versions.c.version)), default=0)
        if lacking and newest == SCHEMA_VERSION:
            tables = "table" if len(lacking) == 1 else "tables"
            raise _damaged(f"it lacks its {tables} {', '.join(lacking)}")


def _damaged(what: str) -> DamagedRegistryError:
    return DamagedRegistryError(
        f"The registry is damaged: {what}. Stop everything that uses it and put it back from a "
        "back-up; without one, move it away (registry.sqlite, -wal and -shm, or the schema on "
        "PostgreSQL). Then `python -m dicom_node reindex` indexes what the archive holds: "
        "deploy/guide/operations.md, Restore."
    )


def _is_damage(error: BaseException | None) -> bool:
    """Say whether an error of a driver means that the registry itself is not whole."""
    if isinstance(error, sqlite3.Error):
        # Extended codes hold the kind of error in their last byte.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return code in _DAMAGED or str(error).startswith("no such table")
    return getattr(error, "sqlstate", None) == _UNDEFINED_TABLE


def _is_of_all(error: BaseException | None) -> bool:
    """Say whether an error of a driver lies in no record: no transaction with anything to write
    would commit, though one without may.
    """
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNWRITABLE
    return str(getattr(error, "sqlstate", None) or "")[:2] in _UNWRITABLE_CLASSES


@contextmanager
def _as_node_error() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise UnstorableRecordError(
            f"The registry cannot hold a record as it is ({type(error).__name__}): its object is "
            "set aside; have it sent again from an undamaged copy."
        ) from error
    except SQLAlchemyError as error:
        if isinstance(error, StatementError) and isinstance(error.orig, NodeError):
            raise error.orig from error
        if isinstance(error, DBAPIError) and _is_damage(error.orig):
            raise _damaged(f"it cannot be read ({type(error.orig).__name__})") from error
        is_whole = isinstance(error, DBAPIError) and _is_of_all(error.orig)
        # The driver's own words may hold values of a row, so only the kind of error is told.
        raise (UnwritableRegistryError if is_whole else RegistryUnavailableError)(
            f"The registry did not answer or did not commit ({type(error).__name__}): check that "
            "its database is reachable, writable and not full."
        ) from error


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return sqlite_engine(parsed)
    return create_engine(
        parsed, pool_pre_ping=True, pool_size=10, max_overflow=30, hide_parameters=True
    )
