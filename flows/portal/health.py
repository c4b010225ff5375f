"""How the system is: what an operator would look at first, each with a verdict and a sentence."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from dicom_node.errors import NodeError
from dicom_node.registry.registry import Registry
from feature_store.wording import counted
from flows.notices.machine import DISK_IS_NEAR, OFTEN, PARTS_NAME
from flows.own_server import answers, api_url
from flows.settings import Settings

_SERVER_ASKED_EVERY_S = 20.0
_LATE = timedelta(hours=1)


class Verdict(StrEnum):
    """How a line of the health is to be read; shown as a word, never by colour alone."""

    GOOD = "good"
    LOOK = "look"
    BAD = "bad"


@dataclass(frozen=True)
class HealthLine:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    sentence: str


class ServerAnswers:
    """Whether a Prefect server answers, asked again after some seconds only.

    Parameters
    ----------
    url : str
        Of its API.
    ask : callable
        Says whether it answers.
    """

    def __init__(self, url: str, ask: Callable[[str], bool] = answers) -> None:
        self._url, self._ask = url, ask
        self._asked_at = -_SERVER_ASKED_EVERY_S
        self._answer = False
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        """Say whether it answered when it was last asked."""
        with self._lock:
            if time.monotonic() - self._asked_at >= _SERVER_ASKED_EVERY_S:
                self._answer = self._ask(self._url)
                self._asked_at = time.monotonic()
            return self._answer


def health(
    settings: Settings, registry: Registry, now: datetime, server: Callable[[], bool]
) -> list[HealthLine]:
    """Return what an operator would look at, the worst first.

    Parameters
    ----------
    settings : Settings
        The installation's.
    registry : Registry
        Its registry.
    now : datetime
        The time, aware.
    server : callable
        Says whether the Prefect server answers.
    """
    lines = [*_parts(settings.node.folder / "system" / PARTS_NAME), _disk(settings)]
    lines.append(_server(settings, server()))
    try:
        lines += [_outbox(registry, now), _deliveries(registry), _incidents(registry, now)]
    except NodeError as error:
        lines.append(HealthLine("registry", Verdict.BAD, str(error)))
    rank = [Verdict.BAD, Verdict.LOOK, Verdict.GOOD]
    return sorted(lines, key=lambda line: rank.index(line.verdict))


def _parts(file: Path) -> list[HealthLine]:
    """Return a line for each part of a system on one machine; none where something else looks
    after them.
    """
    try:
        parts = json.loads(file.read_text(encoding="utf-8"))
        return [_part(one) for one in parts]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        sentence = f"What the supervisor wrote cannot be read ({type(error).__name__})."
        return [HealthLine("parts", Verdict.LOOK, sentence)]


def _part(state: dict[str, object]) -> HealthLine:
    name, restarts = str(state["name"]), int(str(state["restarts"]))
    ended = f" It last ended at {state['last_end']}." if state["last_end"] else ""
    if state["pid"] is None:
        return HealthLine(name, Verdict.BAD, f"It does not run: make status.{ended}")
    runs = f"It has run since {state['since']} UTC"
    if restarts == 0:
        return HealthLine(name, Verdict.GOOD, f"{runs}.")
    again = f"{runs}, after {counted(restarts, 'restart')}.{ended}"
    return HealthLine(name, Verdict.LOOK if restarts >= OFTEN else Verdict.GOOD, again)


def _disk(settings: Settings) -> HealthLine:
    least = settings.node.minimum_free_bytes
    try:
        free = shutil.disk_usage(settings.node.folder).free
    except OSError as error:
        sentence = f"Its free space cannot be told ({type(error).__name__})."
        return HealthLine("disk", Verdict.BAD, sentence)
    words = f"{free / 1e9:.1f} GB are free"
    if free < least:
        sentence = f"{words}, fewer than {least / 1e9:.1f} GB: instances are refused. Make room."
        return HealthLine("disk", Verdict.BAD, sentence)
    if free < DISK_IS_NEAR * least:
        sentence = f"{words}; below {least / 1e9:.1f} GB instances are refused. Make room soon."
        return HealthLine("disk", Verdict.LOOK, sentence)
    return HealthLine("disk", Verdict.GOOD, f"{words}.")


def _server(settings: Settings, is_there: bool) -> HealthLine:
    url = api_url(settings).removesuffix("/api")
    if is_there:
        return HealthLine("Prefect server", Verdict.GOOD, f"It answers at {url}.")
    sentence = f"It does not answer at {url}; studies wait safely in the outbox meanwhile."
    return HealthLine("Prefect server", Verdict.BAD, sentence)


def _outbox(registry: Registry, now: datetime) -> HealthLine:
    found = registry.outbox.counts()
    words = f"{found['waiting']} waiting, {found['claimed']} being worked on, {found['held']} held"
    oldest = registry.worklist.oldest_in_outbox()
    if oldest is not None and now - oldest > _LATE:
        waited = counted(round((now - oldest).total_seconds() / 3600), "hour")
        sentence = f"{words}; the first has waited for {waited}: is the dispatcher up?"
        return HealthLine("outbox", Verdict.LOOK, sentence)
    return HealthLine("outbox", Verdict.LOOK if found["held"] else Verdict.GOOD, f"{words}.")


def _deliveries(registry: Registry) -> HealthLine:
    waiting = sum(group.count for group in registry.worklist.undelivered(None))
    if not waiting:
        return HealthLine("deliveries", Verdict.GOOD, "Every report has been delivered.")
    verb = "waits" if waiting == 1 else "wait"
    sentence = f"{counted(waiting, 'report')} {verb} for a PACS."
    return HealthLine("deliveries", Verdict.LOOK, sentence)


def _incidents(registry: Registry, now: datetime) -> HealthLine:
    recent = [one for one in registry.incidents.latest(200) if now - one.last_at < _LATE * 24]
    if not recent:
        return HealthLine("incidents", Verdict.GOOD, "None in the last 24 hours.")
    sentence = f"{counted(len(recent), 'kind')} of trouble in the last 24 hours, listed below."
    return HealthLine("incidents", Verdict.LOOK, sentence)
