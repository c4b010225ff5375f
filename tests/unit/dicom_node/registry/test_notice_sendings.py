"""Each sink is told in one message, however often somebody dies who tells it."""

from __future__ import annotations

import threading
from dataclasses import replace

from dicom_node.registry.registry import Message
from tests.support.intake_bench import Bench
from tests.support.noted_causes import cause, claimed, note


def test_notices_for_one_sink_are_one_message_and_the_same_one_again(bench: Bench) -> None:
    sendings = bench.registry.notice_sendings
    note(bench, *(cause(bench, letter * 16) for letter in "abc"))
    first = claimed(bench, "mail:a@b.example")
    assert first is not None
    assert [one.cause.subject[0] for one in first.notices] == ["a", "b", "c"]
    assert (first.attempts, first.may_be_known) == (1, False)
    assert claimed(bench, "mail:a@b.example", owner="other") is None
    note(bench, *(cause(bench, letter * 16) for letter in "abcd"))
    later = claimed(bench, "mail:a@b.example")
    assert later is not None
    assert [one.cause.subject[0] for one in later.notices] == ["d"]
    bench.clock.advance(61)  # whoever had claimed both has died
    again = claimed(bench, "mail:a@b.example", owner="other")
    assert again == replace(first, attempts=2, may_be_known=True)
    sendings.put_off(first.id, "one", "too late to say so", 5.0)
    sendings.put_off(first.id, "other", "the server answered 451", 5.0)
    assert {one.sentence for one in sendings.untold() if one.sink != "prefect"} == {
        "the server answered 451"
    }
    bench.clock.advance(6)
    third = claimed(bench, "mail:a@b.example")
    assert third == replace(first, attempts=3, may_be_known=True)
    sendings.mark_told(first.id)
    assert {one.sink: one.count for one in sendings.untold()} == {
        "prefect": 4,
        "mail:a@b.example": 1,
    }


def test_a_try_without_an_answer_may_have_reached_whom_it_was_for(bench: Bench) -> None:
    note(bench, cause(bench))
    known = []
    for no_answer in (False, True, False, False):
        message = claimed(bench, "prefect")
        assert message is not None
        known.append(message.may_be_known)
        bench.registry.notice_sendings.put_off(message.id, "one", "no", 1, may_be_known=no_answer)
        bench.clock.advance(2)
    assert known == [False, False, True, True]


def test_programs_get_each_notice_by_itself(bench: Bench) -> None:
    note(bench, *(cause(bench, letter * 16) for letter in "abc"))
    messages = [claimed(bench, "prefect", most=1) for _ in range(4)]
    assert messages[3] is None
    assert [len(one.notices) for one in messages if one] == [1, 1, 1]
    assert len({one.id for one in messages if one}) == 3


def test_no_two_claim_a_part_of_one_message(bench: Bench) -> None:
    note(bench, *(cause(bench, f"{number:016d}") for number in range(40)))
    found: list[Message] = []
    lock, start = threading.Lock(), threading.Barrier(6)

    def claim(owner: str) -> None:
        start.wait()
        while message := bench.registry.notice_sendings.claim(["mail:a@b.example"], owner, 60.0, 7):
            with lock:
                found.append(message)

    threads = [threading.Thread(target=claim, args=(f"{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claim_again = claimed(bench, "mail:a@b.example")
    told = [one.id for message in found for one in message.notices]
    told += [one.id for one in claim_again.notices] if claim_again else []
    assert len(told) == len(set(told)) == 40
