"""What brings the registry of an earlier version up to the present one."""

from __future__ import annotations

from sqlalchemy import Connection, MetaData, inspect, select, text


def upgrade(connection: Connection, metadata: MetaData) -> None:
    """Change the tables of an earlier version where they differ, in the transaction that opens the
    registry.

    In the first version a delivery belonged to a study that was received, which the report on a
    centre does not.

    Parameters
    ----------
    connection : Connection
        The transaction.
    metadata : MetaData
        The present tables, all of which are there.
    """
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
