"""The causes: each found where it is, and what cannot be asked is not looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.local.processes import free_port
from dicom_node.registry.registry import StudyState
from flows.installation import Installation
from flows.notices.causes import OF_REGISTRY, Causes, registry_causes
from flows.notices.machine import PARTS_NAME
from flows.settings import Settings
from flows.settings.notify import NoticeKind, NotifyTable
from tests.support.intake_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()


def _installation(bench: Bench) -> Installation:
    node = {"folder": bench.folder, "minimum_free_bytes": 0}
    api_url = f"http://127.0.0.1:{free_port()}/api"
    settings = Settings.model_validate({"node": node, "prefect": {"api_url": api_url}})
    return Installation(settings)


def _held(bench: Bench, number: int, sentence: str) -> None:
    bench.complete(number)
    item = bench.claim()
    bench.registry.outbox.hold(item.id, "worker", sentence, 7200)


def test_one_reason_why_studies_are_held_is_one_cause(bench: Bench) -> None:
    _held(bench, 1, "No model is pinned.")
    _held(bench, 2, "No model is pinned.")
    _held(bench, 3, "the store is not writable")
    later = bench.clock() + timedelta(hours=1)
    notify = NotifyTable()
    first, second = registry_causes(bench.registry, notify, later)
    assert first.sentence == "2 studies are held at centre alpha. No model is pinned."
    assert second.sentence == "1 study is held at centre alpha. The store is not writable"
    assert first.page == "worklist?center=alpha&state=held"
    assert first.key != second.key
    assert first.center == second.center == "alpha"
    assert list(registry_causes(bench.registry, notify, bench.clock())) == []
    hours = NotifyTable(late_after_hours=2)
    assert list(registry_causes(bench.registry, hours, later)) == []


def test_a_quarantined_study_is_a_cause_by_itself_and_another_reason_another(bench: Bench) -> None:
    key = bench.complete(1)
    keys = set()
    for sentence in ("The GTV is empty.", "No air.", "No air."):
        item = bench.claim()
        bench.registry.outbox.finish(
            key, item.content_digest, None, StudyState.QUARANTINED, sentence, None
        )
        (cause,) = registry_causes(bench.registry, NotifyTable(), bench.clock())
        assert cause.sentence == f"Study {key} of centre alpha is quarantined. {sentence}"
        assert (cause.page, cause.subject) == (f"studies/{key}", key)
        keys.add(cause.key)
        bench.registry.outbox.requeue(key)
    assert len(keys) == 2


def test_everything_is_looked_at_but_what_cannot_be_asked(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    work = _installation(bench)
    system = bench.folder / "system"
    system.mkdir()
    lately = f"{bench.clock():%Y-%m-%d %H:%M:%S}"
    parts = [{"name": "dispatcher", "ends": [lately] * 3}]
    (system / PARTS_NAME).write_text(json.dumps(parts))
    causes = Causes(work)
    found = causes.now(bench.clock())
    assert [one.subject for one in found.causes] == ["dispatcher"]
    every = OF_REGISTRY | {NoticeKind.DISK, NoticeKind.RESTARTS, NoticeKind.VERDICT_CHANGED}
    assert found.looked_at == every  # the Prefect server does not answer
    (system / PARTS_NAME).write_text('[{"name": "dispatcher", "ends": ["yesterday"]}]')
    again = causes.now(bench.clock())
    assert again.looked_at == every - {NoticeKind.RESTARTS}
    assert "Cannot look for notices of restarts (ValueError)" in caplog.text
    work.registry.close()
