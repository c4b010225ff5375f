"""What Prometheus reads of the node: counters and the registry's state (exposition format
0.0.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dicom_node.intake.counters import Sample
from dicom_node.registry.registry import Registry

_HELP = {
    "annulus_node_instances_total": (
        "counter",
        "Objects by centre and answer (stored, or the status code).",
    ),
    "annulus_node_received_bytes_total": (
        "counter",
        "Bytes of datasets that were kept, by centre.",
    ),
    "annulus_node_associations_total": ("counter", "Association requests by centre and result."),
    "annulus_node_web_requests_total": ("counter", "STOW-RS requests by centre and HTTP status."),
    "annulus_node_open_associations": ("gauge", "Associations that are open now."),
    "annulus_node_index_backlog": (
        "gauge",
        "Instances on the disk that are not in the registry yet.",
    ),
    "annulus_node_free_bytes": ("gauge", "Free bytes of the archive's file system."),
    "annulus_node_studies": ("gauge", "Studies by centre and state."),
    "annulus_node_outbox": ("gauge", "Outbox rows by state."),
    "annulus_node_undelivered_reports": (
        "gauge",
        "Structured reports that wait for their centre, by centre.",
    ),
    "annulus_node_incidents": ("gauge", "Occurrences of incidents by kind."),
}


def registry_samples(registry: Registry) -> list[Sample]:
    """Return what the registry says of studies, outbox, deliveries and incidents.

    Parameters
    ----------
    registry : Registry
        The registry.
    """
    studies = Counter((one.center, str(one.state)) for one in registry.studies.summaries())
    waiting = Counter(delivery.center for delivery, _, _ in registry.deliveries.undelivered())
    incidents: Counter[str] = Counter()
    for one in registry.incidents.latest():
        incidents[one.kind] += one.count
    return [
        *(
            ("annulus_node_studies", {"center": c, "state": s}, float(n))
            for (c, s), n in studies.items()
        ),
        *(
            ("annulus_node_outbox", {"state": s}, float(n))
            for s, n in registry.outbox.counts().items()
        ),
        *(
            ("annulus_node_undelivered_reports", {"center": c}, float(n))
            for c, n in waiting.items()
        ),
        *(("annulus_node_incidents", {"kind": k}, float(n)) for k, n in incidents.items()),
    ]


def exposition(samples: Iterable[Sample]) -> str:
    """Return samples as text, each name with its help and type.

    Parameters
    ----------
    samples : iterable of (str, mapping, float)
        Name, labels and value.
    """
    by_name: dict[str, list[str]] = {name: [] for name in _HELP}
    for name, labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in sorted(labels.items()))
        by_name[name].append(f"{name}{{{inside}}} {value:g}" if inside else f"{name} {value:g}")
    lines = []
    for name, (kind, text) in _HELP.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *sorted(by_name[name])]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
