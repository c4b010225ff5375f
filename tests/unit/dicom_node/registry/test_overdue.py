"""What has waited for too long: since when is counted over the tries between."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from dicom_node.center import Completeness, ReturnDestination
from dicom_node.registry.registry import StudyState
from tests.support.intake_bench import Bench, center, whole_study

HOUR = timedelta(hours=1)
PACS = ReturnDestination("PACS", "127.0.0.1", 104)


def test_studies_are_held_since_the_first_try_and_one_reason_is_one_group(bench: Bench) -> None:
    bench.complete(1)
    bench.complete(2)
    since = bench.clock()
    for _ in range(5):  # two studies, tried every twenty minutes
        for _ in range(2):
            item = bench.claim()
            bench.registry.outbox.hold(item.id, "worker", "no model is pinned", 1200)
        bench.clock.advance(1201)
    overdue = bench.registry.overdue
    (group,) = overdue.held(bench.clock() - HOUR)
    assert (group.center, group.sentence, group.count) == ("alpha", "no model is pinned", 2)
    assert group.since == since
    assert overdue.held(since - HOUR) == []
    item = bench.claim()
    bench.registry.outbox.finish(
        item.study_key, item.content_digest, "m" * 64, StudyState.SCORED, None, None
    )
    bench.registry.outbox.requeue(item.study_key, also_finished=True)
    item = bench.claim()
    bench.registry.outbox.hold(item.id, "worker", "another reason", 0)
    assert [one.count for one in overdue.held(bench.clock() - HOUR)] == [1]
    assert [one.count for one in overdue.held(bench.clock())] == [1, 1]


def test_a_quarantined_study_is_told_at_once_and_an_incomplete_one_after_its_time(
    bench: Bench,
) -> None:
    strict = center(completeness=Completeness.STRICT)
    bench.registry.centers.record([strict])
    slices, drawn = whole_study()
    bench.push(*slices[:-1], drawn)
    bench.clock.advance(61)
    bench.registry.studies.settle(strict)
    key = bench.complete(5)
    item = bench.claim()
    bench.registry.outbox.finish(
        key, item.content_digest, None, StudyState.QUARANTINED, "The GTV is empty.", None
    )
    overdue = bench.registry.overdue
    (quarantined,) = overdue.quarantined()
    assert (quarantined.study_key, quarantined.sentence) == (key, "The GTV is empty.")
    assert quarantined.since == bench.clock()
    assert overdue.incomplete(bench.clock() - 24 * HOUR) == []
    bench.clock.advance(86400)
    (incomplete,) = overdue.incomplete(bench.clock() - 24 * HOUR)
    assert (incomplete.center, incomplete.study_key != key) == ("alpha", True)


def test_what_a_centre_does_not_take_is_one_group_however_old(bench: Bench) -> None:
    bench.registry.centers.record([center(return_to=PACS)])
    bench.complete(1)
    bench.complete(2)
    queued = bench.clock()
    for _ in range(2):
        item = bench.claim()
        bench.registry.outbox.finish(
            item.study_key, item.content_digest, "m" * 64, StudyState.SCORED, None, Path("a.dcm")
        )
    bench.registry.deliveries.queue("alpha", "q" * 16, "m" * 64, {"d" * 64: Path("b.dcm")})
    first, *others = bench.registry.deliveries.due(["alpha"])
    bench.registry.deliveries.mark_failed(first.id, "the association was refused", 10)
    overdue = bench.registry.overdue
    assert overdue.undelivered(queued - HOUR) == []
    bench.clock.advance(3601)
    (group,) = overdue.undelivered(bench.clock() - HOUR)
    assert (group.center, group.count, group.since) == ("alpha", 3, queued)
    assert group.sentence == "the association was refused"
    with bench.registry._database.write() as connection:  # as an earlier version queued them
        connection.exec_driver_sql("UPDATE deliveries SET queued_at = NULL")
    assert overdue.undelivered(queued - HOUR)[0].count == 3
    for one in (first, *others):
        bench.registry.deliveries.mark_delivered(one.id)
    assert overdue.undelivered(bench.clock()) == []
