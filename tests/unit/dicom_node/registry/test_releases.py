"""The releases: recorded, done at once, and refused in a sentence where they make no sense."""

from __future__ import annotations

import pytest

from dicom_node.errors import StudyStateError, UnknownStudyError
from dicom_node.registry.registry import StudyState
from tests.support.intake_bench import Bench, rtstruct, whole_study

WAIVED = {
    "histology": "The histology is large cell, expected adenocarcinoma or squamous cell carcinoma."
}
MODEL = "m" * 64


def _finish(bench: Bench, state: StudyState) -> str:
    key, item = bench.complete(), bench.claim()
    bench.registry.outbox.finish(key, item.content_digest, MODEL, state, "why", None)
    return key


def test_a_release_is_recorded_and_the_study_is_worked_on_again(bench: Bench) -> None:
    key = _finish(bench, StudyState.QUARANTINED)
    made = bench.registry.releases.release(
        key, "  Dr.  A. Example ", "confirmed by\nthe tumour board", WAIVED
    )
    assert (made.released_by, made.reason) == ("Dr. A. Example", "confirmed by the tumour board")
    assert bench.state(key)[0] is StudyState.QUEUED
    item = bench.claim()
    assert bench.registry.results.find(key, item.content_digest, MODEL) is None
    assert bench.registry.releases.recorded() == [made]
    assert bench.registry.releases.recorded(key, item.content_digest) == [made]
    assert bench.registry.releases.recorded(key, "0" * 64) == []
    assert (made.released_at, dict(made.waived), made.center) == (bench.clock(), WAIVED, "alpha")


def test_a_release_holds_for_its_content_only(bench: Bench) -> None:
    key = _finish(bench, StudyState.QUARANTINED)
    bench.registry.releases.release(key, "A", "B", WAIVED)
    listed = [str(one.SOPInstanceUID) for one in whole_study(3)[0]]
    bench.push(rtstruct(listed, sop="1.2.1.9.2", made=("20240601", "080000")))
    newest = bench.registry.outbox.files(key).content_digest
    assert len(bench.registry.releases.recorded(key)) == 1
    assert bench.registry.releases.recorded(key, newest) == []


def test_what_cannot_be_released_is_refused_and_nothing_changes(bench: Bench) -> None:
    with pytest.raises(UnknownStudyError, match="knows no study nobody"):
        bench.registry.releases.release("nobody", "A", "B", WAIVED)
    key = _finish(bench, StudyState.SCORED)
    for by, reason, waived, sentence in (
        ("A", "B", WAIVED, "is scored: only a complete study that is quarantined can be released."),
        (" ", "B", WAIVED, "The name of a release has 0 characters: expected 1 to 64"),
        ("A", "x" * 301, WAIVED, "The reason of a release has 301 characters"),
        ("A", "B", {}, "Nothing is waived"),
    ):
        with pytest.raises(StudyStateError, match=sentence):
            bench.registry.releases.release(key, by, reason, waived)
    assert bench.state(key)[0] is StudyState.SCORED
    assert bench.registry.releases.recorded() == []
