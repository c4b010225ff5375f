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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    Schema,
    Transaction,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError

from feature_store.tables.arrow_rows import rows_of_table
from feature_store.tables.guarded_table import GuardedTable, StoreError
from feature_store.tables.storage_errors import in_words
from feature_store.tables.table_defects import TableDefect
from feature_store.tables.table_upkeep import NO_HOOKS, TableUpkeep

__all__ = ["ROW_DIGEST", "WRITTEN_AT", "KeyedTable", "StoreError"]

WRITTEN_AT = "written_at"
ROW_DIGEST = "row_digest"
_ATTEMPTS = 40
_LONGEST_WAIT_S = 1.0
_FOREVER = "interval 36500 days"
_REMOVED, _BRIEFLY = "delta.deletedFileRetentionDuration", "interval 1 seconds"
"""Checkpoints would list every file that was ever joined, and each write would read them; what may
be removed is decided from the versions that must stay readable (`TableUpkeep.remove_old`).
"""
_WHY_REMOVED = "annulus.removed"


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
        Versions after which all small files are joined, and not only the newest; `None` for never.
    known_version : callable
        Says which version is known to have been there, from what names versions; `None` for none.
    named_versions : callable
        Says which versions other programs must find without asking here.
    """

    uri: str
    key: tuple[str, ...]
    schema: pa.Schema
    partition: str = "center"
    storage_options: Mapping[str, str] = field(default_factory=dict)
    compact_every: int | None = 400
    known_version: Callable[[], int | None] = field(default=lambda: None, compare=False)
    named_versions: Callable[[], Collection[int]] = field(default=tuple, compare=False)
    guard: GuardedTable = field(init=False, compare=False, repr=False)
    upkeep: TableUpkeep = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        guard = GuardedTable(self.uri, self.storage_options, self.known_version)
        object.__setattr__(self, "guard", guard)
        upkeep = TableUpkeep(guard, self.compact_every, self.named_versions)
        object.__setattr__(self, "upkeep", upkeep)

    def version(self) -> int | None:
        """Return the newest version; `None` while nothing has been written."""
        return self.guard.version()

    def version_at(self, moment: datetime) -> int | None:
        """Return the newest version that was there at an aware moment; see
        `GuardedTable.version_at`.
        """
        return self.guard.version_at(moment)

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
        self._change(lambda table: self._put(table, source))

    def remove(self, partition: str, column: str, values: Collection[str], why: str) -> None:
        """Remove the rows of a partition that have one of some values in a key column; versions of
        before keep them.

        Parameters
        ----------
        partition : str
            The partition.
        column : str
            The column.
        values : collection of str
            The values.
        why : str
            Stays with the version that is made, see `removals`.

        Raises
        ------
        StoreError
            As for `upsert`.
        """
        listed = ", ".join(_literal(value) for value in sorted(values))
        which = f"{self.partition} = {_literal(partition)} AND {column} IN ({listed})"
        properties = CommitProperties(custom_metadata={_WHY_REMOVED: why})
        self._change(
            lambda table: table.delete(
                which, commit_properties=properties, post_commithook_properties=NO_HOOKS
            )
        )

    def removals(self) -> list[tuple[datetime, str]]:
        """Return when rows were removed, UTC, and why, the oldest first."""
        newest = self.version()
        told = (self.guard.told(one) for one in range(0 if newest is None else newest + 1))
        return [
            (datetime.fromtimestamp(one["timestamp"] / 1000, UTC), str(one[_WHY_REMOVED]))
            for one in told
            if _WHY_REMOVED in one
        ]

    def _change(self, change: Callable[[DeltaTable], object]) -> None:
        """Commit a change to the table as it is, again and again while others are faster."""
        self.guard.require_sound()
        for attempt in range(_ATTEMPTS):
            table = self.guard.open_for_writing() or self._open_or_create()
            before = int(table.version())
            try:
                self._evolve(table)
                change(table)
                # also where nothing was new: who wrote the same before may have died at this point
                self.guard.folder.bring_to_disk(int(table.version()))
            except CommitFailedError:
                time.sleep(
                    min(_LONGEST_WAIT_S, 0.01 * 2**attempt) * (0.5 + secrets.randbelow(1000) / 1000)
                )
            except (DeltaError, OSError, ValueError, pa.ArrowException) as error:
                raise StoreError(
                    f"The table {self.guard.name} cannot be written: {self.guard.trouble(error)}."
                ) from error
            else:
                self.guard.keep_open(table)
                self.upkeep.after_write(before, int(table.version()))
                return
        raise StoreError(
            f"The table {self.guard.name} could not be written in {_ATTEMPTS} attempts, expected "
            "to be the only writer in one of them: other processes write to it without pause. "
            "Start fewer at once."
        )

    def _put(self, table: DeltaTable, source: pa.Table) -> None:
        """Commit rows to a table as it is open, unless they are all there.

        Rows whose keys are new are appended: a MERGE reads all columns of every file that may hold
        one of the keys, this only the keys.
        """
        there = self._digests(table, source)
        keys = _keys(source, self.key)
        if all(
            there.get(key) == digest
            for key, digest in zip(keys, source.column(ROW_DIGEST).to_pylist(), strict=True)
        ):
            return
        center = source.column(self.partition)[0].as_py()
        # an append conflicts with nothing by itself: by this, of two writers of one partition that
        # have looked at the same version, the second begins again
        properties = CommitProperties(
            app_transactions=[Transaction(f"keys of {center}", int(table.version()) + 1)]
        )
        if there.keys().isdisjoint(keys):
            write_deltalake(
                table,
                source,
                mode="append",
                commit_properties=properties,
                post_commithook_properties=NO_HOOKS,
            )
            return
        # a literal lets Delta Lake see that writers of other partitions do not conflict
        same = " AND ".join(
            [
                f"target.{self.partition} = {_literal(center)}",
                *(f"target.{name} = source.{name}" for name in self.key),
            ]
        )
        # without streaming, the keys' smallest and largest values are known and other files are
        # not read
        merge = table.merge(
            source,
            same,
            "source",
            "target",
            streamed_exec=False,
            commit_properties=properties,
            post_commithook_properties=NO_HOOKS,
        )
        merge = merge.when_matched_update_all(f"target.{ROW_DIGEST} <> source.{ROW_DIGEST}")
        merge.when_not_matched_insert_all().execute()

    def _digests(self, table: DeltaTable, source: pa.Table) -> dict[tuple[str, ...], str]:
        """Return the digests of the rows that a table has of the keys of others."""
        values = {name: set(source.column(name).to_pylist()) for name in self.key}
        one = {name: next(iter(found)) for name, found in values.items() if len(found) == 1}
        columns = [*self.key, ROW_DIGEST]
        there = rows_of_table(self.guard.folder, table, columns, one, threads=False)
        return dict(zip(_keys(there, self.key), there.column(ROW_DIGEST).to_pylist(), strict=True))

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
        table = self.guard.open(version)
        if table is None:
            return schema.empty_table()
        wanted = {name: value for name, value in equal.items() if value is not None}
        absent = {column.name for column in self._absent_columns(table)}
        if not absent.isdisjoint(wanted):
            return schema.empty_table()
        # where none is there, the rows are counted by another
        present = [name for name in schema.names if name not in absent] or [self.partition]
        try:
            rows = rows_of_table(self.guard.folder, table, present, wanted)
        except (DeltaError, OSError, pa.ArrowException) as error:
            if damage := self.guard.damage():
                raise StoreError(damage) from error
            if version is not None and isinstance(error, FileNotFoundError):
                raise self.guard.gone(version) from error
            raise StoreError(
                f"The table {self.guard.name} cannot be read: {in_words(error)}."
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
                f"The table {self.guard.name} has columns that this version of Annulus does not "
                f"know as they are there: {', '.join(strange)}. It was written by a newer version: "
                "run that one, or a version of the store from before the upgrade."
            )
        return [column for name, column in ours.items() if name not in there]

    def _evolve(self, table: DeltaTable) -> None:
        """Give a table that an earlier release made the columns that were added since."""
        absent = self._absent_columns(table)
        if absent:
            table.alter.add_columns(absent)
        if table.metadata().configuration.get(_REMOVED) != _BRIEFLY:
            table.alter.set_table_properties({_REMOVED: _BRIEFLY})

    def _source(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        now = datetime.now(UTC)
        full = [{**row, WRITTEN_AT: now, ROW_DIGEST: _digest(row)} for row in rows]
        return pa.Table.from_pylist(full, schema=self._full_schema())

    def bring_to_disk(self, version: int) -> None:
        """Bring every commit up to a version to the disk, whoever wrote it, for something that will
        name the version.

        Raises
        ------
        StoreError
            If the disk does not take it.
        """
        folder = self.guard.folder
        try:
            folder.bring_to_disk(version)
            # then the version needs no other entry, however many come after it
            if not folder.may_have_more(version) and not folder.has_checkpoint(version):
                table = self.guard.open(version)
                if table is not None:
                    self.upkeep.sum_up(table)
        except (DeltaError, OSError, ValueError) as error:
            raise StoreError(
                f"The table {self.guard.name} cannot be brought to the disk: {in_words(error)}."
            ) from error

    def defects(self) -> tuple[TableDefect, ...]:
        """Return what is wrong with the table as a whole; see `GuardedTable.defects`."""
        return self.guard.defects()

    def repair(self, *, harmless_only: bool = False) -> list[str]:
        """Mend the table while nobody else writes to it, and say what was done; see
        `GuardedTable.repair`.
        """
        return self.guard.repair(self._rebuild, harmless_only=harmless_only)

    def _rebuild(self, rows: pa.Table) -> None:
        """Make the table, and put rows into it; of a key, the row that was written last."""
        self._create()
        if not rows.num_rows:
            return
        table = self.guard.folder.opened()
        newest = {
            tuple(row[name] for name in self.key): row
            for row in sorted(rows.to_pylist(), key=lambda row: row[WRITTEN_AT])
        }
        again = pa.Table.from_pylist(list(newest.values()), schema=self._full_schema())
        same = " AND ".join(f"target.{name} = source.{name}" for name in self.key)
        table.merge(again, same, "source", "target").when_not_matched_insert_all().execute()

    def _open_or_create(self) -> DeltaTable:
        table = self.guard.open(None)
        if table is not None:
            return table
        try:
            self._create()
        except (DeltaError, OSError) as error:
            # another process may have made it in the same moment
            table = self.guard.open(None)
            if table is None:
                raise StoreError(
                    f"The table {self.guard.name} cannot be made: {in_words(error)}."
                ) from error
            return table
        made = self.guard.open(None)
        if made is None:
            raise StoreError(
                f"The table {self.guard.name} was made and is not there: check the store's disk."
            )
        return made

    def _create(self) -> None:
        DeltaTable.create(
            self.uri,
            self._full_schema(),
            mode="ignore",
            partition_by=[self.partition],
            storage_options=dict(self.storage_options) or None,
            configuration={
                # statistics of the key columns only: they choose files, those of values never would
                "delta.dataSkippingNumIndexedCols": str(len(self.key)),
                # reports name versions, so no version is ever cleaned away
                "delta.logRetentionDuration": _FOREVER,
                _REMOVED: _BRIEFLY,
            },
        )


def _keys(rows: pa.Table, key: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(rows.column(name).to_pylist() for name in key), strict=True))


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
