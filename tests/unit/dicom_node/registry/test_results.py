"""The results: which studies a model has still to score."""

from __future__ import annotations

from dicom_node.registry.registry import StudyState
from tests.support.intake_bench import Bench, whole_study

OLD, NEW = "a" * 64, "b" * 64


def test_a_study_is_missing_until_this_model_has_done_it(bench: Bench) -> None:
    slices, drawn = whole_study()
    bench.push(*slices, drawn)
    assert (
        bench.registry.results.missing("alpha", NEW) == []
    )  # it waits in the outbox and will be done anyway
    item = bench.claim()
    assert bench.registry.results.missing("alpha", NEW) == []
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, OLD, StudyState.SCORED, None, None
    )
    assert bench.registry.results.missing("alpha", NEW) == [item.study_key]
    assert bench.registry.results.missing("alpha", OLD) == []
    assert bench.registry.results.missing("beta", NEW) == []
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, NEW, StudyState.QUARANTINED, "why", None
    )
    assert bench.registry.results.missing("alpha", NEW) == []
