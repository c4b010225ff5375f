"""Group commit: whoever comes while a transaction runs shares the next one. A caller alone waits
for nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Entry(Generic[Item]):
    def __init__(self, item: Item) -> None:
        self.item = item
        self.is_done = False
        self.error: BaseException | None = None


class GroupCommit(Generic[Item]):
    """Commits what many threads submit in as few transactions as they allow.

    The first that gets its turn commits for everybody who has come by then. A group that fails is
    committed one by one, so that nobody pays for another's item.

    Parameters
    ----------
    commit : callable
        Commits some items in one transaction, or none of them.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], None]) -> None:
        self._commit = commit
        self._turn = threading.Lock()
        self._queue = threading.Lock()
        self._waiting: list[_Entry[Item]] = []

    def submit(self, item: Item) -> None:
        """Commit an item; when this returns it is committed.

        Raises
        ------
        Exception
            What committing this item raised.
        """
        entry = _Entry(item)
        with self._queue:
            self._waiting.append(entry)
        with self._turn:
            if not entry.is_done:
                with self._queue:
                    group, self._waiting = self._waiting, []
                self._commit_group(group)
        if entry.error is not None:
            raise entry.error

    def _commit_group(self, group: list[_Entry[Item]]) -> None:
        if len(group) > 1:
            with suppress(
                Exception
            ):  # each item is tried alone below, where its error is kept and raised
                self._commit([entry.item for entry in group])
                for entry in group:
                    entry.is_done = True
                return
        for entry in group:
            try:
                self._commit([entry.item])
            # Raised in the thread of whoever submitted it
            except BaseException as error:  # noqa: BLE001
                entry.error = error
            entry.is_done = True
