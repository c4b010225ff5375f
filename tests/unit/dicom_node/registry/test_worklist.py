"""The worklist: filters, pages, what waits, and everything about one study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.center import Completeness, ReturnDestination
from dicom_node.registry.registry import StudyState, Wanted
from tests.support.intake_bench import Bench, center, ct_slice, rtstruct

PACS = ReturnDestination("PACS", "127.0.0.1", 104)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Three studies of alpha, the first scored and its report undelivered, the second held, the
    third incomplete; one of beta that waits.
    """
    bench = Bench(tmp_path / "node")
    alpha = center(completeness=Completeness.STRICT, return_to=PACS)
    bench.registry.centers.record([alpha, center("beta")])
    for number in (1, 2):
        bench.complete(number)
        bench.clock.advance(10)
    bench.push(ct_slice(0, study="1.2.3", series="1.2.3.1", patient="P3"))
    slices = [ct_slice(index, study="1.2.4", series="1.2.4.1") for index in range(3)]
    listed = [str(one.SOPInstanceUID) for one in slices]
    bench.push(*slices, rtstruct(listed, study="1.2.4", sop="1.2.4.9"), center_name="beta")
    first, second = bench.claim(), bench.claim()
    bench.registry.outbox.attach_flow_run(first.id, "worker", "a run")
    bench.registry.outbox.finish(
        first.study_key,
        first.content_digest,
        "ab" * 32,
        StudyState.SCORED,
        "high risk",
        tmp_path / "report.dcm",
    )
    bench.registry.outbox.hold(second.id, "worker", "no model is pinned", 60)
    bench.clock.advance(3600)
    bench.registry.studies.settle(alpha)
    yield bench
    bench.close()


def test_a_page_holds_what_is_wanted_and_says_how_many_there_are(bench: Bench) -> None:
    worklist, every = bench.registry.worklist, bench.registry.studies.summaries()
    studies, total = worklist.page(Wanted(), 0, 3)
    assert (studies, total) == (every[:3], 4)
    assert worklist.page(Wanted(), 3, 3) == (every[3:], 4)
    held, n_held = worklist.page(Wanted(states=(StudyState.HELD, StudyState.QUARANTINED)), 0, 9)
    assert ([one.sentence for one in held], n_held) == (["no model is pinned"], 1)
    of_beta, _ = worklist.page(Wanted(centers=("beta",)), 0, 9)
    assert [(one.center, one.state) for one in of_beta] == [("beta", StudyState.QUEUED)]
    assert worklist.page(Wanted(centers=()), 0, 9) == ([], 0)
    waiting, _ = worklist.page(Wanted(undelivered=True), 0, 9)
    assert [(one.state, one.delivered) for one in waiting] == [(StudyState.SCORED, False)]
    assert worklist.page(Wanted(waits_longest_first=True), 0, 9)[0] == sorted(
        every, key=lambda one: (one.updated_at, one.study_key)
    )


def test_a_pseudonym_is_found_by_its_beginning_and_nothing_else_is_one(bench: Bench) -> None:
    worklist = bench.registry.worklist
    (study, *_) = bench.registry.studies.summaries("beta")
    for key in (study.study_key, study.study_key[:5], study.patient_key):
        assert worklist.page(Wanted(pseudonym=key), 0, 9) == ([study], 1)
    for text in ("%", "_" * 16, "P1", "' OR 1=1", "a" * 17, "ÄÖ"):
        assert worklist.page(Wanted(pseudonym=text), 0, 9) == ([], 0)


def test_what_waits_is_told_by_centre_and_reason(bench: Bench) -> None:
    worklist = bench.registry.worklist
    groups, total = worklist.waiting(None, 9)
    assert total == 3
    assert {(one.center, one.state, one.sentence, one.count) for one in groups} >= {
        ("alpha", StudyState.HELD, "no model is pinned", 1),
        ("beta", StudyState.QUEUED, None, 1),
    }
    assert [one.center for one in worklist.waiting(["beta"], 9)[0]] == ["beta"]
    assert worklist.waiting(None, 1)[1] == 3
    assert [(one.center, one.count) for one in worklist.undelivered(None)] == [("alpha", 1)]
    assert worklist.undelivered(["beta"]) == []
    assert worklist.counts(["alpha"]) == {
        ("alpha", StudyState.SCORED): 1,
        ("alpha", StudyState.HELD): 1,
        ("alpha", StudyState.INCOMPLETE): 1,
    }
    assert sum(worklist.counts().values()) == 4
    oldest = worklist.oldest_in_outbox()
    assert oldest is not None
    assert (bench.clock.time - oldest).total_seconds() == 3610


def test_one_study_is_known_with_its_contents_results_and_reports(bench: Bench) -> None:
    worklist = bench.registry.worklist
    (scored, *_), _ = worklist.page(Wanted(states=(StudyState.SCORED,)), 0, 1)
    record = worklist.study(scored.study_key)
    assert record is not None
    assert record.summary == scored
    (content,) = record.contents
    assert (content.patient_key, content.flow_run_id) == (scored.patient_key, "a run")
    assert content.choice is not None
    assert [(one.state, one.model_digest) for one in content.results] == [
        (StudyState.SCORED, "ab" * 32)
    ]
    (report,) = record.reports
    assert (report.kind, report.model_digest, report.delivered_at) == ("sr", "ab" * 32, None)
    for text in ("no such study", "a" * 16, "\0", "\ud800", "ä" * 16):
        assert worklist.study(text) is None
