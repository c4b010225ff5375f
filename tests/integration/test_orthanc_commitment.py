"""Storage commitment with a real Orthanc, which asks and answers on associations of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.node_process import NodeWithPacs
from tests.support.orthanc import Orthanc
from tests.support.real_data import real_study
from tests.support.reports_for_pacs import finish_with, write_smallest_report
from tests.support.waiting import wait_until
from tests.support.web import ask

pytestmark = [pytest.mark.peers, pytest.mark.real_data]


def test_orthanc_pushes_asks_us_to_commit_and_is_told(
    node: NodeWithPacs, orthanc_of_node: Orthanc, real_data: Path
) -> None:
    node.start()
    (first, *_) = real_study(real_data / "pat1").ct
    stored = ask(f"{orthanc_of_node.url}/instances", first.read_bytes())["ID"]
    ask(f"{orthanc_of_node.url}/modalities/annulus/store", stored.encode())
    tags = ask(f"{orthanc_of_node.url}/instances/{stored}/simplified-tags")
    sop_class = "1.2.840.10008.5.1.4.1.1.2"
    references = [[sop_class, tags["SOPInstanceUID"]], [sop_class, "1.2.3.4.5"]]
    asked = ask(
        f"{orthanc_of_node.url}/modalities/annulus/storage-commitment",
        {"DicomInstances": references},
    )
    report = f"{orthanc_of_node.url}{asked['Path']}"
    wait_until(lambda: ask(report)["Status"] != "Pending", 30, "the commitment's result")
    result = ask(report)
    assert [one["SOPInstanceUID"] for one in result["Success"]] == [tags["SOPInstanceUID"]]
    assert [(one["SOPInstanceUID"], one["Description"]) for one in result["Failures"]] == [
        (
            "1.2.3.4.5",
            "One or more of the elements in the Referenced SOP Instance Sequence was not available",
        )
    ]


def test_a_report_is_delivered_when_orthanc_has_committed_it(
    node: NodeWithPacs, orthanc_of_node: Orthanc, real_data: Path, tmp_path: Path
) -> None:
    node.start()
    study = real_study(real_data / "pat1")
    node.push([*study.ct, study.rtstruct])
    with node.registry() as registry:
        finish_with(registry, write_smallest_report(tmp_path / "report.dcm"))
    wait_until(lambda: [one.delivered for one in node.studies()] == [True], 30, "the commitment")
    assert len(ask(f"{orthanc_of_node.url}/instances")) == 1
    with node.registry() as registry, registry._database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM delivery_commitments").scalar() == 1
        assert connection.exec_driver_sql("SELECT sentence FROM deliveries").scalar() is None
