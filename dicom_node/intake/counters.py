"""What the node counts, in the text format that Prometheus reads (exposition format 0.0.4)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

_UNKNOWN = ""

Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, Mapping[str, str], float]


class Metrics:
    """Counters that only grow; cheap enough for every instance."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, Labels]] = Counter()

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to a counter."""
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            self._counts[key] += amount

    def stored(self, center: str, length: int) -> None:
        """Count an instance that was kept."""
        self.count("annulus_node_instances_total", center=center, answer="stored")
        self.count("annulus_node_received_bytes_total", length, center=center)

    def refused(self, center: str, status: int) -> None:
        """Count an instance that was refused."""
        self.count("annulus_node_instances_total", center=center, answer=f"0x{status:04X}")

    def association(self, center: str | None, result: str) -> None:
        """Count an association request."""
        self.count("annulus_node_associations_total", center=center or _UNKNOWN, result=result)

    def web_request(self, center: str | None, status: int) -> None:
        """Count a STOW-RS request."""
        self.count(
            "annulus_node_web_requests_total", center=center or _UNKNOWN, status=str(int(status))
        )

    def samples(self) -> list[Sample]:
        """Return what has been counted."""
        with self._lock:
            return [
                (name, dict(labels), float(value)) for (name, labels), value in self._counts.items()
            ]
