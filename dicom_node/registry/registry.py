"""The registry: the node's memory, one member for each thing that it remembers."""

from __future__ import annotations

import threading
from pathlib import Path

from dicom_node.clock import Clock, utc_now
from dicom_node.registry.centers import Centers
from dicom_node.registry.commitments import Commitments
from dicom_node.registry.database import Database
from dicom_node.registry.deliveries import Deliveries, Delivery
from dicom_node.registry.earlier_results import EarlierResults
from dicom_node.registry.incidents import Incident, Incidents
from dicom_node.registry.instances import InstanceRecord, Instances
from dicom_node.registry.notice_sendings import Message, NoticeSendings
from dicom_node.registry.notices import Cause, Notice, Notices
from dicom_node.registry.outbox import Outbox, OutboxItem
from dicom_node.registry.overdue import Overdue
from dicom_node.registry.people import KnownStudy, People, PersonTraces
from dicom_node.registry.releases import Release, Releases
from dicom_node.registry.results import Results
from dicom_node.registry.retrievals import Retrieval, Retrievals
from dicom_node.registry.states import OutboxState, StudyState
from dicom_node.registry.studies import Studies, StudySummary
from dicom_node.registry.study_files import Choice, InstanceFile, StudyFiles
from dicom_node.registry.worklist import StudyRecord, Wanted, Worklist
from dicom_node.settings import NodeTable

__all__ = [
    "Cause",
    "Choice",
    "Commitments",
    "Deliveries",
    "Delivery",
    "Incident",
    "Incidents",
    "InstanceFile",
    "InstanceRecord",
    "KnownStudy",
    "Message",
    "Notice",
    "Notices",
    "OutboxItem",
    "OutboxState",
    "Overdue",
    "PersonTraces",
    "Registry",
    "Release",
    "Retrieval",
    "Retrievals",
    "StudyFiles",
    "StudyRecord",
    "StudyState",
    "StudySummary",
    "Wanted",
    "Worklist",
    "open_registry",
]


class Registry:
    """The node's memory; every method of its members is one transaction and may be called from any
    thread and process.

    Parameters
    ----------
    url : str
        SQLAlchemy URL: ``sqlite:////folder/registry.sqlite`` or ``postgresql+psycopg://...``.
    archive_folder : Path
        The folder ``archive`` of the node, in which instance files are looked up.
    clock : callable, optional
        Returns the current time, aware, in UTC.

    Attributes
    ----------
    centers : Centers
        The centres of the settings.
    instances : Instances
        The index of what has arrived.
    studies : Studies
        Where each study is.
    outbox : Outbox
        Complete studies that wait to be scored.
    results : Results
        What became of them, by model.
    releases : Releases
        Quarantined studies that somebody let be scored.
    deliveries : Deliveries
        Reports on their way to a centre.
    earlier_results : EarlierResults
        What a new result of a study replaces.
    commitments : Commitments
        Storage commitments that others asked of us.
    incidents : Incidents
        What an operator must hear of.
    retrievals : Retrievals
        What studies lack and the centres' PACS are asked for.
    notices : Notices
        What people must hear of.
    notice_sendings : NoticeSendings
        Who has still to be told of it.
    overdue : Overdue
        What of the above has waited for too long.
    people : People
        What is known of one person, and forgetting it.
    worklist : Worklist
        What people look at.

    Raises
    ------
    RegistryUnavailableError
        If the registry cannot be opened.
    """

    def __init__(self, url: str, archive_folder: Path, clock: Clock = utc_now) -> None:
        self._database = Database(url, clock)
        self.centers = Centers(self._database)
        self.instances = Instances(self._database)
        self.studies = Studies(self._database)
        self.outbox = Outbox(self._database, archive_folder)
        self.results = Results(self._database)
        self.releases = Releases(self._database)
        self.deliveries = Deliveries(self._database)
        self.earlier_results = EarlierResults(self._database)
        self.commitments = Commitments(self._database)
        self.incidents = Incidents(self._database)
        self.retrievals = Retrievals(self._database)
        self.notices = Notices(self._database)
        self.notice_sendings = NoticeSendings(self._database)
        self.overdue = Overdue(self._database)
        self.people = People(self._database)
        self.worklist = Worklist(self._database)

    def wait_for_change(self, stop: threading.Event, timeout_s: float) -> None:
        """Wait until there may be something new to do; see `Database.wait_for_change`."""
        self._database.wait_for_change(stop, timeout_s)

    @property
    def is_new(self) -> bool:
        """Whether there was no registry before this process opened it."""
        return self._database.is_new

    def check(self) -> None:
        """Look for damage; see `Database.check`."""
        self._database.check()

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
