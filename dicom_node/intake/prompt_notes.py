"""What is noted in the registry beside an answer: an answer waits for it for a moment only.

A registry that is locked takes half a minute to say so. Whoever is refused meanwhile must not wait
for it, let alone for everybody who was refused before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from dicom_node.errors import NodeError, RegistryUnavailableError, where_raised

_log = logging.getLogger(__name__)

_WAIT_S: Final = 2.0
_STOP_S: Final = 10.0
_MOST_WAITING: Final = 1000


class TakesIncidents(Protocol):
    """What records incidents, at once or soon."""

    def record(self, kind: str, sentence: str, center: str | None, subject: str) -> None:
        """Record an incident; see `dicom_node.registry.incidents.Incidents`."""


class PromptNotes:
    """Writes notes one after the other in a thread of its own, which runs from the first of them
    on.

    Parameters
    ----------
    incidents : TakesIncidents
        The registry's.
    wait_s : float
        Seconds that a writer waits for its note; when one has taken as long, the next do not wait.
    """

    def __init__(self, incidents: TakesIncidents, wait_s: float = _WAIT_S) -> None:
        self._incidents = incidents
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._waiting: deque[_Note] = deque()
        self._began: float | None = None
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def record(self, kind: str, sentence: str, center: str | None, subject: str) -> None:
        """Record an incident, as `write` does."""
        self.write(partial(self._incidents.record, kind, sentence, center, subject))

    def write(self, work: Callable[[], None]) -> None:
        """Write a note, now or as soon as the registry takes it.

        Parameters
        ----------
        work : callable
            Writes it.

        Raises
        ------
        NodeError
            If it could not be written, and that is known in time; or too many wait already.
        """
        note = _Note(work)
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                raise RegistryUnavailableError(
                    f"The registry takes nothing and {_MOST_WAITING} notes wait for it: this one "
                    "stands in the log only."
                )
            self._waiting.append(note)
            if self._thread is None:
                self._is_stopping = False
                self._thread = threading.Thread(target=self._run, name="notes", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            began = self._began
        if began is None or time.monotonic() - began < self._wait_s:
            note.is_done.wait(self._wait_s)
        with self._changed:
            note.is_waited_for = False
            if note.error is not None:
                raise note.error

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Write what waits, as far as that goes in this time, and end the thread."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._is_stopping = True
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_stopping:
                    self._changed.wait()
                if not self._waiting:
                    return
                note = self._waiting.popleft()
                self._began = time.monotonic()
            error = _error_of(note.work)
            with self._changed:
                self._began = None
                note.error = error
                note.is_done.set()
                if error is not None and not note.is_waited_for:
                    _log.error("What was to be noted could not be. %s", error)


class _Note:
    """What is to be written, and what came of it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.is_done = threading.Event()
        self.is_waited_for = True
        self.error: NodeError | None = None


def _error_of(work: Callable[[], None]) -> NodeError | None:
    try:
        work()
    except NodeError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the verdict is the note's, and raised or logged
        return RegistryUnavailableError(f"A note could not be written ({where_raised(error)}).")
    return None
