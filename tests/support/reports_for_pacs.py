"""The smallest report that a PACS indexes, and a study that has it."""

from __future__ import annotations

from pathlib import Path

from dicom_node.datasets.sop_classes import COMPREHENSIVE_3D_SR_STORAGE
from dicom_node.registry.registry import Registry, StudyState
from tests.support.dicom_datasets import dataset_of, save

REPORT_UID = "1.2.826.0.1.3680043.8.498.1"


def write_smallest_report(path: Path) -> Path:
    """Write the smallest SR that a PACS indexes."""
    report = dataset_of(
        COMPREHENSIVE_3D_SR_STORAGE,
        REPORT_UID,
        "1.2.826.0.1.3680043.8.498.2",
        series="1.2.826.0.1.3680043.8.498.3",
    )
    report.Modality = "SR"
    return save(report, path)


def finish_with(registry: Registry, report: Path) -> None:
    """Finish the study that waits in the outbox as scored, with this report for its PACS."""
    item = registry.outbox.claim("worker", 60)
    assert item is not None, "no study waits in the outbox"
    registry.outbox.finish(
        item.study_key, item.content_digest, "m" * 64, StudyState.SCORED, None, report
    )
