"""Sessions end with their time, their user and their password; wrong passwords make wait."""

from __future__ import annotations

from flows.portal.sessions import (
    WAIT_S,
    WRONG_TRIES,
    WRONG_TRIES_FROM_ANYWHERE,
    Sessions,
    WrongTries,
)
from flows.portal.users import User

ANNA = User("anna", None, "a hash")


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_lasts_as_long_as_user_and_password() -> None:
    clock = _Clock()
    sessions = Sessions(60.0, clock)
    token = sessions.begin(ANNA)
    assert sessions.user(token, {"anna": ANNA}) == ANNA
    seen_less = User("anna", ("north",), "a hash")
    assert sessions.user(token, {"anna": seen_less}) == seen_less
    assert sessions.user(token, {}) is None
    assert sessions.user(token, {"anna": User("anna", None, "another")}) is None
    assert sessions.user(None, {"anna": ANNA}) is None
    assert sessions.user(f"{token}x", {"anna": ANNA}) is None
    clock.now += 61
    assert sessions.user(token, {"anna": ANNA}) is None


def test_a_session_that_was_ended_is_over() -> None:
    sessions = Sessions(60.0)
    token, other = sessions.begin(ANNA), sessions.begin(ANNA)
    sessions.end(token)
    assert sessions.user(token, {"anna": ANNA}) is None
    assert sessions.user(other, {"anna": ANNA}) == ANNA


def test_after_some_wrong_passwords_no_further_one_is_looked_at_for_a_while() -> None:
    clock = _Clock()
    tries = WrongTries(clock)
    for _ in range(WRONG_TRIES):
        assert tries.wait_s("anna", "192.0.2.1") == 0
        tries.was_wrong("anna", "192.0.2.1")
    assert tries.wait_s("anna", "192.0.2.1") == WAIT_S
    assert tries.wait_s("anna", "192.0.2.2") == 0
    assert tries.wait_s("nora", "192.0.2.1") == 0
    clock.now += WAIT_S + 1
    assert tries.wait_s("anna", "192.0.2.1") == 0


def test_who_tries_from_many_addresses_waits_too() -> None:
    tries = WrongTries(_Clock())
    for number in range(WRONG_TRIES_FROM_ANYWHERE):
        tries.was_wrong("anna", f"192.0.2.{number}")
    assert tries.wait_s("anna", "198.51.100.1") > 0


def test_the_right_password_forgets_the_wrong_ones() -> None:
    tries = WrongTries(_Clock())
    for _ in range(WRONG_TRIES - 1):
        tries.was_wrong("anna", "192.0.2.1")
    tries.was_right("anna", "192.0.2.1")
    tries.was_wrong("anna", "192.0.2.1")
    assert tries.wait_s("anna", "192.0.2.1") == 0
