"""The commands on a study's page are those that its state takes, and that there are."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.__main__ import _parser as node_parser
from dicom_node.registry.registry import StudyRecord, StudyState
from feature_store.rules import Finding, Severity
from flows.__main__ import _parser
from flows.portal.operator_commands import is_releasable, operator_commands
from tests.support.intake_bench import Bench

OLD = Finding(Severity.CRITICAL, "age", "The patient is 97 years old.")
LASTING = Finding(Severity.CRITICAL, "one-slice", "There is one slice.")
WARNING = Finding(Severity.WARNING, "kvp", "The tube voltage is 140 kV.")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()


def _record(bench: Bench, state: StudyState | None, sentence: str | None = None) -> StudyRecord:
    study_key = bench.complete()
    if state is not None:
        item = bench.claim()
        bench.registry.outbox.finish(
            study_key, item.content_digest, "m" * 64, state, sentence, None
        )
    record = bench.registry.worklist.study(study_key)
    assert record is not None
    return record


def _names(record: StudyRecord, *findings: Finding) -> list[str]:
    lines = [one.words for one in operator_commands(record, findings)]
    for line in lines:
        _, _, program, *words = shlex.split(line)
        parser = _parser() if program == "flows" else node_parser()
        parser.parse_args(words)
    return [line.split()[3] + (" --again" if "--again" in line else "") for line in lines]


def test_a_quarantined_study_may_be_released_where_that_is_somebodys_to_decide(
    bench: Bench,
) -> None:
    record = _record(bench, StudyState.QUARANTINED, OLD.sentence)
    assert _names(record, OLD) == ["release", "requeue", "store", "who"]
    assert _names(record, OLD, LASTING) == ["requeue", "store", "who"]
    assert _names(record) == ["requeue", "store", "who"]


def test_a_scored_study_may_be_done_again_and_explained(bench: Bench) -> None:
    record = _record(bench, StudyState.SCORED)
    assert _names(record, WARNING) == ["requeue --again", "explain", "store", "who"]


def test_nothing_need_be_done_with_one_that_is_queued(bench: Bench) -> None:
    assert _names(_record(bench, None)) == ["store", "who"]


def test_a_finding_that_is_not_the_reason_releases_nothing() -> None:
    assert is_releasable(f"{OLD.sentence} And more.", [OLD, WARNING])
    assert not is_releasable("Its files changed on disk.", [OLD])
    assert not is_releasable("", [])
