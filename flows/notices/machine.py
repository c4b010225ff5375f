"""What of the machine itself people must hear of: its disk, and the parts that the supervisor
starts again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from dicom_node.registry.registry import Cause
from flows.settings.notify import NoticeKind

PARTS_NAME: Final = "parts.json"
"""In the folder `system`: what the supervisor of one machine writes of its parts."""
DISK_IS_NEAR: Final = 5
"""The disk is nearly full with less free space than so many times the least."""
OFTEN: Final = 3
"""Ends of a part within `LATELY` that are too many."""
LATELY: Final = timedelta(hours=1)


def disk_causes(folder: Path, least_bytes: int, now: datetime) -> list[Cause]:
    """Return whether the disk of a folder is near its limit.

    Parameters
    ----------
    folder : Path
        On the disk.
    least_bytes : int
        With less free space, instances are refused.
    now : datetime
        The time, UTC.

    Raises
    ------
    OSError
        If that cannot be told.
    """
    free = shutil.disk_usage(folder).free
    if free >= DISK_IS_NEAR * least_bytes:
        return []
    is_full = free < least_bytes
    follows = (
        "instances are refused. Make room"
        if is_full
        else (f"below {least_bytes / 1e9:.1f} GB instances are refused. Make room soon")
    )
    # No number that moves from look to look: the notice would be written anew each time
    sentence = (
        f"Less than {(1 if is_full else DISK_IS_NEAR) * least_bytes / 1e9:.1f} GB are free on the "
        f"disk of the node's folder; {follows}."
    )
    cause = "full" if is_full else "near"
    return [Cause(NoticeKind.DISK, None, "disk", cause, sentence, "", now)]


def restart_causes(file: Path, now: datetime) -> Iterator[Cause]:
    """Yield the parts that have ended over and over lately.

    Parameters
    ----------
    file : Path
        What the supervisor writes; where there is none, something else looks after the parts.
    now : datetime
        The time, UTC.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If it cannot be read.
    """
    try:
        parts = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    for part in parts:
        ends = [one for text in part.get("ends", []) if now - (one := _time(text)) <= LATELY]
        if len(ends) >= OFTEN:
            sentence = (
                f"The part {part['name']} has ended at least {OFTEN} times within an hour, and is "
                "started again each time: make status says how it ended, the log why."
            )
            yield Cause(NoticeKind.RESTARTS, None, part["name"], "", sentence, "", min(ends))


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
