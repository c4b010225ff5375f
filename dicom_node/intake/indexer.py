"""The index follows the files: received instances are entered in the registry in groups, moments
after the answer.

An answer promises that the file is on the disk; the registry is an index of the files and can be
rebuilt from them. So a sender need not wait for it, except at the end of its association, whose
release is answered only when everything that came on it is in the registry.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from dicom_node.datasets.instance_versions import version_of
from dicom_node.errors import (
    NodeError,
    RegistryUnavailableError,
    UnwritableRegistryError,
    where_raised,
)
from dicom_node.registry.registry import InstanceRecord
from dicom_node.wording import counted

_log = logging.getLogger(__name__)

_GATHER_S: Final = 1.5  # a transaction costs as much as receiving slices; who waits hurries it
_RETRY_S: Final = 1.0
_LARGEST_GROUP: Final = 500
_MOST_WAITING: Final = 20_000
_MOST_TRIES: Final = 3


class Indexer:
    """Enters instances in the registry from a thread of its own, which runs from the first of them
    on.

    Parameters
    ----------
    add : callable
        Indexes some instances in one transaction, or none of them; given none, it says whether the
        registry commits.
    set_aside : callable
        Told of an instance that cannot be indexed though the registry commits others, and why.
    retry_s : float
        Seconds after which a registry that did not commit is tried again.
    """

    def __init__(
        self,
        add: Callable[[Sequence[InstanceRecord]], None],
        set_aside: Callable[[InstanceRecord, Exception], None],
        retry_s: float = _RETRY_S,
    ) -> None:
        self._add = add
        self._set_aside = set_aside
        self._retry_s = retry_s
        self._tries: Counter[str] = Counter()
        self._began: float | None = None
        self._changed = threading.Condition()
        self._waiting: dict[str, InstanceRecord] = {}
        self._hurried = 0
        self._is_stopping = False
        self._failure: RegistryUnavailableError | None = None
        self._thread: threading.Thread | None = None

    @property
    def backlog(self) -> int:
        """How many instances are on the disk and not in the registry yet."""
        return len(self._waiting)

    def check(self) -> None:
        """Refuse what is new while the registry does not take what is here.

        Raises
        ------
        RegistryUnavailableError
            If its last transaction failed, or too much waits for it.
        """
        if self._failure is not None:
            raise self._failure
        if len(self._waiting) > _MOST_WAITING:
            raise RegistryUnavailableError(
                f"{counted(len(self._waiting), 'instance')} wait to be indexed: nothing more is "
                "accepted until the registry has caught up."
            )

    def waiting(self, instance_key: str) -> InstanceRecord | None:
        """Return an instance that waits to be indexed, or `None`."""
        return self._waiting.get(instance_key)

    def submit(self, record: InstanceRecord) -> None:
        """Index an instance soon; of several contents of one the newest."""
        with self._changed:
            held = self._waiting.get(record.instance_key)
            if held and version_of(held.relative_path) > version_of(record.relative_path):
                return
            self._waiting[record.instance_key] = record
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="index", daemon=True)
                self._thread.start()
            elif len(self._waiting) == 1:
                self._changed.notify_all()

    def flush(self, timeout_s: float, stuck_s: float | None = None) -> bool:
        """Wait until everything that has been submitted so far is indexed; say whether it is.

        Parameters
        ----------
        timeout_s : float
            Seconds that are waited at most.
        stuck_s : float, optional
            Seconds after which a transaction that does not end, or a registry that did not commit,
            is not waited for.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            mine = list(self._waiting.values())
            if not mine:
                return True
            self._hurried += 1
            self._changed.notify_all()
            try:
                while any(self._waiting.get(one.instance_key) is one for one in mine):
                    now = time.monotonic()
                    left = deadline - now
                    if stuck_s is not None:
                        left = min(left, (self._began or now) + stuck_s - now)
                    if left <= 0 or (stuck_s is not None and self._failure is not None):
                        return False
                    self._changed.wait(left)
            finally:
                self._hurried -= 1
        return True

    def index(self, records: Sequence[InstanceRecord]) -> int:
        """Index instances in the caller's thread, and return how many of them are; those that
        cannot be are set aside.

        Raises
        ------
        RegistryUnavailableError
            If the registry does not commit.
        """
        waiting, done = list(records), 0
        while waiting:
            indexed, ended = self._index(waiting)
            done += indexed
            if not ended and self._failure is not None:
                raise self._failure
            keys = {one.instance_key for one in ended}
            waiting = [one for one in waiting if one.instance_key not in keys]
        return done

    def stop(self, timeout_s: float = 30.0) -> None:
        """Index what waits, and end the thread; what cannot be indexed now is found by the next
        start.
        """
        if not self.flush(timeout_s):
            _log.error(
                "%s could not be indexed before the end; the next start does it.",
                counted(len(self._waiting), "instance"),
            )
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._thread = None
        self._is_stopping = False

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_stopping:
                    self._changed.wait()
                if self._is_stopping:
                    return
                if not self._hurried and self._failure is None:
                    self._changed.wait_for(lambda: self._hurried or self._is_stopping, _GATHER_S)
                group = list(self._waiting.values())[:_LARGEST_GROUP]
                self._began = time.monotonic()
            _, done = self._index(group)
            with self._changed:
                self._began = None
                for record in done:
                    if self._waiting.get(record.instance_key) is record:
                        del self._waiting[record.instance_key]
                self._changed.notify_all()
                if not done:
                    self._changed.wait_for(lambda: self._is_stopping, self._retry_s)

    def _index(self, group: list[InstanceRecord]) -> tuple[int, list[InstanceRecord]]:
        """Index a group, or each of it where the group cannot; return how many are indexed, and
        which need not be tried again.
        """
        error = self._try(group)
        if error is None:
            self._failure = None
            return len(group), group
        if self._is_registry_down(error):
            return 0, self._failed(error)
        indexed = 0
        done: list[InstanceRecord] = []
        for record in group:
            error = error if len(group) == 1 else self._try([record])
            if error is None:
                indexed += 1
            elif self._is_registry_down(error):
                self._failed(error)
                return indexed, done
            elif not self._is_hopeless(record, error):
                continue
            else:
                self._set_aside(record, error)
            self._tries.pop(record.instance_key, None)
            done.append(record)
        self._failure = None
        return indexed, done

    def _try(self, group: Sequence[InstanceRecord]) -> Exception | None:
        try:
            self._add(group)
        except Exception as error:  # noqa: BLE001 - one object must not end the thread; its verdict is recorded
            return error
        return None

    def _is_registry_down(self, error: Exception) -> bool:
        """Say whether the registry commits nothing at all, rather than these instances."""
        # A full disk may still take a transaction in which nothing is written.
        return isinstance(error, UnwritableRegistryError) or (
            isinstance(error, RegistryUnavailableError) and self._try(()) is not None
        )

    def _is_hopeless(self, record: InstanceRecord, error: Exception) -> bool:
        """Say whether there is no use in trying again: not after three times, and not at all where
        the registry is not to blame.
        """
        self._tries[record.instance_key] += 1
        return (
            not isinstance(error, RegistryUnavailableError)
            or self._tries[record.instance_key] >= _MOST_TRIES
        )

    def _failed(self, error: Exception) -> list[InstanceRecord]:
        if self._failure is None:
            _log.error(
                "The registry does not take what is received, which is kept and tried again. %s",
                error if isinstance(error, NodeError) else where_raised(error),
            )
        self._failure = (
            error
            if isinstance(error, RegistryUnavailableError)
            else RegistryUnavailableError(str(error))
        )
        return []
