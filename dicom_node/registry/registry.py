"""The registry: the index of the archive, the states of the studies, the outbox, the deliveries and
the incidents.
"""

from __future__ import annotations

import threading
from pathlib import Path

from dicom_node.clock import Clock, utc_now
from dicom_node.registry.commitments import CommitmentQueue
from dicom_node.registry.database import Database
from dicom_node.registry.deliveries import Delivery, DeliveryQueue
from dicom_node.registry.group_commit import GroupCommit
from dicom_node.registry.incidents import Incident, IncidentLog
from dicom_node.registry.instances import InstanceRecord, StudyIndex, StudySummary
from dicom_node.registry.operators import OperatorActions, Release
from dicom_node.registry.outbox import InstanceFile, Outbox, OutboxItem, OutboxOverview, StudyFiles
from dicom_node.registry.states import OutboxState, StudyState
from dicom_node.settings import NodeTable

__all__ = [
    "Delivery",
    "Incident",
    "InstanceFile",
    "InstanceRecord",
    "OutboxItem",
    "OutboxState",
    "Registry",
    "Release",
    "StudyFiles",
    "StudyState",
    "StudySummary",
    "open_registry",
]


class Registry(
    StudyIndex, Outbox, OutboxOverview, DeliveryQueue, CommitmentQueue, IncidentLog, OperatorActions
):
    """The node's memory; every method is one transaction and may be called from any thread and
    process.

    Parameters
    ----------
    url : str
        SQLAlchemy URL: ``sqlite:////folder/registry.sqlite`` or ``postgresql+psycopg://...``.
    archive_folder : Path
        The folder ``archive`` of the node, in which instance files are looked up.
    clock : callable, optional
        Returns the current time, aware, in UTC.

    Raises
    ------
    RegistryUnavailableError
        If the registry cannot be opened.
    """

    def __init__(self, url: str, archive_folder: Path, clock: Clock = utc_now) -> None:
        self._database = Database(url, clock)
        self._archive_folder = archive_folder
        self._group = GroupCommit(self.add_instances)

    def wait_for_change(self, stop: threading.Event, timeout_s: float) -> None:
        """Wait until there may be something new to do; see `Database.wait_for_change`."""
        self._database.wait_for_change(stop, timeout_s)

    def close(self) -> None:
        """Close every connection to the database."""
        self._database.close()


def open_registry(node: NodeTable, clock: Clock = utc_now) -> Registry:
    """Open the registry of a node as its settings say.

    Parameters
    ----------
    node : NodeTable
        The settings' ``[node]`` table.
    clock : callable, optional
        Returns the current time, aware, in UTC.
    """
    return Registry(node.resolved_registry_url(), node.folder / "archive", clock)
