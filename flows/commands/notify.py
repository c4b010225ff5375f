"""The command of ``python -m flows`` on notices: which are open, who was told, and a test."""

from __future__ import annotations

import argparse
import os
from typing import Any


def add_notify_command(commands: Any) -> None:
    """Add ``notify``."""
    notify = commands.add_parser(
        "notify", help="list what people must hear of, and who has not been told of it yet"
    )
    notify.add_argument(
        "--test",
        action="store_true",
        help="send a test to everybody whom [notify] names, and to Prefect, and say what became "
        "of it",
    )
    notify.set_defaults(command=_notify)


def _notify(options: argparse.Namespace) -> int:
    return _test() if options.test else _list()


def _list() -> int:
    from flows.installation import installation  # noqa: PLC0415 - its libraries take seconds
    from flows.notices.message import title  # noqa: PLC0415

    work = installation()
    found, total = work.registry.notices.open(limit=200)
    for one in found:
        cause = one.cause
        print(f"{cause.began_at:%Y-%m-%d %H:%M} UTC  {title(cause)}. {cause.sentence}")
        print(f"    {work.settings.portal_url()}{cause.page}")
    if total > len(found):
        print(f"And {total - len(found)} more.")
    if not found:
        print("Nothing is open.")
    for waits in work.registry.notice_sendings.untold():
        print(f"{waits.sink}: {waits.count} not told yet. {waits.sentence or ''}".rstrip())
    return 0


def _test() -> int:
    from datetime import UTC, datetime  # noqa: PLC0415
    from uuid import uuid4  # noqa: PLC0415

    from dicom_node.registry.registry import Cause, Message, Notice  # noqa: PLC0415
    from flows.notices.events import PREFECT  # noqa: PLC0415
    from flows.notices.message import TEST_KIND, NotTakenError  # noqa: PLC0415
    from flows.notices.sinks import send  # noqa: PLC0415
    from flows.settings import Settings  # noqa: PLC0415

    settings = Settings.load()
    words = "Somebody wants to know whether this reaches you. Nothing is wrong."
    cause = Cause(TEST_KIND, None, "", "", words, "", datetime.now(UTC))
    failed = 0
    for sink in (PREFECT, *settings.notify.sinks()):
        message = Message(uuid4().hex, sink, (Notice(0, cause, None),), 1, may_be_known=False)
        try:
            send(settings, os.environ, message)
        except NotTakenError as error:
            failed += 1
            print(f"{sink}: not told. {error}")
        else:
            print(f"{sink}: told, message {message.id}.")
    if not settings.notify.to:
        print("[notify] names nobody else: deploy/guide/notices.md says how.")
    return 1 if failed else 0
