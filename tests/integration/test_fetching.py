"""A list is fetched from real PACSs by the command, which is stopped and goes on."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_node.registry.registry import StudyState
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE
from tests.support import ROOT
from tests.support.certificates import Certificates, make_certificates
from tests.support.dcmqrscp import Dcmqrscp
from tests.support.node_process import KEY, NodeProcess
from tests.support.orthanc import Orthanc
from tests.support.settings_tables import center_table
from tests.support.waiting import wait_until
from tests.torture.withheld import query_from, write_studies

pytestmark = [pytest.mark.peers, pytest.mark.slow]

WRONG = [
    "P*,,",
    ",,",
    "PATIENT00001,,1.2.2",
    ",,not-a-uid",
    "NOBODY,,",
    ",ACCESSION-NUMBER-TOO-LONG,",
    "PATIENT00001,,",
    ",,9.9.9",
    "PATIENT\\1,,",
    ",NONE,",
]


def _command(node: NodeProcess, file: Path) -> list[str]:
    settings = ["--settings", str(node.settings)]
    return [sys.executable, "-m", "dicom_node", *settings, "retrieve", "alpha", str(file)]


def tls_table(certificates: Certificates) -> str:
    """Return the settings of a node that speaks TLS."""
    table = certificates.table("client")
    return (
        f"[node.tls]\ncertificate = '{table.certificate}'\nkey = '{table.key}'\n"
        f"authorities = '{table.authorities}'\n"
    )


@pytest.mark.parametrize(
    ("program", "count", "speaks_tls"),
    [("Orthanc", 50, False), ("Orthanc", 14, True), ("dcmqrscp", 18, False)],
)
def test_a_list_with_ten_wrong_lines_has_a_result_for_each(
    tmp_path: Path, peer: Callable[[str], str], program: str, count: int, *, speaks_tls: bool
) -> None:
    node = NodeProcess(tmp_path / "node", centers="")
    tls = make_certificates(tmp_path) if speaks_tls else None
    pacs: Orthanc | Dcmqrscp
    if program == "Orthanc":
        known = {"annulus": ("ANNULUS", "127.0.0.1", node.port)}
        pacs = Orthanc(peer(program), tmp_path / "pacs", "QR", modalities=known, tls=tls)
        port = pacs.dicom_port
    else:
        pacs = Dcmqrscp(peer(program), tmp_path / "pacs", node.port)
        port = pacs.port
    with node.settings.open("a") as settings:
        if tls is not None:
            settings.write(tls_table(tls))
        settings.write(center_table("alpha"))
        settings.write(query_from(pacs.ae_title, port, studies_per_hour="100000"))
    studies = write_studies(tmp_path / "files", count - len(WRONG))
    good = [
        f"PATIENT{number:05d},," if number % 2 else f",,1.2.{number}"
        for number in range(1, len(studies) + 1)
    ]
    file = tmp_path / "list.csv"
    lines = ["patient_id,accession_number,study_instance_uid", *good, *WRONG]
    file.write_text("\n".join(lines) + "\n")
    kept = tmp_path / "list.results.csv"
    environment = {**os.environ, PSEUDONYM_KEY_VARIABLE: KEY}
    with pacs:
        pacs.store([one for study in studies for one in study])
        node.start()
        try:
            first = subprocess.Popen(
                _command(node, file), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
            )
            wait_until(
                lambda: kept.exists() and kept.read_text().count("\n") > 5, 60, "lines are done"
            )
            first.send_signal(signal.SIGINT)
            said, _ = first.communicate(timeout=60)
            assert first.returncode == 1
            assert "not asked for yet; run it again" in said
            second = subprocess.run(
                _command(node, file),
                cwd=ROOT,
                env=environment,
                check=False,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert second.returncode == 0, second.stdout + second.stderr
            found = node.studies()
        finally:
            node.kill()
    rows = list(csv.DictReader(io.StringIO(kept.read_text())))
    assert sorted(int(one["line"]) for one in rows) == list(range(2, count + 2))
    outcomes = Counter(one["outcome"] for one in rows)
    assert outcomes == {"fetched": count - 10, "wrong line": 6, "not found": 4}
    assert [one.state for one in found] == [StudyState.QUEUED] * (count - 10)
    told = said + second.stdout + second.stderr + kept.read_text() + node.log.read_text()
    assert not [word for word in ("PATIENT0", "1.2.3.1", "NOBODY") if word in told]
