"""What brings the registry of an earlier version up to the present one."""

from __future__ import annotations

from sqlalchemy import Connection, MetaData, inspect, select, text


def upgrade(connection: Connection, metadata: MetaData) -> None:
    """Change the tables of an earlier version where they differ, in the transaction that opens the
    registry.

    In the first version a delivery belonged to a study that was received, which the report on a
    centre does not. Columns that were added since may be empty, and are added here.

    Parameters
    ----------
    connection : Connection
        The transaction.
    metadata : MetaData
        The present tables, all of which are there.
    """
    _add_what_is_new(connection, metadata)
    if not inspect(connection).get_foreign_keys("deliveries"):
        return
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("ALTER TABLE deliveries DROP CONSTRAINT IF EXISTS deliveries_study_key_fkey")
        )
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


def _add_what_is_new(connection: Connection, metadata: MetaData) -> None:
    """Add columns and indexes that the tables of an earlier version lack."""
    found = inspect(connection)
    quoted = connection.dialect.identifier_preparer.quote
    for table in metadata.sorted_tables:
        here = {column["name"] for column in found.get_columns(table.name)}
        for column in table.columns:
            if column.name not in here:
                kind = column.type.compile(connection.dialect)
                connection.execute(
                    text(
                        f"ALTER TABLE {quoted(table.name)} ADD COLUMN {quoted(column.name)} {kind}"
                    )
                )
        for index in table.indexes:
            index.create(connection, checkfirst=True)
