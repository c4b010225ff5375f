"""A message: what a person reads of one notice or several, and what a program does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from dicom_node.registry.registry import Cause, Message, Notice
from feature_store.wording import counted
from flows.settings.notify import NoticeKind

TEST_KIND: Final = "test"
"""Of a message that somebody sends to see whether it arrives."""
LISTED: Final = 30
"""So many notices of a message are written out; of the others it has the number."""
_WORDS: Final[dict[str, str]] = {
    NoticeKind.QUARANTINED: "a study is quarantined",
    NoticeKind.HELD: "studies are held",
    NoticeKind.INCOMPLETE: "a study stays incomplete",
    NoticeKind.UNDELIVERED: "reports wait for their PACS",
    NoticeKind.VALIDATION_FAILED: "a validation failed",
    NoticeKind.VERDICT_CHANGED: "the verdict on predicted risks has changed",
    NoticeKind.DISK: "the disk is nearly full",
    NoticeKind.RESTARTS: "a part starts over and over",
    TEST_KIND: "a test of the way to you",
}


class NotTakenError(RuntimeError):
    """A sink did not take a message, or gave no answer.

    Parameters
    ----------
    sentence : str
        Why, without a secret.
    may_be_known : bool
        Whether it may have taken it all the same.
    """

    def __init__(self, sentence: str, *, may_be_known: bool = False) -> None:
        super().__init__(sentence)
        self.may_be_known = may_be_known


@dataclass(frozen=True)
class Letter:
    """What a person reads."""

    subject: str
    body: str


def title(cause: Cause) -> str:
    """Return a notice in some words."""
    words = _WORDS.get(cause.kind, cause.kind)
    return f"{cause.center}: {words}" if cause.center else words


def letter(message: Message, portal_url: str) -> Letter:
    """Return a message as a person reads it.

    Parameters
    ----------
    message : Message
        What is to be told.
    portal_url : str
        Where browsers reach the portal, with a slash at its end.
    """
    first = message.notices[0].cause
    if len(message.notices) == 1:
        subject = f"Annulus: {title(first)}"
    else:
        kinds = Counter(_WORDS.get(one.cause.kind, one.cause.kind) for one in message.notices)
        most, number = kinds.most_common(1)[0]
        others = "" if len(kinds) == 1 else f", {number} of them: {most}"
        alike = f": {most}" if len(kinds) == 1 else ""
        subject = f"Annulus: {counted(len(message.notices), 'notice')}{alike}{others}"
    paragraphs = [_paragraph(one, portal_url) for one in message.notices[:LISTED]]
    if (more := len(message.notices) - LISTED) > 0:
        paragraphs.append(f"And {more} more: {portal_url}")
    if message.may_be_known:
        paragraphs.append(
            "It is not known whether an earlier try reached you: this message may be a repetition."
        )
    paragraphs.append(
        f"Message {message.id}. Studies and patients are named by pseudonyms; what is open now: "
        f"{portal_url}"
    )
    return Letter(subject, "\n\n".join(paragraphs) + "\n")


def as_data(message: Message, portal_url: str) -> dict[str, Any]:
    """Return a message of one notice as a program reads it, as JSON."""
    (one,) = message.notices
    return {
        "id": message.id,
        "may_be_known": message.may_be_known,
        "kind": one.cause.kind,
        "title": title(one.cause),
        "center": one.cause.center,
        "subject": one.cause.subject,
        "sentence": one.cause.sentence,
        "link": portal_url + one.cause.page,
        "began_at": one.cause.began_at.isoformat(),
        "ended_at": one.ended_at.isoformat() if one.ended_at else None,
    }


def _paragraph(notice: Notice, portal_url: str) -> str:
    cause = notice.cause
    since = f"since {cause.began_at:%Y-%m-%d %H:%M} UTC"
    if notice.ended_at is not None:
        since += f", until {notice.ended_at:%Y-%m-%d %H:%M} UTC"
    head = title(cause)
    return f"{head[:1].upper()}{head[1:]}, {since}.\n{cause.sentence}\n{portal_url}{cause.page}"
