"""The notices: each cause once, told to each sink in one message however often somebody dies."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from dicom_node.registry.registry import Cause, Message
from tests.support.intake_bench import Bench

KINDS = ("held", "quarantined")
TO = {"quarantined": ("prefect", "mail:a@b.example"), "held": ("prefect",)}


def _cause(bench: Bench, subject: str = "k" * 16, **more: object) -> Cause:
    made = Cause(
        "quarantined", "alpha", subject, "no-gtv", "No GTV.", f"studies/{subject}", bench.clock()
    )
    return replace(made, **more)  # type: ignore[arg-type]


def _note(bench: Bench, *causes: Cause) -> int:
    return bench.registry.notices.note(causes, KINDS, TO)


def _claimed(bench: Bench, sink: str, most: int = 100, owner: str = "one") -> Message | None:
    return bench.registry.notices.claim([sink], owner, 60.0, most)


def test_a_cause_is_noted_once_and_ends_when_it_holds_no_more(bench: Bench) -> None:
    notices = bench.registry.notices
    one, other = _cause(bench), _cause(bench, "l" * 16, center=None)
    assert _note(bench, one, other) == 2
    assert _note(bench, one, other) == 0
    found, total = notices.open()
    assert ({each.cause for each in found}, total) == ({one, other}, 2)
    assert [each.cause for each in notices.open(["alpha"])[0]] == [one]
    assert notices.open(["beta"]) == ([], 0)
    assert len(notices.open(limit=1)[0]) == 1
    assert _note(bench, one) == 0
    assert [each.cause for each in notices.open()[0]] == [one]


def test_what_was_not_looked_at_stays(bench: Bench) -> None:
    _note(bench, _cause(bench))
    assert bench.registry.notices.note([], ["held"], TO) == 0
    assert bench.registry.notices.open()[1] == 1


def test_words_that_change_are_no_news(bench: Bench) -> None:
    _note(bench, _cause(bench))
    assert _note(bench, _cause(bench, sentence="No GTV, still.")) == 0
    assert bench.registry.notices.open()[0][0].cause.sentence == "No GTV, still."


@pytest.mark.parametrize(("away_s", "news"), [(3500, 0), (3700, 1)])
def test_what_comes_back_soon_has_never_ended(bench: Bench, away_s: float, news: int) -> None:
    for _ in range(2):
        _note(bench, _cause(bench))
        while message := _claimed(bench, "prefect") or _claimed(bench, "mail:a@b.example"):
            bench.registry.notices.mark_told(message.id)
        assert bench.registry.notices.untold() == []
        _note(bench)
        bench.clock.advance(away_s)
    assert _note(bench, _cause(bench)) == news
    assert len(bench.registry.notices.untold()) == 2 * news


def test_notices_for_one_sink_are_one_message_and_the_same_one_again(bench: Bench) -> None:
    notices = bench.registry.notices
    _note(bench, *(_cause(bench, letter * 16) for letter in "abc"))
    first = _claimed(bench, "mail:a@b.example")
    assert first is not None
    assert [one.cause.subject[0] for one in first.notices] == ["a", "b", "c"]
    assert (first.attempts, first.may_be_known) == (1, False)
    assert _claimed(bench, "mail:a@b.example", owner="other") is None
    _note(bench, *(_cause(bench, letter * 16) for letter in "abcd"))
    later = _claimed(bench, "mail:a@b.example")
    assert later is not None
    assert [one.cause.subject[0] for one in later.notices] == ["d"]
    bench.clock.advance(61)  # whoever had claimed both has died
    again = _claimed(bench, "mail:a@b.example", owner="other")
    assert again == replace(first, attempts=2, may_be_known=True)
    notices.put_off(first.id, "one", "too late to say so", 5.0)
    notices.put_off(first.id, "other", "the server answered 451", 5.0)
    assert {one.sentence for one in notices.untold() if one.sink != "prefect"} == {
        "the server answered 451"
    }
    bench.clock.advance(6)
    third = _claimed(bench, "mail:a@b.example")
    assert third == replace(first, attempts=3, may_be_known=True)
    notices.mark_told(first.id)
    assert {one.sink: one.count for one in notices.untold()} == {
        "prefect": 4,
        "mail:a@b.example": 1,
    }


def test_a_try_without_an_answer_may_have_reached_whom_it_was_for(bench: Bench) -> None:
    _note(bench, _cause(bench))
    known = []
    for no_answer in (False, True, False, False):
        message = _claimed(bench, "prefect")
        assert message is not None
        known.append(message.may_be_known)
        bench.registry.notices.put_off(message.id, "one", "no", 1, may_be_known=no_answer)
        bench.clock.advance(2)
    assert known == [False, False, True, True]


def test_programs_get_each_notice_by_itself(bench: Bench) -> None:
    _note(bench, *(_cause(bench, letter * 16) for letter in "abc"))
    messages = [_claimed(bench, "prefect", most=1) for _ in range(4)]
    assert messages[3] is None
    assert [len(one.notices) for one in messages if one] == [1, 1, 1]
    assert len({one.id for one in messages if one}) == 3


def test_no_two_claim_a_part_of_one_message(bench: Bench) -> None:
    _note(bench, *(_cause(bench, f"{number:016d}") for number in range(40)))
    found: list[Message] = []
    lock, start = threading.Lock(), threading.Barrier(6)

    def claim(owner: str) -> None:
        start.wait()
        while message := bench.registry.notices.claim(["mail:a@b.example"], owner, 60.0, 7):
            with lock:
                found.append(message)

    threads = [threading.Thread(target=claim, args=(f"{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claim_again = _claimed(bench, "mail:a@b.example")
    told = [one.id for message in found for one in message.notices]
    told += [one.id for one in claim_again.notices] if claim_again else []
    assert len(told) == len(set(told)) == 40


def test_what_ended_long_ago_and_was_told_is_forgotten(bench: Bench) -> None:
    notices = bench.registry.notices
    _note(bench, _cause(bench))
    _note(bench)
    bench.clock.advance(86400)
    assert notices.forget(bench.clock()) == 0  # it waits to be told
    while message := _claimed(bench, "prefect") or _claimed(bench, "mail:a@b.example"):
        notices.mark_told(message.id)
    assert notices.forget(bench.clock()) == 1
    assert notices.open() == ([], 0)
    assert _note(bench, _cause(bench)) == 1
    assert notices.forget(bench.clock()) == 0


def test_notices_about_an_erased_person_go(bench: Bench) -> None:
    key = bench.complete()
    about = [
        _cause(bench, key),
        _cause(bench, "m" * 16, sentence=f"As study {key}."),
        _cause(bench),
    ]
    _note(bench, *about)
    people = bench.registry.people
    (known,) = people.known()
    people.forget(people.traces(known.center, known.patient_key), {known.patient_key, key})
    assert [one.cause.subject for one in bench.registry.notices.open()[0]] == ["k" * 16]
    assert {one.count for one in bench.registry.notices.untold()} == {1}
