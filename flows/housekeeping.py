"""What the dispatcher does beside scoring: shows incidents and the overview, imports dropped clinical tables."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import httpx

from dicom_node.registry import StudySummary
from flows.center_overview import show_overview
from flows.import_clinical import dropped_files, import_clinical
from flows.installation import Installation
from flows.report_incident import report_incident

logger = logging.getLogger(__name__)

_LOOK_INTO_FOLDERS_EVERY_S = 5.0


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
        self._overview_due = self._folders_due = 0.0

    def look(self) -> None:
        """Do what is due; a Prefect server that stops answering meanwhile only puts it off."""
        try:
            self._report_incidents()
            self._show_overview()
            self._import_dropped()
        except (httpx.HTTPError, RuntimeError) as error:  # Prefect says with a RuntimeError that it cannot be reached
            logger.warning("the Prefect server stopped answering (%s); it is told later", type(error).__name__)

    def _report_incidents(self) -> None:
        incidents = self._work.registry.unreported_incidents()
        for incident in incidents:
            report_incident(
                incident.kind, incident.center or "unknown", incident.sentence, incident.count, return_state=True
            )
        if incidents:
            self._work.registry.mark_reported([incident.id for incident in incidents])

    def _show_overview(self) -> None:
        if time.monotonic() < self._overview_due:
            return
        self._overview_due = time.monotonic() + self._work.settings.prefect.overview_every_s
        studies = self._work.registry.studies()
        if studies != self._shown:
            show_overview(self._work)
            self._shown = studies

    def _import_dropped(self) -> None:
        if time.monotonic() < self._folders_due:
            return
        self._folders_due = time.monotonic() + _LOOK_INTO_FOLDERS_EVERY_S
        for center in self._work.settings.centers():
            if dropped_files(self._work, center.name):
                import_clinical(center.name, return_state=True)
