"""Who is logged in: sessions in the memory of the portal, and the limit on wrong passwords."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from flows.portal.users import User

WRONG_TRIES: Final = 5
"""So many wrong passwords for a name from one address are looked at."""
WRONG_TRIES_FROM_ANYWHERE: Final = 50
"""So many for a name from all addresses together: who tries must not keep its owner out at once."""
WAIT_S: Final = 300.0
"""After that nothing is, for this time."""
_MOST_SESSIONS = 10_000
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class _Session:
    name: str
    password: str | None
    ends_at: float


class Sessions:
    """Sessions by token; a token is kept as its digest only.

    Parameters
    ----------
    lasting_s : float
        For how long a session lasts.
    clock : callable
        Returns seconds that only grow.
    """

    def __init__(self, lasting_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lasting_s = lasting_s
        self._clock = clock
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    def begin(self, user: User) -> str:
        """Begin a session and return its token."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            self._sessions = {key: one for key, one in self._sessions.items() if one.ends_at > now}
            while len(self._sessions) >= _MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[_digest(token)] = _Session(
                user.name, user.password, now + self._lasting_s
            )
        return token

    def user(self, token: str | None, users: Mapping[str, User]) -> User | None:
        """Return whose session a token is; it ends with its time, its user and its password."""
        session = self._sessions.get(_digest(token or ""))
        if session is None or session.ends_at <= self._clock():
            return None
        user = users.get(session.name)
        return user if user is not None and user.password == session.password else None

    def end(self, token: str | None) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(token or ""), None)


class WrongTries:
    """How often wrong passwords were given for a name, and from where.

    Parameters
    ----------
    clock : callable
        Returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[tuple[str, str], list[float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, name: str, address: str) -> float:
        """Return for how long no password for a name from an address is looked at; 0 if one is."""
        now = self._clock()
        limits = {(name, address): WRONG_TRIES, (name, ""): WRONG_TRIES_FROM_ANYWHERE}
        with self._lock:
            return max(
                (
                    tries[-1] + WAIT_S - now
                    for key, limit in limits.items()
                    if len(tries := self._recent(key, now)) >= limit
                ),
                default=0.0,
            )

    def was_wrong(self, name: str, address: str) -> None:
        """Remember a wrong password."""
        now = self._clock()
        with self._lock:
            for key in ((name, address), (name, "")):
                self._tries[key] = [*self._recent(key, now), now]
            while len(self._tries) > _MOST_REMEMBERED:
                del self._tries[next(iter(self._tries))]

    def was_right(self, name: str, address: str) -> None:
        """Forget the wrong ones."""
        with self._lock:
            self._tries.pop((name, address), None)

    def _recent(self, key: tuple[str, str], now: float) -> list[float]:
        return [one for one in self._tries.get(key, ()) if one > now - WAIT_S]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
