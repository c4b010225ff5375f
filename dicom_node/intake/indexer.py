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
from collections.abc import Callable, Sequence
from typing import Final

from dicom_node.errors import NodeError, RegistryUnavailableError
from dicom_node.registry.registry import InstanceRecord

_log = logging.getLogger(__name__)

_GATHER_S: Final = 0.5  # a transaction costs as much processor time as receiving two slices
_RETRY_S: Final = 1.0
_LARGEST_GROUP: Final = 500
_MOST_WAITING: Final = 20_000


class Indexer:
    """Enters instances in the registry from a thread of its own, which runs from the first of them
    on.

    Parameters
    ----------
    add : callable
        Indexes some instances in one transaction, or none of them.
    retry_s : float
        Seconds after which a registry that did not commit is tried again.
    """

    def __init__(
        self, add: Callable[[Sequence[InstanceRecord]], None], retry_s: float = _RETRY_S
    ) -> None:
        self._add = add
        self._retry_s = retry_s
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
                f"{len(self._waiting)} instances wait to be indexed: nothing more is accepted "
                "until the registry has caught up"
            )

    def study_of(self, instance_key: str) -> str | None:
        """Return the study of an instance that waits to be indexed."""
        record = self._waiting.get(instance_key)
        return record.study_key if record else None

    def submit(self, record: InstanceRecord) -> None:
        """Index an instance soon."""
        with self._changed:
            self._waiting[record.instance_key] = record
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="index", daemon=True)
                self._thread.start()
            elif len(self._waiting) == 1:
                self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything that has been submitted so far is indexed; say whether it is."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            mine = list(self._waiting.values())
            if not mine:
                return True
            self._hurried += 1
            self._changed.notify_all()
            try:
                while any(self._waiting.get(one.instance_key) is one for one in mine):
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return False
                    self._changed.wait(left)
            finally:
                self._hurried -= 1
        return True

    def stop(self, timeout_s: float = 30.0) -> None:
        """Index what waits, and end the thread; what cannot be indexed now is found by the next
        start.
        """
        if not self.flush(timeout_s):
            _log.error(
                "%d instances could not be indexed before the end; the next start does it",
                len(self._waiting),
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
            done = self._index(group)
            with self._changed:
                for record in done:
                    if self._waiting.get(record.instance_key) is record:
                        del self._waiting[record.instance_key]
                self._changed.notify_all()
                if not done:
                    self._changed.wait_for(lambda: self._is_stopping, self._retry_s)

    def _index(self, group: list[InstanceRecord]) -> list[InstanceRecord]:
        """Index a group, or each of it where the group cannot; return what need not be tried
        again.
        """
        try:
            self._add(group)
        except NodeError as error:
            if len(group) == 1:
                return self._failed(error)
        else:
            self._failure = None
            return group
        done: list[InstanceRecord] = []
        failed: list[NodeError] = []
        for record in group:
            try:
                self._add([record])
            except NodeError as error:
                failed.append(error)
                if not done and len(failed) > 3:
                    break
            else:
                done.append(record)
        if not done:
            return self._failed(failed[0])
        self._failure = None
        for one in failed:
            _log.error(
                "an instance is on the disk but could not be indexed; the next start tries again: "
                "%s",
                one,
            )
        return group

    def _failed(self, error: NodeError) -> list[InstanceRecord]:
        if self._failure is None:
            _log.error(
                "the registry does not take what is received, which is kept and tried again: %s",
                error,
            )
        self._failure = (
            error
            if isinstance(error, RegistryUnavailableError)
            else RegistryUnavailableError(str(error))
        )
        return []
