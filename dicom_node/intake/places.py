"""How many may send at once: in all, and of one centre, so that no centre keeps another out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable


class Places:
    """Counts who is sending now, by centre.

    Where there is a share, no centre has more than it, and while a centre has no place, one is kept
    for it.

    Parameters
    ----------
    maximum : int
        Places in all.
    centers : iterable of str
        The names of the centres that may come.
    share : int, optional
        Places of one centre; without it, whoever comes first takes all.
    """

    def __init__(self, maximum: int, centers: Iterable[str], share: int | None = None) -> None:
        self._maximum = maximum
        self._centers = frozenset(centers)
        self._share = share
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many are sending."""
        return self._taken.total()

    def take(self, center: str) -> bool:
        """Take a place for a centre; say whether there was one."""
        with self._lock:
            own, free = self._taken[center], self._maximum - self._taken.total()
            kept = 0
            if own and self._share is not None:
                kept = sum(not self._taken[one] for one in self._centers - {center})
            if free <= kept or (self._share is not None and own >= self._share):
                return False
            self._taken[center] += 1
        return True

    def leave(self, center: str) -> None:
        """Give a centre's place back."""
        with self._lock:
            self._taken[center] -= 1
