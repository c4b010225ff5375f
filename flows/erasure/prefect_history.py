"""What a Prefect server remembers of a person: runs, their states, steps and logs, artifacts and
events.

The server's own interface deletes runs and leaves events; so its SQLite file is changed, while no
server has it open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from dicom_node.registry.sqlite_file import scrub_sqlite
from flows.erasure.search import Names

_OF_A_RUN = (
    ("flow_run_state", "flow_run_id"),
    ("task_run", "flow_run_id"),
    ("log", "flow_run_id"),
    ("artifact", "flow_run_id"),
    ("artifact_collection", "flow_run_id"),
    ("flow_run_input", "flow_run_id"),
    ("flow_run", "id"),
)
_OF_A_STEP = (
    ("task_run_state", "task_run_id"),
    ("log", "task_run_id"),
    ("artifact", "task_run_id"),
    ("artifact_collection", "task_run_id"),
)
_SCHEMA_TABLES = frozenset({"alembic_version", "sqlite_sequence"})


def forget_runs(database: Path, names: Names) -> dict[str, int]:
    """Remove the runs that are about a person, and every other row that names the person.

    Parameters
    ----------
    database : Path
        The file of a server that does not run.
    names : Names
        Of the person.

    Returns
    -------
    dict of str to int
        Rows removed, by table.

    Raises
    ------
    sqlite3.Error
        If the file is in use or is none of a server.
    """
    gone: dict[str, int] = {}
    with closing(sqlite3.connect(database, timeout=5.0)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'"
            )
            if name not in _SCHEMA_TABLES
        ]
        runs = set(_ids(connection, "flow_run", names)) if "flow_run" in tables else set()
        steps = {
            one
            for run in runs
            for (one,) in connection.execute(
                "SELECT id FROM task_run WHERE flow_run_id = ?", (run,)
            )
        }
        for ids, places in ((steps, _OF_A_STEP), (runs, _OF_A_RUN)):
            for table, column in places:
                _delete(connection, gone, table, column, ids)
        events = set()
        for run in (
            *(f"prefect.flow-run.{one}" for one in runs),
            *(f"prefect.task-run.{one}" for one in steps),
        ):
            events |= {
                one
                for (one,) in connection.execute(
                    "SELECT event_id FROM event_resources WHERE resource_id = ?", (run,)
                )
            }
        _delete(connection, gone, "event_resources", "event_id", events)
        _delete(connection, gone, "events", "id", events)
        for table in tables:
            _delete(connection, gone, table, "rowid", set(_rows(connection, table, names)))
        connection.commit()
    scrub_sqlite(database)
    return {table: count for table, count in gone.items() if count}


def rows_about(database: Path, names: Names) -> int:
    """Return how many runs of a server's file are about a person."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return len(_ids(connection, "flow_run", names))


def _ids(connection: sqlite3.Connection, table: str, names: Names) -> list[str]:
    return [
        key
        for (key, *values) in connection.execute(f'SELECT id, * FROM "{table}"')  # noqa: S608
        if _name_one(values, names)
    ]


def _rows(connection: sqlite3.Connection, table: str, names: Names) -> Iterator[int]:
    try:
        found = connection.execute(f'SELECT rowid, * FROM "{table}"')  # noqa: S608
    except sqlite3.OperationalError:
        return  # a table without rows of its own
    for key, *values in found.fetchall():
        if _name_one(values, names):
            yield key


def _name_one(values: list[object], names: Names) -> bool:
    texts = [one.encode() if isinstance(one, str) else one for one in values]
    return names.are_in(b"\n".join(one for one in texts if isinstance(one, bytes)))


def _delete(
    connection: sqlite3.Connection,
    gone: dict[str, int],
    table: str,
    column: str,
    keys: Collection[object],
) -> None:
    done = connection.executemany(
        f'DELETE FROM "{table}" WHERE "{column}" = ?',  # noqa: S608 - names of the schema
        [(key,) for key in keys],
    )
    gone[table] = gone.get(table, 0) + max(done.rowcount, 0)
