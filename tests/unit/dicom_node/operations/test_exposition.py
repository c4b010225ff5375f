"""What Prometheus is told: the names, types, help and labels that dashboards hang on."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from dicom_node.intake.counters import Metrics
from dicom_node.operations.exposition import NodeCollector, exposition
from tests.support.intake_bench import Bench, ct_slice

TOLD = """\
# HELP annulus_node_instances_total Objects by centre and answer (stored, or the status code).
# TYPE annulus_node_instances_total counter
annulus_node_instances_total{answer="stored",center="alpha"} 2.0
annulus_node_instances_total{answer="0xA700",center="alpha"} 1.0
# HELP annulus_node_received_bytes_total Bytes of datasets that were kept, by centre.
# TYPE annulus_node_received_bytes_total counter
annulus_node_received_bytes_total{center="alpha"} 150.0
# HELP annulus_node_associations_total Association requests by centre and result.
# TYPE annulus_node_associations_total counter
annulus_node_associations_total{center="",result="rejected"} 1.0
# HELP annulus_node_web_requests_total STOW-RS requests by centre and HTTP status.
# TYPE annulus_node_web_requests_total counter
annulus_node_web_requests_total{center="alpha",status="200"} 1.0
# HELP annulus_node_open_associations Associations that are open now.
# TYPE annulus_node_open_associations gauge
annulus_node_open_associations 3.0
# HELP annulus_node_index_backlog Instances on the disk that are not in the registry yet.
# TYPE annulus_node_index_backlog gauge
annulus_node_index_backlog 4.0
# HELP annulus_node_free_bytes Free bytes of the archive's file system.
# TYPE annulus_node_free_bytes gauge
annulus_node_free_bytes 1.2345678901e+10
# HELP annulus_node_studies Studies by centre and state.
# TYPE annulus_node_studies gauge
annulus_node_studies{center="alpha",state="receiving"} 1.0
# HELP annulus_node_outbox Outbox rows by state.
# TYPE annulus_node_outbox gauge
annulus_node_outbox{state="waiting"} 0.0
annulus_node_outbox{state="claimed"} 0.0
annulus_node_outbox{state="held"} 0.0
annulus_node_outbox{state="done"} 0.0
# HELP annulus_node_undelivered_reports Structured reports that wait for their centre, by centre.
# TYPE annulus_node_undelivered_reports gauge
# HELP annulus_node_retrievals Studies that lacked something which their centre's PACS was asked \
for, by state.
# TYPE annulus_node_retrievals gauge
# HELP annulus_node_incidents Occurrences of incidents by kind.
# TYPE annulus_node_incidents gauge
"""


def _counted() -> Metrics:
    metrics = Metrics()
    metrics.stored("alpha", 100)
    metrics.stored("alpha", 50)
    metrics.refused("alpha", 0xA700)
    metrics.association(None, "rejected")
    metrics.web_request("alpha", 200)
    return metrics


def _told(bench: Bench, counted: Metrics) -> str:
    return exposition(
        NodeCollector(
            counted,
            bench.registry,
            open_associations=3,
            index_backlog=4,
            free_bytes=12_345_678_901,
        )
    )


def test_every_series_has_its_name_help_type_and_labels_and_there_are_no_others(
    bench: Bench,
) -> None:
    bench.push(ct_slice(0))
    bench.intake.stop()
    assert _told(bench, _counted()).splitlines() == TOLD.splitlines()


def test_two_nodes_of_one_process_count_apart(bench: Bench) -> None:
    first, second = _counted(), Metrics()
    assert 'center="alpha"} 150.0' in _told(bench, first)
    assert "alpha" not in _told(bench, second)


def test_counters_are_told_while_the_registry_cannot_be_read(bench: Bench) -> None:
    with closing(sqlite3.connect(bench.folder / "registry.sqlite")) as connection:
        connection.execute("DROP TABLE outbox")
    told = _told(bench, _counted()).splitlines()
    assert 'annulus_node_received_bytes_total{center="alpha"} 150.0' in told
    assert "# TYPE annulus_node_studies gauge" in told
    assert not [line for line in told if line.startswith("annulus_node_studies")]
