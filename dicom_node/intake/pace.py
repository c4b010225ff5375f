"""How slowly a sender may send: whoever has a place and does not use it gives it up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Pace:
    """Adds up what has come and how long it was waited for; our own time does not count.

    Parameters
    ----------
    silence_s : float
        Seconds that may be waited in any case.
    bytes_per_s : float
        Beyond them, so much must have come for each second; 0 is no limit.
    """

    silence_s: float
    bytes_per_s: float
    _waited_s: float = 0.0
    _bytes: int = 0

    def heard(self, count: int, waited_s: float) -> None:
        """Add what has come."""
        self._bytes += count
        self._waited_s += waited_s

    def begin(self) -> None:
        """Forget what has come: another object begins."""
        self._waited_s, self._bytes = 0.0, 0

    @property
    def is_too_slow(self) -> bool:
        """Whether less has come than must."""
        missing_s = self._waited_s - self.silence_s
        return missing_s > 0 and self._bytes < missing_s * self.bytes_per_s
