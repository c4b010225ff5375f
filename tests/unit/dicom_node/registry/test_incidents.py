"""The incidents: each is counted, and reported once."""

from __future__ import annotations

from tests.support.intake_bench import Bench


def test_incidents_are_counted_and_reported_once_a_day(bench: Bench) -> None:
    registry = bench.registry
    for subject in ("A", "A", "B"):
        registry.incidents.record("kind", f"about {subject}", None, subject)
    assert [(one.subject, one.count, one.center) for one in registry.incidents.unreported()] == [
        ("A", 2, None),
        ("B", 1, None),
    ]
    registry.incidents.mark_reported([one.id for one in registry.incidents.unreported()])
    registry.incidents.record("kind", "about A", None, "A")
    assert registry.incidents.unreported() == []
    bench.clock.advance(2 * 86400)
    registry.incidents.record("kind", "again", None, "A")
    assert [(one.sentence, one.count) for one in registry.incidents.unreported()] == [("again", 4)]
