"""A registry of an earlier version opens: nothing is lost, and a centre's report can be queued in
it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from dicom_node.center import ReturnedObject
from dicom_node.registry.deliveries import queue_report
from dicom_node.registry.registry import StudyState, open_registry
from dicom_node.registry.schema import SCHEMA_VERSION, metadata, releases, schema_versions
from dicom_node.settings import NodeTable
from tests.support.intake_bench import Bench, rtstruct, whole_study

FIRST_VERSION = """
CREATE TABLE deliveries (
    id INTEGER NOT NULL, study_key VARCHAR(16) NOT NULL, content_digest VARCHAR(64) NOT NULL,
    model_digest VARCHAR(64) NOT NULL, center VARCHAR(32) NOT NULL, path TEXT NOT NULL,
    attempts INTEGER NOT NULL, due_at DATETIME NOT NULL, delivered_at DATETIME, sentence TEXT,
    PRIMARY KEY (id), UNIQUE (study_key, content_digest, model_digest),
    FOREIGN KEY(study_key) REFERENCES studies (study_key)
)
"""
FOREIGN_KEY = """,
    FOREIGN KEY(study_key) REFERENCES studies (study_key)"""

OF_THE_FIRST = (
    "id",
    "study_key",
    "content_digest",
    "model_digest",
    "center",
    "path",
    "attempts",
    "due_at",
    "delivered_at",
    "sentence",
)


def _go_back_to_the_first_version(bench: Bench) -> None:
    with bench.registry._database.write() as connection:
        kept = connection.exec_driver_sql("SELECT * FROM deliveries").all()
        waits = connection.exec_driver_sql("SELECT * FROM delivery_commitments").all()
        connection.exec_driver_sql("DELETE FROM delivery_commitments")
        connection.exec_driver_sql("DROP TABLE deliveries")
        connection.exec_driver_sql(FIRST_VERSION)
        for row in kept:
            connection.exec_driver_sql(
                "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                tuple(getattr(row, name) for name in OF_THE_FIRST),
            )
        for row in waits:
            connection.exec_driver_sql(
                "INSERT INTO delivery_commitments VALUES (?, ?, ?)", tuple(row)
            )
        connection.exec_driver_sql("UPDATE schema_version SET version = 1")


@pytest.mark.sqlite_only
def test_deliveries_of_the_first_version_stay_and_a_centers_report_joins_them(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    item = bench.claim()
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, "m" * 64, StudyState.SCORED, None, Path("report.dcm")
    )
    (delivery,) = bench.registry.deliveries.due(["alpha"])
    bench.registry.deliveries.await_commitment(delivery.id, "1.2.3", 900)
    before = bench.registry.deliveries.undelivered()
    _go_back_to_the_first_version(bench)
    for _ in range(2):  # the second opening finds nothing to do
        bench = bench.reopen()
        assert bench.registry.deliveries.undelivered() == before
        assert bench.registry.deliveries.awaits_commitment([delivery.id])
    assert bench.registry.deliveries.queue(
        "alpha", "q" * 16, "m" * 64, {"d" * 64: Path("a"), "e" * 64: Path("b")}
    )
    assert not bench.registry.deliveries.queue("alpha", "q" * 16, "m" * 64, {"d" * 64: Path("c")})
    assert [str(one.path) for one in bench.registry.deliveries.due(["alpha"])] == ["a", "b"]
    bench.close()


def test_a_registry_of_the_first_schema_gains_what_it_lacks_and_keeps_its_rows(
    tmp_path: Path,
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    with engine.begin() as connection:
        metadata.create_all(
            connection, tables=[table for table in metadata.sorted_tables if table is not releases]
        )
        connection.execute(schema_versions.insert().values(version=1))
        connection.execute(text("INSERT INTO centers (name, wants_reports) VALUES ('alpha', 1)"))
    registry = open_registry(NodeTable(folder=tmp_path))
    assert registry.releases.recorded() == []
    registry.close()
    assert "releases" in inspect(engine).get_table_names()
    with engine.connect() as connection:
        assert max(connection.execute(schema_versions.select()).scalars()) == SCHEMA_VERSION
        assert connection.execute(text("SELECT name FROM centers")).scalars().all() == ["alpha"]
    engine.dispose()


ADDED_BY_THE_THIRD = {
    "centers": ["gtv_pattern"],
    "studies": ["open_since"],
    "instances": ["is_localizer"],
    "manifests": ["drawn"],
    "outbox": ["choice"],
}


def _go_back_to_the_second_version(bench: Bench) -> None:
    with bench.registry._database.write() as connection:
        for index in ("studies_of_patient", "instances_by_uid"):
            connection.exec_driver_sql(f"DROP INDEX {index}")
        connection.exec_driver_sql("ALTER TABLE manifests ADD COLUMN contour_bounds_mm TEXT")
        for table, columns in ADDED_BY_THE_THIRD.items():
            for column in columns:
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.exec_driver_sql("""UPDATE outbox SET warnings = '["a sentence of before"]'""")
        connection.exec_driver_sql("UPDATE schema_version SET version = 2")


def test_a_registry_of_the_second_version_is_read_and_its_rtstructs_are_read_again(
    bench: Bench,
) -> None:
    key = bench.complete(3)
    slices, _ = whole_study()
    apart = rtstruct([str(one.SOPInstanceUID) for one in slices], study="1.2.9", sop="1.2.9.9.1")
    apart.PatientID = "P9"
    for one in slices:
        one.PatientID, one.StudyInstanceUID = "P9", "1.2.8"
    bench.push(*slices)
    bench.push(apart)
    before = bench.registry.outbox.files(key)
    _go_back_to_the_second_version(bench)
    with bench.registry._database.write() as connection:  # as it was before they were matched
        connection.exec_driver_sql(
            f"DELETE FROM outbox WHERE study_key <> '{key}'"  # noqa: S608 - a pseudonym
        )
        connection.exec_driver_sql(
            f"UPDATE studies SET state = 'incomplete' WHERE study_key <> '{key}'"  # noqa: S608
        )
    bench = bench.reopen()
    assert bench.registry.instances.without_drawings() == []
    after = bench.registry.outbox.files(key)
    assert (after.ct, after.rtstruct) == (before.ct, before.rtstruct)
    assert after.choice is None
    assert [tuple(one) for one in after.warnings] == [("completed", "a sentence of before")]
    assert {one.state for one in bench.registry.studies.summaries()} == {
        StudyState.QUEUED,
        StudyState.JOINED,
    }
    bench.registry.outbox.requeue(key)
    assert bench.registry.outbox.files(key).choice is None
    bench = bench.reopen()
    assert bench.registry.outbox.counts()["waiting"] == 2
    bench.close()


def test_a_delivery_of_the_third_version_is_a_report_and_others_can_join_it(bench: Bench) -> None:
    bench.complete()
    item = bench.claim()
    key = (item.study_key, item.content_digest, "m" * 64)
    bench.registry.outbox.finish(*key, StudyState.SCORED, None, Path("report.dcm"))
    before = bench.registry.deliveries.undelivered()
    with bench.registry._database.write() as connection:
        if connection.dialect.name == "sqlite":
            made = FIRST_VERSION.replace("deliveries (", "third (", 1)
            connection.exec_driver_sql(made.replace(FOREIGN_KEY, ""))
            names = ", ".join(OF_THE_FIRST)
            connection.exec_driver_sql(
                f"INSERT INTO third ({names}) SELECT {names} FROM deliveries"  # noqa: S608
            )
            connection.exec_driver_sql("DROP TABLE deliveries")
            connection.exec_driver_sql("ALTER TABLE third RENAME TO deliveries")
        else:
            connection.exec_driver_sql("ALTER TABLE deliveries DROP COLUMN kind CASCADE")
            connection.exec_driver_sql("ALTER TABLE deliveries DROP COLUMN answered_at")
            connection.exec_driver_sql(
                "ALTER TABLE deliveries ADD UNIQUE (study_key, content_digest, model_digest)"
            )
        connection.exec_driver_sql("UPDATE schema_version SET version = 3")
    for _ in range(2):  # the second opening finds nothing to do
        bench = bench.reopen()
        assert bench.registry.deliveries.undelivered() == before
    with bench.registry._database.write() as connection:
        queue_report(
            bench.registry._database,
            connection,
            dict(zip(("study_key", "content_digest", "model_digest"), key, strict=True)),
            "alpha",
            [(ReturnedObject.SEG, Path("seg.dcm"))],
            bench.clock(),
        )
    assert {one.kind for one, _, _ in bench.registry.deliveries.undelivered()} == {
        ReturnedObject.SR,
        ReturnedObject.SEG,
    }
    bench.close()


def test_a_registry_of_the_fourth_version_gains_the_retrievals(bench: Bench) -> None:
    key = bench.complete()
    with bench.registry._database.write() as connection:
        connection.exec_driver_sql("DROP TABLE retrievals")
        connection.exec_driver_sql("UPDATE schema_version SET version = 4")
    bench = bench.reopen()
    assert bench.registry.retrievals.counts() == {}
    assert bench.state(key)[0] is StudyState.QUEUED
    bench.close()


def test_a_registry_of_the_fifth_version_gains_the_notices(bench: Bench) -> None:
    key = bench.complete()
    with bench.registry._database.write() as connection:
        for table in ("notice_sendings", "notices"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("ALTER TABLE outbox DROP COLUMN held_since")
        connection.exec_driver_sql("ALTER TABLE deliveries DROP COLUMN queued_at")
        connection.exec_driver_sql("UPDATE schema_version SET version = 5")
    for _ in range(2):
        bench = bench.reopen()
        assert bench.registry.notices.open() == ([], 0)
        assert bench.registry.overdue.held(bench.clock()) == []
        assert bench.state(key)[0] is StudyState.QUEUED
    bench.close()
