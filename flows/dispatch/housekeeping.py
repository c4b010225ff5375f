"""What the dispatcher does beside scoring: shows incidents and the overview, imports dropped
clinical tables, checks the feature store, removes what was kept long enough.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

from dicom_node.errors import NodeError
from dicom_node.registry.registry import StudySummary
from dicom_node.settings import SettingsError
from feature_store.errors import FeatureStoreError
from flows.data.check_store import repair_store, store_findings
from flows.data.erased import came_back
from flows.data.import_clinical import dropped_files, import_clinical
from flows.data.replaced import note_replaced
from flows.data.retention import remove_overdue
from flows.dispatch.worker import DISPATCHED
from flows.installation import Installation
from flows.operators.center_overview import show_overview
from flows.operators.report_incident import report_incident

logger = logging.getLogger(__name__)

ORPHANED = "the process of this run ended before the study was finished; another run takes it up"
_LOOK_INTO_FOLDERS_EVERY_S = 5.0
_REMOVE_OVERDUE_EVERY_S = 3600.0
_CHECK_STORE_AT_HOUR = 1
"""In the time zone of the validations, before the first of them."""


class Housekeeping:
    """Keeps the Prefect UI and the feature store in line with what reached the machine.

    Parameters
    ----------
    work : Installation
        The installation.
    """

    def __init__(self, work: Installation) -> None:
        self._work = work
        self._shown: Sequence[StudySummary] | None = None
        self._overview_due = self._folders_due = self._orphans_due = self._overdue_due = 0.0
        self._store_due: datetime | None = None
        self._store_findings: list[str] = []

    def check_store(self) -> None:
        """Mend what a power cut left, have lost rows made again, and keep what else is wrong for
        the Prefect UI; at start, and every night.
        """
        now = datetime.now(ZoneInfo(self._work.settings.validation.timezone))
        if self._store_due is not None and now < self._store_due:
            return
        tonight = now.replace(hour=_CHECK_STORE_AT_HOUR, minute=0, second=0, microsecond=0)
        self._store_due = tonight if now < tonight else tonight + timedelta(days=1)
        try:
            for done in repair_store(self._work, harmless_only=True):
                logger.warning("Feature store: %s", done)
            self._store_findings = store_findings(self._work)
            if sentence := came_back(self._work):
                self._store_findings.append(sentence)
        except (FeatureStoreError, NodeError, SettingsError) as error:
            self._store_findings = [str(error)]
        for sentence in self._store_findings:
            logger.error("Feature store: %s", sentence)

    def do_what_is_due(self) -> None:
        """Do it; a Prefect server or a registry that does not answer meanwhile only puts it off."""
        try:
            self.check_store()
            self._remove_overdue()
            self._report_incidents()
            self._close_orphans()
            self._show_overview()
            self._import_dropped()
        except NodeError as error:
            logger.warning("What is due is done later. %s", error)
        except (
            httpx.HTTPError,
            RuntimeError,
        ) as error:  # Prefect says with a RuntimeError that it cannot be reached
            logger.warning(
                "The Prefect server stopped answering (%s); it is told later.", type(error).__name__
            )

    def _remove_overdue(self) -> None:
        """Remove files that were kept for as long as the settings say."""
        if time.monotonic() < self._overdue_due:
            return
        self._overdue_due = time.monotonic() + _REMOVE_OVERDUE_EVERY_S
        try:
            for kind, number in remove_overdue(self._work.settings, datetime.now(UTC)).items():
                logger.info("Removed what was kept long enough: %d of the %s.", number, kind)
        except OSError as error:
            logger.warning("What was kept long enough cannot be removed: %s.", error.strerror)

    def _report_incidents(self) -> None:
        incidents = self._work.registry.incidents.unreported()
        for incident in incidents:
            report_incident(
                incident.kind,
                incident.center or "unknown",
                incident.sentence,
                incident.count,
                return_state=True,
            )
        if incidents:
            self._work.registry.incidents.mark_reported([incident.id for incident in incidents])

        while self._store_findings:
            report_incident("feature-store", "all", self._store_findings[0], 1, return_state=True)
            del self._store_findings[0]

    def _close_orphans(self) -> None:
        """Mark runs as crashed whose worker died before the outbox knew of them: no lease is left
        that could tell.
        """
        if time.monotonic() < self._orphans_due:
            return
        lease = timedelta(seconds=self._work.settings.prefect.lease_s)
        self._orphans_due = time.monotonic() + lease.total_seconds()
        unfinished = FlowRunFilter(
            tags=FlowRunFilterTags(all_=[DISPATCHED]),
            state=FlowRunFilterState(
                type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING]),
            ),
        )
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(flow_run_filter=unfinished)
            under_way = self._work.registry.outbox.runs_under_way() if runs else set()
            for run in runs:
                if (
                    str(run.id) not in under_way
                    and run.created
                    and datetime.now(UTC) - run.created > lease
                ):
                    client.set_flow_run_state(run.id, Crashed(message=ORPHANED), force=True)

    def _show_overview(self) -> None:
        if time.monotonic() < self._overview_due:
            return
        self._overview_due = time.monotonic() + self._work.settings.prefect.overview_every_s
        studies = self._work.registry.studies.summaries()
        if studies != self._shown:
            self._note_replaced()
            show_overview(self._work)
            self._shown = studies

    def _note_replaced(self) -> None:
        try:
            if number := note_replaced(self._work):
                logger.info("Contents of studies that were replaced and count no more: %d.", number)
        except FeatureStoreError as error:
            logger.warning("What was replaced cannot be told to the feature store. %s", error)

    def _import_dropped(self) -> None:
        if time.monotonic() < self._folders_due:
            return
        self._folders_due = time.monotonic() + _LOOK_INTO_FOLDERS_EVERY_S
        for center in self._work.settings.centers():
            if dropped_files(self._work, center.name):
                import_clinical(center.name, return_state=True)
