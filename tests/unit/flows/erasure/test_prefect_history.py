"""Runs about a person go with everything that depends on them, out of a database with the tables of
the Prefect that is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.server.database.orm_models import Base
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateTable

from flows.erasure.prefect_history import forget_runs, rows_about
from flows.erasure.search import Names

PATIENT, STUDY = "pataaaaaaaaaaaaa", "stuaaaaaaaaaaaaa"
OTHER, OTHER_STUDY = "patbbbbbbbbbbbbb", "stubbbbbbbbbbbbb"
NOW = "2026-01-01 00:00:00.000000"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two runs, one of them the person's, with steps, states, logs, artifacts and events."""
    path = tmp_path / "prefect.db"
    engine = create_engine(f"sqlite:///{path}")
    tables = Base.metadata.tables
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            connection.execute(CreateTable(table))

        def put(table: str, **values: Any) -> None:
            must = {name: NOW for name, one in tables[table].columns.items() if not one.nullable}
            row = {**must, **values}
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" for _ in row)
            connection.exec_driver_sql(
                f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 - of the schema
                tuple(row.values()),
            )

        flow = str(uuid4())
        for patient, study in ((PATIENT, STUDY), (OTHER, OTHER_STUDY)):
            run, step, event = (str(uuid4()) for _ in range(3))
            put(
                "flow_run",
                id=run,
                name=f"B · {patient}",
                parameters=f'{{"study_key": "{study}"}}',
                flow_id=flow,
            )
            put(
                "task_run",
                id=step,
                name="score",
                flow_run_id=run,
            )
            for states, of in (("flow_run_state", run), ("task_run_state", step)):
                owner = states.removesuffix("_state") + "_id"
                put(
                    states,
                    id=str(uuid4()),
                    message="high risk, linear predictor +0.4",
                    **{owner: of},
                )
            put(
                "log",
                id=str(uuid4()),
                message="no name in it",
                flow_run_id=run,
            )
            put(
                "artifact",
                id=str(uuid4()),
                data=f'[{{"study": "{study}"}}]',
            )
            put("events", id=event)
            put(
                "event_resources",
                id=str(uuid4()),
                resource_id=f"prefect.flow-run.{run}",
                event_id=event,
            )
    engine.dispose()
    return path


def test_a_persons_runs_go_and_the_others_stay(database: Path) -> None:
    names, others = Names([PATIENT, STUDY]), Names([OTHER, OTHER_STUDY])
    assert rows_about(database, names) == 1
    gone = forget_runs(database, names)
    assert gone == {
        "flow_run": 1,
        "task_run": 1,
        "flow_run_state": 1,
        "task_run_state": 1,
        "log": 1,
        "artifact": 1,
        "events": 1,
        "event_resources": 1,
    }
    assert rows_about(database, names) == 0
    assert rows_about(database, others) == 1
    content = database.read_bytes()
    assert not names.are_in(content)
    assert others.are_in(content)
    assert forget_runs(database, names) == {}
