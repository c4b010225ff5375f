"""What Prometheus reads of the node: counters and the registry's state (exposition format
0.0.4).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from dicom_node.errors import NodeError
from dicom_node.registry.registry import Registry

_log = logging.getLogger(__name__)

_Counts = Mapping[tuple[str, ...], int]


class NodeCollector(Collector):
    """Gathers everything that is told of one node, at the moment at which it is asked.

    Parameters
    ----------
    counted : Collector
        The node's counters.
    registry : Registry
        The registry; while it cannot be read, its families are empty.
    open_associations : int
        Associations that are open now.
    index_backlog : int
        Instances on the disk that are not in the registry yet.
    free_bytes : int
        Free bytes of the archive's file system.
    """

    def __init__(
        self,
        counted: Collector,
        registry: Registry,
        *,
        open_associations: int,
        index_backlog: int,
        free_bytes: int,
    ) -> None:
        self._counted, self._registry = counted, registry
        self._open_associations = open_associations
        self._index_backlog, self._free_bytes = index_backlog, free_bytes

    def collect(self) -> Iterator[Metric]:
        """Yield one family after the other, each with its help and type."""
        yield from self._counted.collect()
        yield GaugeMetricFamily(
            "annulus_node_open_associations",
            "Associations that are open now.",
            self._open_associations,
        )
        yield GaugeMetricFamily(
            "annulus_node_index_backlog",
            "Instances on the disk that are not in the registry yet.",
            self._index_backlog,
        )
        yield GaugeMetricFamily(
            "annulus_node_free_bytes", "Free bytes of the archive's file system.", self._free_bytes
        )
        studies, outbox, undelivered, retrievals, incidents = self._registry_counts()
        yield _counts(
            "annulus_node_studies", "Studies by centre and state.", ("center", "state"), studies
        )
        yield _counts("annulus_node_outbox", "Outbox rows by state.", ("state",), outbox)
        yield _counts(
            "annulus_node_undelivered_reports",
            "Structured reports that wait for their centre, by centre.",
            ("center",),
            undelivered,
        )
        yield _counts(
            "annulus_node_retrievals",
            "Studies that lacked something which their centre's PACS was asked for, by state.",
            ("center", "state"),
            retrievals,
        )
        yield _counts(
            "annulus_node_incidents", "Occurrences of incidents by kind.", ("kind",), incidents
        )

    def _registry_counts(self) -> tuple[_Counts, _Counts, _Counts, _Counts, _Counts]:
        """Return studies, outbox rows, undelivered reports, retrievals and incidents by their
        labels.
        """
        registry = self._registry
        try:
            studies: _Counts = Counter(
                (one.center, str(one.state)) for one in registry.studies.summaries()
            )
            outbox: _Counts = {
                (state,): number for state, number in registry.outbox.counts().items()
            }
            undelivered: _Counts = Counter(
                (one.center,) for one, _, _ in registry.deliveries.undelivered()
            )
            retrievals: _Counts = dict(registry.retrievals.counts().items())
            incidents: Counter[tuple[str, ...]] = Counter()
            for one in registry.incidents.latest():
                incidents[one.kind,] += one.count
        except NodeError as error:
            _log.warning("The registry's metrics are left out. %s", error)
            return {}, {}, {}, {}, {}
        return studies, outbox, undelivered, retrievals, incidents


def exposition(collector: Collector) -> str:
    """Return what a collector gathers as text, each name with its help and type."""
    return generate_latest(collector).decode()


def _counts(name: str, documentation: str, labels: Iterable[str], counts: _Counts) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=list(labels))
    for values, number in counts.items():
        family.add_metric(values, number)
    return family
