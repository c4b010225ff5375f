"""The report on one centre in a real Orthanc: structured report and PDF, committed, under the QA
patient ID, once.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from dicom_node.settings import PSEUDONYM_KEY_VARIABLE
from flows.installation import Installation
from flows.settings import Settings
from flows.validation.report_to_pacs import queue_center_report
from tests.support.dciodvfy import errors_in
from tests.support.node_process import KEY, NodeWithPacs
from tests.support.orthanc import Orthanc
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from tests.support.waiting import wait_until
from validation_reports.report.validation_report import build_report
from validation_reports.report_folder import write_report_files

pytestmark = pytest.mark.peers
QA_ID = "ANNULUS-QA"
CLASSES = {
    "1.2.840.10008.5.1.4.1.1.88.33": "ComprehensiveSR",
    "1.2.840.10008.5.1.4.1.1.104.1": "EncapsulatedPDF",
}


def _installation(node: NodeWithPacs) -> Installation:
    settings = Settings.load(node.folder / "annulus.toml")
    alpha = settings.center["alpha"].model_copy(update={"qa_patient_id": QA_ID})
    work = Installation(settings.model_copy(update={"center": {"alpha": alpha}}))
    facts = SimpleNamespace(
        name="demo-nsclc", version="1.0", demonstration=True, intended_use="Research."
    )
    cast("dict[str, object]", work.__dict__)["bundle"] = SimpleNamespace(
        digest=PROVENANCE.model_digest, facts=facts
    )
    return work


def test_a_centers_report_is_kept_by_its_pacs_once(
    node: NodeWithPacs,
    orthanc_of_node: Orthanc,
    tmp_path: Path,
    peer: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PSEUDONYM_KEY_VARIABLE, KEY)
    node.start()
    work = _installation(node)
    cohort = made_cohort("alpha", 60, 1, excluded=(("a1", "quarantined: two ROIs match — both é"),))
    report = build_report([cohort], PROVENANCE, n_resamples=20)
    without_pdf = write_report_files(tmp_path / "20260304-center-alpha", report, [cohort])
    if without_pdf and os.environ.get("ANNULUS_REQUIRE_PEERS") != "1":
        pytest.skip(without_pdf)
    assert without_pdf is None
    pdf = (tmp_path / "20260304-center-alpha" / "report.pdf").read_bytes()

    sentence = queue_center_report(work, report, tmp_path / "20260304-center-alpha")
    assert sentence == "queued for the PACS of alpha"
    wait_until(
        lambda: not work.registry.deliveries.undelivered(), 30, "the commitment of both objects"
    )
    instances = orthanc_of_node.instances()
    assert len(instances) == 2
    studies, uids = set(), {}
    for tags in instances:
        assert (tags["PatientID"], tags["PatientName"]) == (QA_ID, "Annulus QA^alpha")
        studies.add(tags["StudyInstanceUID"])
        path = tmp_path / f"{CLASSES[tags['SOPClassUID']]}.dcm"
        uids[path.stem] = tags["SOPInstanceUID"]
        orthanc_of_node.fetch(tags["orthanc"], path)
    assert len(studies) == 1
    for name in CLASSES.values():
        assert errors_in(peer("dciodvfy"), tmp_path / f"{name}.dcm", name=name) == []
    shown = subprocess.run(
        [peer("dsrdump"), "+Pl", "+Pu", str(tmp_path / "ComprehensiveSR.dcm")],
        capture_output=True,
        check=True,
    ).stdout.decode()
    for expected in (
        "DEMONSTRATION MODEL, NOT FOR CLINICAL USE",
        "Does the score order patients? yes: C = ",
        'validation report")="20260304-center-alpha"',
        '="1: quarantined: two ROIs match - both é"',
        uids["EncapsulatedPDF"],
    ):
        assert expected in shown
    subprocess.run(
        [peer("dcm2pdf"), str(tmp_path / "EncapsulatedPDF.dcm"), str(tmp_path / "read.pdf")],
        check=True,
        timeout=30,
    )
    assert (tmp_path / "read.pdf").read_bytes().rstrip(b"\0") == pdf

    later = replace(
        PROVENANCE,
        created_at=PROVENANCE.created_at + timedelta(days=1),
        store_versions={"scores": 99},
    )
    again = queue_center_report(
        work, replace(report, provenance=later), tmp_path / "20260304-center-alpha"
    )
    assert again == "the PACS of alpha has been sent these findings before"
    assert work.registry.deliveries.undelivered() == []
    with work.registry._database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM delivery_commitments").scalar() == 2
    other = build_report([made_cohort("alpha", 61, 2)], PROVENANCE, n_resamples=20)
    assert (
        queue_center_report(work, other, tmp_path / "20260304-center-alpha")
        == "queued for the PACS of alpha"
    )
    wait_until(
        lambda: len({one["StudyInstanceUID"] for one in orthanc_of_node.instances()}) == 2,
        30,
        "the report of the next patients",
    )
    work.registry.close()
