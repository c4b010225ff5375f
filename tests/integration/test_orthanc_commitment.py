"""Storage commitment with a real Orthanc, which asks and answers on associations of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import ask, wait_until
from tests.integration.test_node_ingest import Find, LiveNode, _files, _finish, _report
from tests.support.ports import free_port

pytestmark = [pytest.mark.peers, pytest.mark.real_data]


@pytest.fixture
def node(tmp_path: Path, peer: Find) -> Iterator[LiveNode]:
    node = LiveNode(tmp_path / "live", peer("storescu"))
    yield node
    if node.process is not None and node.process.poll() is None:
        node.kill()


@pytest.fixture
def orthanc_url(node: LiveNode, tmp_path: Path, peer: Find) -> Iterator[str]:
    """An Orthanc that knows the node, as the PACS of its centre."""
    http_port = free_port()
    configuration = {
        "DicomAet": "PACS",
        "DicomPort": node.pacs_port,
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {"annulus": ["ANNULUS", "127.0.0.1", node.port]},
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "Plugins": [],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(configuration))
    with (tmp_path / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            [peer("Orthanc"), str(tmp_path / "orthanc.json")], stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{http_port}"
    try:
        wait_until(lambda: _answers(url), 60, "Orthanc answers")
        yield url
    finally:
        process.kill()
        process.wait(30)


def test_orthanc_pushes_asks_us_to_commit_and_is_told(
    node: LiveNode, orthanc_url: str, real_data: Path
) -> None:
    node.start()
    slices, _ = _files(real_data / "pat1")
    stored = ask(f"{orthanc_url}/instances", slices[0].read_bytes())["ID"]
    ask(f"{orthanc_url}/modalities/annulus/store", stored.encode())
    tags = ask(f"{orthanc_url}/instances/{stored}/simplified-tags")
    sop_class = "1.2.840.10008.5.1.4.1.1.2"
    references = [[sop_class, tags["SOPInstanceUID"]], [sop_class, "1.2.3.4.5"]]
    asked = ask(
        f"{orthanc_url}/modalities/annulus/storage-commitment", {"DicomInstances": references}
    )
    report = f"{orthanc_url}{asked['Path']}"
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
    node: LiveNode, orthanc_url: str, real_data: Path, tmp_path: Path
) -> None:
    node.start()
    slices, drawn = _files(real_data / "pat1")
    node.push([*slices, drawn])
    _finish(node, _report(tmp_path / "report.dcm"))
    wait_until(lambda: [one.delivered for one in node.studies()] == [True], 30, "the commitment")
    assert len(ask(f"{orthanc_url}/instances")) == 1
    registry = node.registry()
    with registry._database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM delivery_commitments").scalar() == 1
        assert connection.exec_driver_sql("SELECT sentence FROM deliveries").scalar() is None
    registry.close()


def _answers(url: str) -> bool:
    try:
        ask(f"{url}/system")
    except OSError:
        return False
    return True
