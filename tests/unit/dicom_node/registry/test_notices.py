"""The notices: each cause once."""

from __future__ import annotations

import pytest

from tests.support.intake_bench import Bench
from tests.support.noted_causes import TO, cause, claimed, note


def test_a_cause_is_noted_once_and_ends_when_it_holds_no_more(bench: Bench) -> None:
    notices = bench.registry.notices
    one, other = cause(bench), cause(bench, "l" * 16, center=None)
    assert note(bench, one, other) == 2
    assert note(bench, one, other) == 0
    found, total = notices.open()
    assert ({each.cause for each in found}, total) == ({one, other}, 2)
    assert [each.cause for each in notices.open(["alpha"])[0]] == [one]
    assert notices.open(["beta"]) == ([], 0)
    assert len(notices.open(limit=1)[0]) == 1
    assert note(bench, one) == 0
    assert [each.cause for each in notices.open()[0]] == [one]


def test_what_was_not_looked_at_stays(bench: Bench) -> None:
    note(bench, cause(bench))
    assert bench.registry.notices.note([], ["held"], TO) == 0
    assert bench.registry.notices.open()[1] == 1


def test_words_that_change_are_no_news(bench: Bench) -> None:
    note(bench, cause(bench))
    assert note(bench, cause(bench, sentence="No GTV, still.")) == 0
    assert bench.registry.notices.open()[0][0].cause.sentence == "No GTV, still."


@pytest.mark.parametrize(("away_s", "news"), [(3500, 0), (3700, 1)])
def test_what_comes_back_soon_has_never_ended(bench: Bench, away_s: float, news: int) -> None:
    for _ in range(2):
        note(bench, cause(bench))
        while message := claimed(bench, "prefect") or claimed(bench, "mail:a@b.example"):
            bench.registry.notice_sendings.mark_told(message.id)
        assert bench.registry.notice_sendings.untold() == []
        note(bench)
        bench.clock.advance(away_s)
    assert note(bench, cause(bench)) == news
    assert len(bench.registry.notice_sendings.untold()) == 2 * news


def test_what_ended_long_ago_and_was_told_is_forgotten(bench: Bench) -> None:
    notices = bench.registry.notices
    note(bench, cause(bench))
    note(bench)
    bench.clock.advance(86400)
    assert notices.forget(bench.clock()) == 0  # it waits to be told
    while message := claimed(bench, "prefect") or claimed(bench, "mail:a@b.example"):
        bench.registry.notice_sendings.mark_told(message.id)
    assert notices.forget(bench.clock()) == 1
    assert notices.open() == ([], 0)
    assert note(bench, cause(bench)) == 1
    assert notices.forget(bench.clock()) == 0


def test_notices_about_an_erased_person_go(bench: Bench) -> None:
    key = bench.complete()
    about = [
        cause(bench, key),
        cause(bench, "m" * 16, sentence=f"As study {key}."),
        cause(bench),
    ]
    note(bench, *about)
    people = bench.registry.people
    (known,) = people.known()
    people.forget(people.traces(known.center, known.patient_key), {known.patient_key, key})
    assert [one.cause.subject for one in bench.registry.notices.open()[0]] == ["k" * 16]
    assert {one.count for one in bench.registry.notice_sendings.untold()} == {1}
