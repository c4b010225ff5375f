"""What people and programs read of notices."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dicom_node.registry.registry import Cause, Message, Notice
from flows.notices.message import LISTED, as_data, letter, title
from flows.settings.notify import NoticeKind

PORTAL = "https://annulus.example/"
SINCE = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def _notice(
    kind: str = NoticeKind.QUARANTINED, center: str | None = "B", number: int = 1
) -> Notice:
    key = f"key{number}"
    cause = Cause(kind, center, key, "", f"Study {key} {{is}} odd.", f"studies/{key}", SINCE)
    return Notice(number, cause, None)


def _message(*notices: Notice, may_be_known: bool = False) -> Message:
    return Message("ab12", "mail:a@b.example", notices, 1, may_be_known)


def test_a_letter_on_one_notice_says_what_since_when_and_where() -> None:
    read = letter(_message(_notice()), PORTAL)
    assert read.subject == "Annulus: B: a study is quarantined"
    assert (
        "B: a study is quarantined, since 2026-03-04 05:06 UTC.\nStudy key1 {is} odd." in read.body
    )
    assert f"{PORTAL}studies/key1" in read.body
    assert "Message ab12." in read.body
    assert "repetition" not in read.body


def test_what_has_ended_meanwhile_and_what_may_be_known_is_said() -> None:
    ended = Notice(1, _notice().cause, datetime(2026, 3, 4, 7, 0, tzinfo=UTC))
    read = letter(_message(ended, may_be_known=True), PORTAL)
    assert "since 2026-03-04 05:06 UTC, until 2026-03-04 07:00 UTC." in read.body
    assert "may be a repetition" in read.body


def test_a_letter_on_many_lists_some_and_counts_all() -> None:
    many = [_notice(number=number) for number in range(LISTED + 3)]
    read = letter(_message(*many), PORTAL)
    assert read.subject == f"Annulus: {LISTED + 3} notices: a study is quarantined"
    assert read.body.count("is} odd.") == LISTED
    assert f"And 3 more: {PORTAL}" in read.body
    mixed = letter(_message(*many[:2], _notice(NoticeKind.DISK, None)), PORTAL)
    assert mixed.subject == "Annulus: 3 notices, 2 of them: a study is quarantined"


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_has_its_words(kind: NoticeKind) -> None:
    assert title(_notice(kind, None).cause) != kind


def test_a_program_reads_one_notice() -> None:
    data = as_data(_message(_notice(center=None)), PORTAL)
    assert data == {
        "id": "ab12",
        "may_be_known": False,
        "kind": "quarantined",
        "title": "a study is quarantined",
        "center": None,
        "subject": "key1",
        "sentence": "Study key1 {is} odd.",
        "link": f"{PORTAL}studies/key1",
        "began_at": "2026-03-04T05:06:00+00:00",
        "ended_at": None,
    }
