"""Notices noted and claimed, as the notifier does it."""

from __future__ import annotations

from dataclasses import replace

from dicom_node.registry.registry import Cause, Message
from tests.support.intake_bench import Bench

KINDS = ("held", "quarantined")
TO = {"quarantined": ("prefect", "mail:a@b.example"), "held": ("prefect",)}


def cause(bench: Bench, subject: str = "k" * 16, **more: object) -> Cause:
    made = Cause(
        "quarantined", "alpha", subject, "no-gtv", "No GTV.", f"studies/{subject}", bench.clock()
    )
    return replace(made, **more)  # type: ignore[arg-type]


def note(bench: Bench, *causes: Cause) -> int:
    return bench.registry.notices.note(causes, KINDS, TO)


def claimed(bench: Bench, sink: str, most: int = 100, owner: str = "one") -> Message | None:
    return bench.registry.notice_sendings.claim([sink], owner, 60.0, most)
