"""A Delta table with one row per key: written by idempotent MERGE from several processes, read at
any version.

Columns may be added from release to release: a table that lacks one is read with empty values, and
gets it with the next write. A table with columns that are not known here was written by newer
software, and is left alone.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from feature_store.errors import FeatureStoreError
from feature_store.tables.compaction_lease import compaction_lease
from feature_store.tables.storage_errors import in_words

WRITTEN_AT = "written_at"
ROW_DIGEST = "row_digest"
_ATTEMPTS = 40
_LONGEST_WAIT_S = 1.0
_LEAST_HOURS = 1
"""Files that another process has just begun to write are younger than this, and are never removed.
"""
_FOREVER = "interval 36500 days"


class StoreError(FeatureStoreError, RuntimeError):
    """A table of the feature store cannot be read or written as asked."""


@dataclass(frozen=True)
class KeyedTable:
    """A Delta table with one row per key.

    Parameters
    ----------
    uri : str
        Folder or object-store URL of the table.
    key : tuple of str
        Names of the columns that identify a row. They come first in `schema`.
    schema : pyarrow.Schema
        Columns of a row as callers give them; when it was written, and a digest of its content, are
        added.
    partition : str
        The key column by which files are kept apart: writers of different partitions never meet.
    storage_options : mapping of str to str
        Access to an object store, as `deltalake` takes it.
    compact_every : int or None
        Versions after which small files are joined; `None` for tables whose rows are large files of
        their own.
    """

    uri: str
    key: tuple[str, ...]
    schema: pa.Schema
    partition: str = "center"
    storage_options: Mapping[str, str] = field(default_factory=dict)
    compact_every: int | None = 100

    def version(self) -> int | None:
        """Return the newest version; `None` while nothing has been written."""
        table = self._open(None)
        return None if table is None else int(table.version())

    def version_at(self, moment: datetime) -> int | None:
        """Return the newest version that was there at an aware moment; `None` if nothing had been
        written.
        """
        table = self._open(None)
        if table is None:
            return None
        table.load_as_version(moment)
        return int(table.version()) or None  # before its first rows, version 0 is the answer

    def is_readable(self, version: int) -> bool:
        """Say whether the files of a version are still there."""
        try:
            self.read({}, [WRITTEN_AT], version)
        except StoreError:
            return False
        return True

    def upsert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, or replace those with the same key.

        A row that is there already with the same content is left alone, so that a repeated write
        makes no new version.

        Parameters
        ----------
        rows : sequence of mapping
            Values by column name; no two with the same key, all in one partition.

        Raises
        ------
        StoreError
            If the table cannot be written, or other writers were faster in each of many attempts.
        """
        if not rows:
            return
        source = self._source(rows)
        predicate = " AND ".join(f"target.{name} = source.{name}" for name in self.key)
        # a literal lets Delta Lake see that writers of other partitions do not conflict
        predicate = f"target.{self.partition} = {_literal(rows[0][self.partition])} AND {predicate}"
        for attempt in range(_ATTEMPTS):
            table = self._open_or_create()
            before = table.version()
            try:
                self._evolve(table)
                # without streaming, the keys' smallest and largest values are known and other files
                # are not read
                merge = table.merge(source, predicate, "source", "target", streamed_exec=False)
                merge = merge.when_matched_update_all(f"target.{ROW_DIGEST} <> source.{ROW_DIGEST}")
                merge.when_not_matched_insert_all().execute()
            except CommitFailedError:
                time.sleep(
                    min(_LONGEST_WAIT_S, 0.01 * 2**attempt) * (0.5 + secrets.randbelow(1000) / 1000)
                )
            except (DeltaError, OSError) as error:
                raise StoreError(
                    f"The table {self._name} cannot be written: {in_words(error)}."
                ) from error
            else:
                is_new_version = table.version() > before
                if (
                    is_new_version
                    and self.compact_every is not None
                    and table.version() % self.compact_every == 0
                ):
                    self.compact()
                return
        raise StoreError(
            f"The table {self._name} could not be written in {_ATTEMPTS} attempts, expected to be "
            "the only writer in one of them: other processes write to it without pause. Start "
            "fewer at once."
        )

    def read(
        self,
        equal: Mapping[str, str | None],
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """Read rows.

        Parameters
        ----------
        equal : mapping of str to str or None
            Values that columns must have; `None` stands for any.
        columns : sequence of str, optional
            Columns to read; all by default.
        version : int, optional
            Version of the table; the newest by default.

        Returns
        -------
        pyarrow.Table
            The rows in no particular order; none while nothing has been written.

        Raises
        ------
        StoreError
            If there is no such version, newer software wrote it, or the files cannot be read.
        """
        schema = self._schema_of(columns)
        table = self._open(version)
        if table is None:
            return schema.empty_table()
        wanted = {name: value for name, value in equal.items() if value is not None}
        absent = {column.name for column in self._absent_columns(table)}
        if not absent.isdisjoint(wanted):
            return schema.empty_table()
        predicate = " AND ".join(f"{name} = {_literal(value)}" for name, value in wanted.items())
        present = [name for name in schema.names if name not in absent]
        try:
            # not to_pyarrow_table: its filters fail where a file's smallest and largest text differ
            rows = pa.table(table.scan(columns=present, predicate=predicate or None))
        except (DeltaError, OSError, pa.ArrowException) as error:
            if version is not None and "not found" in str(error):
                raise StoreError(
                    f"Version {version} of the table {self._name} is gone: a compaction removed "
                    "files that only it used. Ask for a version that a report or bundle names, or "
                    "for a newer one."
                ) from error
            raise StoreError(
                f"The table {self._name} cannot be read: {in_words(error)}."
            ) from error
        for name in schema.names:
            if name in absent:
                rows = rows.append_column(
                    schema.field(name), pa.nulls(rows.num_rows, schema.field(name).type)
                )
        return rows.select(schema.names).cast(schema)

    def empty(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return what `read` returns while nothing has been written."""
        return self._schema_of(columns).empty_table()

    def compact(self) -> bool:
        """Join small files into large ones; the rows stay the same and every earlier version stays
        readable.

        Returns
        -------
        bool
            Whether it was done, or nothing was to do; `False` when another process is at it, or
            writes all the time.

        Raises
        ------
        StoreError
            If the table cannot be read or written.
        """
        if self.compact_every is None or self._open(None) is None:
            return True
        try:
            with compaction_lease(self.uri, self.storage_options) as is_free:
                table = self._open(
                    None
                )  # as it is under the lease: who held it before may have compacted
                if is_free and table is not None:
                    table.optimize.compact()
                return is_free
        except CommitFailedError:
            return False  # somebody writes: a later compaction will do
        except (DeltaError, OSError) as error:
            raise StoreError(
                f"The table {self._name} cannot be compacted: {in_words(error)}."
            ) from error

    def remove_old(self, keep_days: float, keep_versions: Sequence[int], *, dry_run: bool) -> int:
        """Remove files that no version of the last days, and none of those named, needs.

        Parameters
        ----------
        keep_days : float
            Files that were in use so many days ago or later stay.
        keep_versions : sequence of int
            Versions that stay readable, however old.
        dry_run : bool
            Whether to count only.

        Returns
        -------
        int
            Number of files removed, or that would be.

        Raises
        ------
        StoreError
            If the files cannot be looked through.
        """
        table = self._open(None)
        if table is None:
            return 0
        there = [version for version in keep_versions if version <= table.version()]
        try:
            removed = table.vacuum(
                retention_hours=max(_LEAST_HOURS, round(keep_days * 24)),
                enforce_retention_duration=False,
                dry_run=dry_run,
                full=True,
                keep_versions=sorted({*there, int(table.version())}),
            )
        except (DeltaError, OSError) as error:
            raise StoreError(
                f"The table {self._name} cannot be cleaned: {in_words(error)}."
            ) from error
        return len(removed)

    @property
    def _name(self) -> str:
        return self.uri.rstrip("/").rsplit("/", 1)[-1]

    def _schema_of(self, columns: Sequence[str] | None) -> pa.Schema:
        schema = self._full_schema()
        return schema if columns is None else pa.schema([schema.field(name) for name in columns])

    def _full_schema(self) -> pa.Schema:
        added = [pa.field(WRITTEN_AT, pa.timestamp("us", "UTC")), pa.field(ROW_DIGEST, pa.string())]
        keys = len(self.key)
        return pa.schema([*list(self.schema)[:keys], *added, *list(self.schema)[keys:]])

    def _absent_columns(self, table: DeltaTable) -> list[Any]:
        """Return the columns that a table does not have yet, as Delta fields; refuse one that is
        ahead of us.
        """
        there = {column.name: column.type for column in table.schema().fields}
        ours = {column.name: column for column in Schema.from_arrow(self._full_schema()).fields}
        strange = [
            name for name, kind in there.items() if name not in ours or ours[name].type != kind
        ]
        if strange:
            raise StoreError(
                f"The table {self._name} has columns that this version of Annulus does not know as "
                f"they are there: {', '.join(strange)}. It was written by a newer version: run "
                "that one, or a version of the store from before the upgrade."
            )
        return [column for name, column in ours.items() if name not in there]

    def _evolve(self, table: DeltaTable) -> None:
        """Give a table that an earlier release made the columns that were added since."""
        absent = self._absent_columns(table)
        if absent:
            table.alter.add_columns(absent)

    def _source(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        now = datetime.now(UTC)
        full = [{**row, WRITTEN_AT: now, ROW_DIGEST: _digest(row)} for row in rows]
        return pa.Table.from_pylist(full, schema=self._full_schema())

    def _open(self, version: int | None) -> DeltaTable | None:
        try:
            return DeltaTable(
                self.uri, version=version, storage_options=dict(self.storage_options) or None
            )
        except TableNotFoundError:
            if version is None:
                return None
            raise StoreError(
                f"The table {self._name} does not exist, expected version {version} of it."
            ) from None
        except DeltaError as error:
            newest = None if version is None else self.version()
            if newest is not None and version is not None and version > newest:
                raise StoreError(
                    f"The table {self._name} has no version {version} yet: ask for one from 0 to "
                    f"{newest}."
                ) from error
            which = "" if version is None else f" at version {version}"
            raise StoreError(
                f"The table {self._name} cannot be opened{which}: {error}. Restore the store from "
                "a backup, or ask for a version that it has."
            ) from error
        except OSError as error:
            raise StoreError(
                f"The table {self._name} cannot be opened: {in_words(error)}."
            ) from error

    def _open_or_create(self) -> DeltaTable:
        table = self._open(None)
        if table is not None:
            return table
        try:
            DeltaTable.create(
                self.uri,
                self._full_schema(),
                mode="ignore",
                partition_by=[self.partition],
                storage_options=dict(self.storage_options) or None,
                configuration={
                    # statistics of the key columns only: they choose files, those of values never
                    # would
                    "delta.dataSkippingNumIndexedCols": str(len(self.key)),
                    # reports name versions, so no version is ever cleaned away
                    "delta.logRetentionDuration": _FOREVER,
                    "delta.deletedFileRetentionDuration": _FOREVER,
                },
            )
        except (
            DeltaError,
            OSError,
        ) as error:  # another process may have made it in the same moment
            table = self._open(None)
            if table is None:
                raise StoreError(
                    f"The table {self._name} cannot be made: {in_words(error)}."
                ) from error
            return table
        made = self._open(None)
        if made is None:
            raise StoreError(
                f"The table {self._name} was made and is not there: check the store's disk."
            )
        return made


def _literal(value: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def _digest(row: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(row):
        value = row[name]
        content = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(f"{name}:{len(content)}:".encode() + content)
    return digest.hexdigest()
