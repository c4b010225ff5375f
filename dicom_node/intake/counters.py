"""What the node counts."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.registry import Collector

_UNKNOWN = ""


class Metrics(Collector):
    """Counters that only grow; cheap enough for every instance.

    Each node has its own: a process may hold several nodes.
    """

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self._instances = Counter(
            "annulus_node_instances_total",
            "Objects by centre and answer (stored, or the status code).",
            ("center", "answer"),
            registry=own,
        )
        self._received_bytes = Counter(
            "annulus_node_received_bytes_total",
            "Bytes of datasets that were kept, by centre.",
            ("center",),
            registry=own,
        )
        self._associations = Counter(
            "annulus_node_associations_total",
            "Association requests by centre and result.",
            ("center", "result"),
            registry=own,
        )
        self._web_requests = Counter(
            "annulus_node_web_requests_total",
            "STOW-RS requests by centre and HTTP status.",
            ("center", "status"),
            registry=own,
        )

    def stored(self, center: str, length: int) -> None:
        """Count an instance that was kept."""
        self._instances.labels(center, "stored").inc()
        self._received_bytes.labels(center).inc(length)

    def refused(self, center: str, status: int) -> None:
        """Count an instance that was refused."""
        self._instances.labels(center, f"0x{status:04X}").inc()

    def association(self, center: str | None, result: str) -> None:
        """Count an association request."""
        self._associations.labels(center or _UNKNOWN, result).inc()

    def web_request(self, center: str | None, status: int) -> None:
        """Count a STOW-RS request."""
        self._web_requests.labels(center or _UNKNOWN, str(int(status))).inc()

    def collect(self) -> Iterator[Metric]:
        """Yield what has been counted, without the library's time series of when it began."""
        for family in self._registry.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family
