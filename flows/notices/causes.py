"""The causes of notices: what holds now, by what registry, machine, reports and Prefect say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import quote

import httpx
from prefect.client.orchestration import get_client

from dicom_node.registry.overdue import OverdueGroup, OverdueStudy
from dicom_node.registry.registry import Cause, Registry
from feature_store.wording import counted
from flows.installation import Installation
from flows.notices.changed_verdicts import Verdicts
from flows.notices.failed_validations import failed_validations
from flows.notices.machine import PARTS_NAME, disk_causes, restart_causes
from flows.own_server import answers, api_url
from flows.settings.notify import NoticeKind, NotifyTable

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What was found.

    Parameters
    ----------
    causes : tuple of Cause
        What holds.
    looked_at : frozenset of NoticeKind
        Of what that is all there is; what could not be asked is not among these.
    """

    causes: tuple[Cause, ...]
    looked_at: frozenset[NoticeKind]


@dataclass
class _Looking:
    causes: list[Cause] = field(default_factory=list)
    looked_at: set[NoticeKind] = field(default_factory=set)

    def at(self, kind: NoticeKind, found: Callable[[], Iterable[Cause]]) -> None:
        """Look for causes of one kind; what cannot be asked stays as it was found the last time."""
        try:
            causes = list(found())
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            RuntimeError,  # Prefect says with it that it cannot be reached
            httpx.HTTPError,
        ) as error:
            _log.warning("Cannot look for notices of %s (%s).", kind, type(error).__name__)
            return
        self.causes += causes
        self.looked_at.add(kind)


class Causes:
    """Looks for all that people must hear of.

    Parameters
    ----------
    work : Installation
        Settings, registry and reports.
    """

    def __init__(self, work: Installation) -> None:
        self._work = work
        settings = work.settings
        self._verdicts = Verdicts(settings.reports_folder(), settings.validation.timezone)

    def now(self, now: datetime) -> Found:
        """Return what holds.

        Parameters
        ----------
        now : datetime
            The time, UTC.

        Raises
        ------
        NodeError
            If the registry cannot be read.
        """
        work, looking = self._work, _Looking()
        of_registry = list(registry_causes(work.registry, work.settings.notify, now))
        looking.causes += of_registry
        looking.looked_at |= OF_REGISTRY
        node = work.settings.node
        looking.at(NoticeKind.DISK, lambda: disk_causes(node.folder, node.minimum_free_bytes, now))
        parts = node.folder / "system" / PARTS_NAME
        looking.at(NoticeKind.RESTARTS, lambda: restart_causes(parts, now))
        looking.at(NoticeKind.VERDICT_CHANGED, lambda: self._verdicts.causes(now))
        if answers(api_url(work.settings)):
            looking.at(NoticeKind.VALIDATION_FAILED, lambda: _failed(now))
        return Found(tuple(looking.causes), frozenset(looking.looked_at))


OF_REGISTRY = frozenset(
    {
        NoticeKind.QUARANTINED,
        NoticeKind.HELD,
        NoticeKind.INCOMPLETE,
        NoticeKind.UNDELIVERED,
    }
)
"""What the registry alone says."""


def registry_causes(registry: Registry, notify: NotifyTable, now: datetime) -> Iterator[Cause]:
    """Yield what the registry says.

    Parameters
    ----------
    registry : Registry
        The node's registry.
    notify : NotifyTable
        After what time something is late.
    now : datetime
        The time, UTC.
    """
    overdue = registry.overdue
    late = now - timedelta(hours=notify.late_after_hours)
    day_ago = now - timedelta(hours=notify.incomplete_after_hours)
    for study in overdue.quarantined():
        yield _of_study(NoticeKind.QUARANTINED, study, "is quarantined")
    for study in overdue.incomplete(day_ago):
        yield _of_study(NoticeKind.INCOMPLETE, study, "is incomplete, and nothing more comes")
    for group in overdue.held(late):
        what = _counted(group, "study is held", "studies are held")
        why = group.sentence or "No reason is known."
        center = quote(group.center)
        yield Cause(
            NoticeKind.HELD,
            group.center,
            "",
            _digest(group.sentence),
            f"{what}. {why[:1].upper()}{why[1:]}",
            f"worklist?center={center}&state=held",
            group.since,
        )
    for group in overdue.undelivered(late):
        said = group.sentence or "It has not been tried yet."
        yield Cause(
            NoticeKind.UNDELIVERED,
            group.center,
            "",
            "",
            f"{counted(group.count, 'object')} for the PACS of centre {group.center} cannot be "
            f"delivered; of the first of them was last said: {said}",
            f"worklist?center={quote(group.center)}&undelivered=1",
            group.since,
        )


def _of_study(kind: NoticeKind, study: OverdueStudy, what: str) -> Cause:
    sentence = study.sentence or "No reason is known."
    return Cause(
        kind,
        study.center,
        study.study_key,
        _digest(study.sentence),
        f"Study {study.study_key} of centre {study.center} {what}. {sentence}",
        f"studies/{study.study_key}",
        study.since,
    )


def _counted(group: OverdueGroup, one: str, several: str) -> str:
    words = one if group.count == 1 else several
    return f"{group.count} {words} at centre {group.center}"


def _digest(sentence: str | None) -> str:
    return sha256((sentence or "").encode()).hexdigest()[:16]


def _failed(now: datetime) -> list[Cause]:
    with get_client(sync_client=True) as client:
        return list(failed_validations(client, now))
