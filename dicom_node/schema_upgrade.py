"""What brings the registry of an earlier version up to the present one."""

from __future__ import annotations

from sqlalchemy import Connection, MetaData, select, text


def upgrade(connection: Connection, metadata: MetaData, version: int | None) -> None:
    """Change the tables of an earlier schema version, in the transaction that opens the registry.

    Version 2 lets a delivery belong to no study that was received, as the report on a centre does not.

    Parameters
    ----------
    connection : Connection
        The transaction.
    metadata : MetaData
        The present tables.
    version : int or None
        The version that is there; `None` for a registry that has just been made.
    """
    if version is None or version >= 2:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE deliveries DROP CONSTRAINT IF EXISTS deliveries_study_key_fkey"))
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
