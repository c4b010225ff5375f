"""`validate-center` as it is run every night: from the store to the report, and on to the delivery
queue.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import dcmread

from feature_store.clinical_records import ClinicalRecord, ClinicalTable, Histology, Sex
from feature_store.tables.rows import AcquisitionRecord
from feature_store.tables.store import ScoreRow, StudyIdentity
from tests.support.running_installation import Place, Running
from tests.support.scored_cohorts import HORIZONS, made_cohort
from tests.support.settings_tables import center_table
from validation_reports.report.latest_performance import CenterPerformance, latest_performance

pytestmark = pytest.mark.slow
CENTER = center_table("B", pacs=("PACS", 9), qa_patient_id="ANNULUS-QA")


@pytest.fixture
def scored(
    tmp_path: Path, prefect_port: int, bundle: tuple[Path, str], new_place: Place
) -> Iterator[Running]:
    """An installation that has scored 40 patients with the pinned bundle; nothing of it runs."""
    running = Running(tmp_path, prefect_port, CENTER, bundle, **new_place())
    store, cohort = running.store, made_cohort("B", 40, 1)
    records = []
    for place, key in enumerate(cohort.patient_keys):
        identity = StudyIdentity("B", key, f"study-{key}", "c" * 64)
        survival = {days: float(cohort.predicted_survival[days][place]) for days in HORIZONS}
        score, moment = float(cohort.linear_predictor[place]), datetime(2026, 1, 2, tzinfo=UTC)
        store.put_score(
            ScoreRow(identity, bundle[1], score, score > 0, survival, 1, (), "test", moment)
        )
        days, event = float(cohort.survival.days[place]), bool(cohort.survival.event[place])
        records.append(
            ClinicalRecord(key, "B", 70.0, Sex.MALE, Histology.SQUAMOUS, "IIIA", days, event)
        )
        # Fewer than five patients of one scanner do not leave with a report.
        if place < 10:
            scanner = AcquisitionRecord("2025-11", "SIEMENS", "One", None, 120.0, 3.0)
            store.put_acquisition(identity, scanner)
    store.put_clinical(ClinicalTable(tuple(records), ()))
    yield running
    running.registry.close()


def test_the_nightly_validation_queues_its_report_for_the_pacs(scored: Running) -> None:
    done = scored.run_flow("validate-center", "B")
    assert "40 patients analysed" in done.stdout, done.stdout + done.stderr
    assert "queued for the PACS of B" in done.stdout
    if "without the PDF" in done.stdout and os.environ.get("ANNULUS_REQUIRE_PEERS") != "1":
        pytest.skip("Pango is not installed, so there is no PDF")
    objects = [
        dcmread(delivery.path) for delivery, _, _ in scored.registry.deliveries.undelivered()
    ]
    assert [dataset.SOPClassUID.name for dataset in objects] == [
        "Encapsulated PDF Storage",
        "Comprehensive SR Storage",
    ]
    assert {dataset.PatientID for dataset in objects} == {"ANNULUS-QA"}
    found = latest_performance(scored.folder / "node" / "reports", "B", scored.bundle_digest)
    assert isinstance(found, CenterPerformance)
    assert found.n == 40
    assert found.report_id in str(objects[1].to_json())
    page = (scored.folder / "node" / "reports" / found.report_id / "report.html").read_text()
    assert "SIEMENS ONE" in page
    assert objects[0].EncapsulatedDocumentLength > 10_000
