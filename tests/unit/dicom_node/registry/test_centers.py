"""The centres: other processes know which of them want reports."""

from __future__ import annotations

from pathlib import Path

from dicom_node.center import ReturnDestination
from dicom_node.registry.registry import StudyState
from tests.support.intake_bench import Bench, center

REPORT = Path("/reports/one.dcm")
MODEL = "m" * 64


def test_a_center_without_a_return_ae_gets_no_delivery(bench: Bench) -> None:
    key = bench.complete()
    bench.registry.centers.record([center()])
    item = bench.claim()
    bench.registry.outbox.finish(key, item.content_digest, MODEL, StudyState.SCORED, None, REPORT)
    assert bench.registry.deliveries.due(["alpha"]) == []
    assert [one.delivered for one in bench.registry.studies.summaries()] == [None]
    bench.registry.outbox.requeue(key, also_finished=True)
    bench.registry.centers.record([center(return_to=ReturnDestination("PACS", "127.0.0.1", 104))])
    bench.registry.outbox.finish(key, item.content_digest, MODEL, StudyState.SCORED, None, REPORT)
    assert [one.delivered for one in bench.registry.studies.summaries()] == [False]
