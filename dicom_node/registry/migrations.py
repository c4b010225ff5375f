"""What brings the registry of an earlier version up to the present one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, MetaData, inspect, select, text
from sqlalchemy.schema import CreateColumn


def upgrade(connection: Connection, metadata: MetaData) -> None:
    """Change the tables of an earlier version where they differ, in the transaction that opens the
    registry.

    In the first version a delivery belonged to a study that was received, which the report on a
    centre does not; in the third a score had one object to deliver. Columns that were added since
    may be empty, or have a default, and are added here.

    Parameters
    ----------
    connection : Connection
        The transaction.
    metadata : MetaData
        The present tables, all of which are there.
    """
    _add_what_is_new(connection, metadata)
    found = inspect(connection)
    outdated = [one["name"] for one in found.get_foreign_keys("deliveries")]
    outdated += [
        one["name"]
        for one in found.get_unique_constraints("deliveries")
        if "kind" not in one["column_names"]
    ]
    if not outdated:
        return
    if connection.dialect.name == "postgresql":
        _replace_constraints(connection, outdated)
        return
    tables = [metadata.tables[name] for name in ("deliveries", "delivery_commitments")]
    # SQLite drops a constraint with its table only.
    kept = [[dict(row) for row in connection.execute(select(table)).mappings()] for table in tables]
    for table in reversed(tables):
        table.drop(connection)
    metadata.create_all(connection, tables)
    for table, rows in zip(tables, kept, strict=True):
        if rows:
            connection.execute(table.insert(), rows)


def _replace_constraints(connection: Connection, outdated: Sequence[str | None]) -> None:
    quoted = connection.dialect.identifier_preparer.quote
    for name in outdated:
        connection.execute(text(f"ALTER TABLE deliveries DROP CONSTRAINT {quoted(name or '')}"))
    connection.execute(
        text("ALTER TABLE deliveries ADD UNIQUE (study_key, content_digest, model_digest, kind)")
    )


def _add_what_is_new(connection: Connection, metadata: MetaData) -> None:
    """Add columns and indexes that the tables of an earlier version lack."""
    found = inspect(connection)
    quoted = connection.dialect.identifier_preparer.quote
    for table in metadata.sorted_tables:
        here = {column["name"] for column in found.get_columns(table.name)}
        for column in table.columns:
            if column.name not in here:
                new = CreateColumn(column).compile(dialect=connection.dialect)
                connection.execute(text(f"ALTER TABLE {quoted(table.name)} ADD COLUMN {new}"))
        for index in table.indexes:
            index.create(connection, checkfirst=True)
