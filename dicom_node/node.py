"""The running node: the listener, the sweep that settles quiet studies, and the deliveries."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from dicom_node.archive.archive import Archive
from dicom_node.center import Correction, ReturnDestination
from dicom_node.clock import Clock, steady_clock, utc_now
from dicom_node.errors import IncidentKind, NodeError, where_raised
from dicom_node.intake.intake import Intake
from dicom_node.intake.reindexing import Reindexed
from dicom_node.network.tls import client_context, server_context
from dicom_node.operations.exposition import NodeCollector, exposition
from dicom_node.operations.file_handles import budget, reserve
from dicom_node.operations.health_server import HealthServer
from dicom_node.operations.retention import Retention
from dicom_node.pseudonym import key_fingerprint
from dicom_node.registry.registry import Registry, open_registry
from dicom_node.scp.commitment_service import CommitmentService
from dicom_node.scp.listener import SPARE_CONNECTIONS, Listener, ListenerSettings
from dicom_node.scp.services import DimseServices
from dicom_node.scu.caller import Caller
from dicom_node.scu.commitment_results import destinations_of, report_commitments
from dicom_node.scu.query_retrieve import Limits
from dicom_node.scu.report_delivery import deliver_due
from dicom_node.scu.retrieval import fetch_due
from dicom_node.settings import NodeSettings, NodeTable
from dicom_node.stow import PATH
from dicom_node.stow.callers import Callers
from dicom_node.stow.connections import most_connections
from dicom_node.wording import counted

if TYPE_CHECKING:
    from dicom_node.stow.server import StowServer

_log = logging.getLogger(__name__)

_STOP_S = 60.0
_REINDEXING_AT_START_S = 2.0
_Wait = Callable[[threading.Event, float], object]
_THIS_MACHINE = frozenset(("127.0.0.1", "::1", "localhost"))


def _whole_registry(node: NodeTable, clock: Clock) -> Registry:
    registry = open_registry(node, clock)
    try:
        registry.check()
    except NodeError:
        registry.close()
        raise
    return registry


class Node:
    """Everything that runs in the node's process.

    Opening it takes the folder. A start finds the files that the registry does not know; what it
    does not index within seconds, as after the loss of the registry, it indexes while it receives.

    Parameters
    ----------
    settings : NodeSettings
        The settings.
    key : bytes
        The pseudonym key.
    clock : callable, optional
        Returns the current time, aware, in UTC; by default one that nobody can set while the node
        runs.
    tokens : mapping of str to str, optional
        Bearer tokens of the centres that may store over HTTP, by name.

    Raises
    ------
    NodeError
        If the folder is in use, was made with another key, or the registry cannot be opened.
    """

    def __init__(
        self,
        settings: NodeSettings,
        key: bytes,
        clock: Clock | None = None,
        tokens: Mapping[str, str] | None = None,
    ) -> None:
        node = settings.node
        self._settings = node
        self._centers = settings.centers()
        self._archive = Archive(node.folder, node.minimum_free_bytes, durable=node.durable)
        self._archive.open(key_fingerprint(key))
        try:
            self.registry = _whole_registry(node, clock or steady_clock())
        except NodeError:
            self._archive.close()
            raise
        replacing = [
            center.name for center in self._centers if center.corrections is Correction.REPLACE
        ]
        self.intake = Intake(self._archive, self.registry, key, replacing)
        self._retention = Retention(
            self._archive,
            self.registry.incidents,
            clock or utc_now,
            node.quarantine_days,
            node.incident_days,
        )
        self._caller = Caller(node.ae_title, client_context(node.tls))
        self._stopping = threading.Event()
        self._is_reindexed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener: Listener | None = None
        self._health: HealthServer | None = None
        self._tokens = tokens or {}
        self._stow: StowServer | None = None

    def reindex(self) -> Reindexed:
        """Bring the registry in line with the files."""
        self.registry.centers.record(self._centers)
        return self.intake.reindex()

    def start(self) -> None:
        """Receive, sweep and deliver until `stop`; index what is here already, before or meanwhile.

        Raises
        ------
        ValueError
            If the settings name no centre, or none that could use the port of STOW-RS, or the
            process may not open as many files as the settings need.
        OSError
            If the port cannot be bound.
        """
        node = self._settings
        listening = ListenerSettings(
            node.ae_title,
            node.host,
            node.port,
            node.maximum_associations,
            node.network_timeout_s,
            node.request_timeout_s,
            node.minimum_bytes_per_s,
            node.share_of_a_center(len(self._centers)),
        )
        destinations = destinations_of(self._centers)
        sources = {one.query_from.called for one in self._centers if one.query_from is not None}
        reserve(
            budget(
                node.maximum_associations + SPARE_CONNECTIONS,
                0 if node.stow_port is None else most_connections(node.maximum_associations),
                len(destinations) + len(sources),
            )
        )
        commitment = CommitmentService(
            self.intake.verify,
            self.registry.commitments.queue,
            self.registry.deliveries.take_commitment_report,
        )
        services = DimseServices(self.intake, commitment, node.maximum_object_bytes)
        self._listener = Listener(
            listening, self._centers, services, self.intake.notes, server_context(node.tls)
        )
        if node.stow_port is not None:
            self._stow = self._stow_server(node.stow_port)
        self._begin_reindexing()
        if node.operations_port is not None:
            self._health = HealthServer(
                node.operations_host, node.operations_port, self.problem, self.metrics
            )
            self._health.start()
        self._listener.start()
        if self._stow is not None:
            self._stow.start()
        waits = self.registry.wait_for_change
        workers: list[tuple[str, Callable[[], int], _Wait]] = [
            ("sweep", self.sweep, threading.Event.wait)
        ]
        if not self._is_reindexed.is_set():
            workers.append(("reindex", self.end_reindexing, threading.Event.wait))
        # One for each destination: a PACS that does not answer delays nobody else's reports.
        for destination in destinations:
            name = f"deliver-{destination.ae_title}"
            workers.append((name, partial(self.deliver, destination), waits))
        workers += [(f"ask-{one.ae_title}", partial(self.fetch, one), waits) for one in sources]
        for name, work, wait in workers:
            thread = threading.Thread(
                target=self._repeat, args=(work, wait), name=name, daemon=True
            )
            thread.start()
            self._threads.append(thread)

    @property
    def port(self) -> int:
        """The port that is bound.

        Raises
        ------
        RuntimeError
            If the node has not been started.
        """
        if self._listener is None:
            raise RuntimeError("The node has no port before it is started.")
        return self._listener.port

    @property
    def stow_address(self) -> str | None:
        """Where STOW-RS listens, or `None` when it does not."""
        if self._stow is None:
            return None
        scheme = "http" if self._settings.tls is None else "https"
        return f"{scheme}://{self._settings.stow_host}:{self._stow.port}{PATH}"

    def _stow_server(self, port: int) -> StowServer:
        # A web server is only for those who want one
        from dicom_node.stow.app import StowService  # noqa: PLC0415
        from dicom_node.stow.server import StowServer  # noqa: PLC0415

        node = self._settings
        service = StowService(
            self.intake,
            Callers(self._centers, self._tokens),
            self.intake.notes,
            node.maximum_object_bytes,
            node.maximum_associations,
            node.network_timeout_s,
            node.minimum_bytes_per_s,
            node.share_of_a_center(len(self._centers)),
        )
        if node.tls is None and node.stow_host not in _THIS_MACHINE:
            _log.warning(
                "STOW-RS listens on %s without TLS: tokens travel in the clear; give [node.tls].",
                node.stow_host,
            )
        return StowServer(
            service.application(),
            node.stow_host,
            port,
            server_context(node.tls),
            node.request_timeout_s,
            node.maximum_associations,
        )

    def _begin_reindexing(self) -> None:
        self.registry.centers.record(self._centers)
        deadline = time.monotonic() + _REINDEXING_AT_START_S
        self.intake.reindex(lambda: time.monotonic() > deadline)
        if self.intake.is_reindexed:
            self.end_reindexing()
            return
        _log.info(
            "The registry does not know %s of the archive yet: the node receives meanwhile, and "
            "settles no study before it does.",
            counted(self.intake.backlog, "instance"),
        )

    def end_reindexing(self) -> int:
        """Index what the start left, and return how many instances that were."""
        if self._is_reindexed.is_set():
            return 0
        done = self.intake.reindex(self._stopping.is_set, anew=False)
        if self.intake.is_reindexed:
            if any((done.added, done.missing, done.set_aside)):
                _log.info("Brought the registry in line with the archive: %s.", done)
            self.registry.studies.restart_quiet_periods()
            self._is_reindexed.set()
        return done.added

    def sweep(self) -> int:
        """Decide the studies that have been quiet for long enough, tell of those that stay
        incomplete, and forget what is too old.

        Nothing is decided before everything is indexed that was here already: what a study lacks
        may be among it.
        """
        self._retention.keep_house()
        if not self._is_reindexed.is_set():
            return 0
        decided = sum(self.registry.studies.settle(center) for center in self._centers)
        for center, study, sentence in self.registry.studies.overdue(
            self._settings.report_incomplete_after_s
        ):
            self.registry.incidents.record(IncidentKind.INCOMPLETE_STUDY, sentence, center, study)
        return decided

    def deliver(self, destination: ReturnDestination) -> int:
        """Send what is due to one AE, and return how many reports were delivered."""
        node = self._settings
        pauses = (node.delivery_first_retry_s, node.delivery_longest_retry_s)
        report_commitments(
            self.registry.commitments,
            self._caller,
            self._centers,
            self.intake.verify,
            *pauses,
            only=destination,
        )
        theirs = [center for center in self._centers if center.return_to == destination]
        return deliver_due(self.registry.deliveries, self._caller, theirs, *pauses)

    def fetch(self, asked: ReturnDestination) -> int:
        """Ask one PACS for what studies of its centres lack, and return how many were answered."""
        node = self._settings
        theirs = [one for one in self._centers if one.query_from and one.query_from.called == asked]
        return fetch_due(
            self.registry.retrievals,
            self._caller,
            theirs,
            self._archive.instances,
            node.delivery_first_retry_s,
            node.delivery_longest_retry_s,
            Limits(),
            self._stopping,
        )

    def stop(self) -> None:
        """Accept nothing more, finish what is running, and let go of the folder."""
        self._stopping.set()
        if self._stow is not None:
            self._stow.stop()
        if self._listener is not None:
            self._listener.stop()
        deadline = time.monotonic() + _STOP_S
        for thread in self._threads:
            thread.join(timeout=max(deadline - time.monotonic(), 0.0))
        if self._health is not None:
            self._health.stop()
        self.intake.stop()
        self.registry.close()
        self._archive.close()

    def problem(self) -> str | None:
        """Return why the node cannot take instances now, or `None` when it can."""
        if self._stopping.is_set():
            return "The node is stopping."
        if self._stow is not None and not self._stow.is_running:
            return "The server of STOW-RS has ended: the node's log says why."
        try:
            self.intake.check()
            self.registry.outbox.counts()
        except NodeError as error:
            return str(error)
        return None

    def metrics(self) -> str:
        """Return what Prometheus reads."""
        return exposition(
            NodeCollector(
                self.intake.metrics,
                self.registry,
                open_associations=self._listener.open_associations if self._listener else 0,
                index_backlog=self.intake.backlog,
                free_bytes=self._archive.free_bytes(),
            )
        )

    def _repeat(self, work: Callable[[], int], wait: _Wait) -> None:
        """Do the work at least every sweep interval; what fails waits for the next turn, and one
        that nobody foresaw is an incident.
        """
        while not self._stopping.is_set():
            try:
                work()
                wait(self._stopping, self._settings.sweep_interval_s)
                continue
            except NodeError as error:
                _log.warning("%s", error)
            except Exception as error:  # noqa: BLE001 - it is recorded, and stops nobody else's work
                self._tell_of(error, threading.current_thread().name)
            self._stopping.wait(self._settings.sweep_interval_s)

    def _tell_of(self, error: Exception, part: str) -> None:
        sentence = (
            f"The part {part} of the node failed ({where_raised(error)}) and is tried again: tell "
            "who maintains Annulus."
        )
        _log.error("%s", sentence)
        try:
            self.registry.incidents.record(IncidentKind.PROCESSING_FAILURE, sentence, None, part)
        except NodeError as failure:
            _log.warning("The incident could not be recorded. %s", failure)
