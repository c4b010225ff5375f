"""The registry's tables and its transactions, on SQLite in the node's folder or on PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
    make_url,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.clock import Clock
from dicom_node.errors import RegistryUnavailableError
from dicom_node.schema_upgrade import upgrade

SCHEMA_VERSION: Final = 2
"""2 added `releases`, and deliveries that belong to no study; an older registry is brought up to it when opened."""
_BUSY_TIMEOUT_MS: Final = 30_000
_LONGEST_WAIT: Final = timedelta(days=1)
_SCHEMA_LOCK: Final = 0x414E4E55


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept as UTC, because SQLite keeps no time zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into naive UTC."""
        del dialect
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn naive UTC into an aware time."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


_KEY = String(16)
_DIGEST = String(64)
_UID = String(64)
_CENTER = String(32)

metadata = MetaData()

schema_versions = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

centers = Table(
    "centers",
    metadata,
    Column("name", _CENTER, primary_key=True),
    Column("wants_reports", Boolean, nullable=False),
)

studies = Table(
    "studies",
    metadata,
    Column("study_key", _KEY, primary_key=True),
    Column("patient_key", _KEY, nullable=False),
    Column("center", _CENTER, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("sentence", Text),
    Column("is_open", Boolean, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("last_instance_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("open_studies", "is_open", "center", "last_instance_at"),
)

instances = Table(
    "instances",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("center", _CENTER, nullable=False),
    Column("instance_key", _KEY, nullable=False),
    Column("study_key", ForeignKey("studies.study_key"), nullable=False, index=True),
    Column("patient_key", _KEY, nullable=False),
    Column("sop_instance_uid", _UID, nullable=False),
    Column("sop_class_uid", _UID, nullable=False),
    Column("series_instance_uid", _UID, nullable=False),
    Column("frame_of_reference_uid", _UID),
    Column("plane", Text),
    Column("content_sha256", _DIGEST, nullable=False),
    Column("relative_path", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    UniqueConstraint("center", "instance_key"),
    Index("instances_of_study", "study_key", "sop_instance_uid"),
)

manifests = Table(
    "manifests",
    metadata,
    Column("instance_id", ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True),
    Column("study_key", ForeignKey("studies.study_key"), nullable=False, index=True),
    Column("frame_of_reference_uid", _UID),
    Column("contour_bounds_mm", Text),
    Column("made_at", Text, nullable=False),
)

references = Table(
    "manifest_references",
    metadata,
    Column("manifest_id", ForeignKey("manifests.instance_id", ondelete="CASCADE"), primary_key=True),
    Column("sop_instance_uid", _UID, primary_key=True),
)

damaged = Table(
    "damaged_instances",
    metadata,
    Column("study_key", ForeignKey("studies.study_key"), primary_key=True),
    Column("sop_instance_uid", _UID, primary_key=True),
    Column("series_instance_uid", _UID, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_key", ForeignKey("studies.study_key"), nullable=False),
    Column("patient_key", _KEY, nullable=False),
    Column("center", _CENTER, nullable=False),
    Column("content_digest", _DIGEST, nullable=False),
    Column("instance_keys", Text, nullable=False),
    Column("warnings", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("owner", Text),
    Column("due_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("flow_run_id", Text),
    Column("sentence", Text),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("study_key", "content_digest"),
    Index("due_outbox", "state", "due_at"),
)

results = Table(
    "results",
    metadata,
    Column("study_key", ForeignKey("studies.study_key"), primary_key=True),
    Column("content_digest", _DIGEST, primary_key=True),
    Column("model_digest", _DIGEST, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("sentence", Text),
    Column("finished_at", UtcDateTime, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_key", ForeignKey("studies.study_key"), nullable=False, index=True),
    Column("content_digest", _DIGEST, nullable=False),
    Column("released_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("waived", Text, nullable=False),
    Column("released_at", UtcDateTime, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    # Of a study that was received, or of the one that a centre's report is.
    Column("study_key", _KEY, nullable=False),
    Column("content_digest", _DIGEST, nullable=False),
    Column("model_digest", _DIGEST, nullable=False),
    Column("center", _CENTER, nullable=False),
    Column("path", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("delivered_at", UtcDateTime, index=True),
    Column("sentence", Text),
    UniqueConstraint("study_key", "content_digest", "model_digest"),
)

delivery_commitments = Table(
    "delivery_commitments",
    metadata,
    Column("delivery_id", ForeignKey("deliveries.id"), primary_key=True),
    Column("transaction_uid", _UID, nullable=False, unique=True),
    Column("asked_at", UtcDateTime, nullable=False),
)

commitment_requests = Table(
    "commitment_requests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("center", _CENTER, nullable=False),
    Column("ae_title", String(16), nullable=False),
    Column("transaction_uid", _UID, nullable=False),
    Column("refs", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("reported_at", UtcDateTime, index=True),
    Column("sentence", Text),
    UniqueConstraint("center", "ae_title", "transaction_uid"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("center", _CENTER, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("reported", Boolean, nullable=False),
    UniqueConstraint("kind", "center", "subject"),
)


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
    RegistryUnavailableError
        If the registry cannot be opened, or was made by a newer version.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self.now = clock
        self._engine = _engine(url)
        self._is_sqlite = self._engine.dialect.name == "sqlite"
        self._file = self._engine.url.database if self._is_sqlite else None
        self._kept = threading.local()
        # Writers of one process take turns here, because SQLite's own waiting is a poll.
        self._turn: AbstractContextManager[Any] = threading.RLock() if self._is_sqlite else nullcontext()
        try:
            self._create_tables()
        except RegistryUnavailableError:
            self.close()
            raise

    @contextmanager
    def write(self, *, can_be_rebuilt: bool = False) -> Iterator[Connection]:
        """Open a transaction that commits on exit; on SQLite it holds the write lock from its first statement on.

        Parameters
        ----------
        can_be_rebuilt : bool
            Whether the files of the archive hold the same facts, so that SQLite need not wait for the disk: after a
            loss of power the reindexing at the start brings them back. Any later commit of another kind waits for it.

        Raises
        ------
        RegistryUnavailableError
            If anything in it could not be done; then nothing of it was.
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
        """Return the first row of a short query that is asked for every instance, without a transaction's ceremony.

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
                own = sqlite3.connect(self._file, timeout=_BUSY_TIMEOUT_MS / 1000, isolation_level=None)
                own.execute("PRAGMA query_only = ON")
                self._kept.connection = own
            row_found: tuple[Any, ...] | None = own.execute(query, parameters).fetchone()
        except sqlite3.Error as error:
            raise RegistryUnavailableError(
                f"the registry did not answer ({type(error).__name__}): check that its database is reachable"
            ) from error
        return row_found

    def is_due(self, due_at: Column[datetime]) -> ColumnElement[bool]:
        """Return the condition that a time has come.

        One that lies further ahead than we ever wait was written before the clock was set back, and has come too.
        """
        now = self.now()
        return or_(due_at <= now, due_at > now + _LONGEST_WAIT)

    def insert(self, table: Table) -> Any:
        """Return the dialect's INSERT, which knows ON CONFLICT."""
        return sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _create_tables(self) -> None:
        with self.write() as connection:
            if not self._is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
            metadata.create_all(connection)
            upgrade(connection, metadata)
            connection.execute(self.insert(schema_versions).values(version=SCHEMA_VERSION).on_conflict_do_nothing())
            newest = max(connection.scalars(select(schema_versions.c.version)))
        if newest > SCHEMA_VERSION:
            raise RegistryUnavailableError(
                f"the registry has schema version {newest}, expected at most {SCHEMA_VERSION}: it was used by a newer "
                "version of Annulus; run that one"
            )


@contextmanager
def _as_node_error() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # The driver's own words may hold values of a row, so only the kind of error is told.
        raise RegistryUnavailableError(
            f"the registry did not answer or did not commit ({type(error).__name__}): check that its database is "
            "reachable, writable and not full"
        ) from error


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, pool_size=10, max_overflow=30, hide_parameters=True)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, pool_size=10, max_overflow=30, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
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
