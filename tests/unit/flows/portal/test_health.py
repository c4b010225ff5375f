"""The health: each part by what its files and the registry say, the worst first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from deploy.local.supervisor import PartState, SystemFolder
from flows.notices.machine import PARTS_NAME
from flows.portal.health import HealthLine, ServerAnswers, Verdict, health
from flows.settings import Settings
from tests.support.intake_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "node")
    yield bench
    bench.close()


def _settings(bench: Bench, **node: object) -> Settings:
    table = {"folder": bench.folder, "minimum_free_bytes": 0, **node}
    return Settings.model_validate({"node": table})


def _lines(bench: Bench, settings: Settings, *, server: bool = True) -> dict[str, HealthLine]:
    found = health(settings, bench.registry, bench.clock.time, lambda: server)
    ranks = [[Verdict.BAD, Verdict.LOOK, Verdict.GOOD].index(line.verdict) for line in found]
    assert ranks == sorted(ranks)
    return {line.what: line for line in found}


def test_all_is_well(bench: Bench) -> None:
    lines = _lines(bench, _settings(bench))
    assert set(lines) == {"disk", "Prefect server", "outbox", "deliveries", "incidents"}
    assert {line.verdict for line in lines.values()} == {Verdict.GOOD}


def test_what_an_operator_must_look_at_is_told(bench: Bench) -> None:
    bench.complete()
    item = bench.claim()
    bench.registry.outbox.hold(item.id, "worker", "no model", 60)
    bench.registry.incidents.record("low-disk", "The disk is full.", None, "disk")
    lines = _lines(bench, _settings(bench, minimum_free_bytes=1 << 49), server=False)
    assert lines["Prefect server"].verdict is Verdict.BAD
    assert lines["disk"].verdict is Verdict.BAD
    assert lines["outbox"] == HealthLine(
        "outbox", Verdict.LOOK, "0 waiting, 0 being worked on, 1 held."
    )
    assert lines["incidents"].verdict is Verdict.LOOK
    bench.clock.advance(7200)
    late = _lines(bench, _settings(bench))["outbox"]
    assert "the first has waited for 2 hours: is the dispatcher up?" in late.sentence


def test_the_parts_are_those_that_the_supervisor_wrote(bench: Bench) -> None:
    system = SystemFolder(bench.folder / "system")
    assert system.states.name == PARTS_NAME
    system.path.mkdir()
    states = [
        PartState("node", 12, "2026-01-01 00:00:00"),
        PartState("dispatcher", 13, "2026-01-01 00:00:00", 7, "2026-01-02 ended by signal 9"),
        PartState("prefect", None, "2026-01-01 00:00:00", 1, "2026-01-02 ended by signal 9"),
    ]
    system.states.write_text(json.dumps([asdict(one) for one in states]))
    lines = _lines(bench, _settings(bench))
    assert lines["node"].verdict is Verdict.GOOD
    assert lines["dispatcher"].verdict is Verdict.LOOK
    assert "after 7 restarts. It last ended at 2026-01-02 ended by signal 9." in (
        lines["dispatcher"].sentence
    )
    assert lines["prefect"].verdict is Verdict.BAD
    system.states.write_text("[{}]")
    assert _lines(bench, _settings(bench))["parts"].verdict is Verdict.LOOK


def test_a_server_is_asked_only_now_and_then() -> None:
    asked: list[str] = []

    def ask(url: str) -> bool:
        asked.append(url)
        return True

    answers = ServerAnswers("http://prefect/api", ask)
    assert answers()
    assert answers()
    assert asked == ["http://prefect/api"]
