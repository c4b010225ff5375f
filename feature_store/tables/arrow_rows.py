"""Rows of the files of a Delta table, read by Arrow's own Parquet reader.

Where a byte of a file was changed, it raises; the reader within `deltalake` may end the whole
process, because its panics cannot pass the border between the two libraries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from feature_store.tables.table_folder import TableFolder
from feature_store.wording import counted


class UnreadableRowsError(OSError):
    """The bytes of a file of rows were changed."""


@dataclass(frozen=True)
class _File:
    """A file that may hold the rows, as the log says of it."""

    path: str
    partition: Mapping[str, str | None]
    rows: int | None


def rows_of_table(
    folder: TableFolder,
    table: DeltaTable,
    columns: Sequence[str],
    equal: Mapping[str, str],
    *,
    threads: bool = True,
) -> pa.Table:
    """Read rows of a table as it is open.

    Parameters
    ----------
    folder : TableFolder
        The table's files.
    table : DeltaTable
        The table at the version that is read.
    columns : sequence of str
        Columns to read, in this order; each is one of the table.
    equal : mapping of str to str
        Texts that columns must have.
    threads : bool
        Whether a file's columns may be decoded at once, which pays for large ones.

    Raises
    ------
    OSError
        If a file is missing or the disk or server does not give it; `UnreadableRowsError` if it is
        not what was written.
    """
    schema = pa.schema(table.schema())
    partitions = set(table.metadata().partition_columns)
    within = {name: value for name, value in equal.items() if name not in partitions}
    wanted = {*columns, *within} - partitions
    kinds = pa.schema([(name, plain_type(schema.field(name).type)) for name in columns])
    files, found = folder.files(), [kinds.empty_table()]
    for file in _files(table, partitions, equal):
        with files.open_input_file(file.path) as opened:
            try:
                rows = _rows(opened, file, wanted, set(schema.names), threads=threads)
            except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
                # with a number it comes from the disk, and elsewhere it may from the server
                if folder.local is None or getattr(error, "errno", None):
                    raise
                raise UnreadableRowsError(f"Parquet error: {error}") from error
        for name, value in within.items():
            is_there = name in rows.column_names
            rows = rows.filter(pc.equal(rows.column(name), value)) if is_there else rows.slice(0, 0)
        arrays = [
            rows.column(one.name).cast(one.type)
            if one.name in rows.column_names
            else pa.repeat(pa.scalar(file.partition.get(one.name), one.type), rows.num_rows)
            for one in kinds
        ]
        found.append(pa.table(arrays, kinds))
    return pa.concat_tables(found)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return a type as plain texts or bytes: files that a MERGE wrote name others than those that
    were appended.
    """
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    return pa.list_(plain_type(kind.value_type)) if pa.types.is_list(kind) else kind


def _files(table: DeltaTable, partitions: set[str], equal: Mapping[str, str]) -> list[_File]:
    """Return the files that may hold such rows."""
    live = pa.table(table.get_add_actions(flatten=True))
    for name, value in equal.items():
        if name in partitions:
            live = live.filter(pc.equal(live.column(f"partition.{name}"), value))
        elif f"min.{name}" in live.column_names:
            # without statistics a file may hold anything
            low = pc.fill_null(pc.less_equal(live.column(f"min.{name}"), value), True)
            high = pc.fill_null(pc.greater_equal(live.column(f"max.{name}"), value), True)
            live = live.filter(pc.and_(low, high))
    return [
        _File(
            unquote(one["path"]),
            {name: one[f"partition.{name}"] for name in partitions},
            one["num_records"],
        )
        for one in live.to_pylist()
    ]


def _rows(
    opened: pa.NativeFile, file: _File, wanted: set[str], known: set[str], *, threads: bool
) -> pa.Table:
    """Read those of the columns that a file has: an earlier release wrote fewer."""
    # what lies on a disk needs no reading ahead
    parquet = pq.ParquetFile(opened, pre_buffer=threads)
    names = parquet.schema_arrow.names
    if not known.issuperset(names):
        raise ValueError("The file names a column that the table does not have.")
    # without any column there would be no rows to count
    read = [name for name in names if name in wanted] or names[:1]
    rows = parquet.read(columns=read, use_threads=threads)
    if file.rows is not None and rows.num_rows != file.rows:
        raise ValueError(f"The file has {counted(rows.num_rows, 'row')}, expected {file.rows}.")
    plain = rows.cast(pa.schema([one.with_type(plain_type(one.type)) for one in rows.schema]))
    plain.validate(full=True)
    for column in plain.columns:
        if pa.types.is_timestamp(column.type):
            pc.min_max(column).as_py()  # a year that no calendar has is refused
    return plain
