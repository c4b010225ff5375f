"""How long the node remembers what went wrong: the quarantine holds identities, and so do sentences
about callers.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Final

from dicom_node.archive.archive import Archive
from dicom_node.audit import AuditEvent, record
from dicom_node.clock import Clock
from dicom_node.registry.registry import Incidents

_EVERY_S: Final = 3600.0
_DAY_S: Final = 86400.0


class Retention:
    """Removes what is older than the settings say, once an hour.

    Parameters
    ----------
    archive : Archive
        Whose quarantine is cleared.
    incidents : Incidents
        Which are forgotten.
    clock : callable
        Returns the current time.
    quarantine_days, incident_days : float
        How long refused objects and incidents are kept; 0 is for ever.
    """

    def __init__(
        self,
        archive: Archive,
        incidents: Incidents,
        clock: Clock,
        quarantine_days: float,
        incident_days: float,
    ) -> None:
        self._archive = archive
        self._incidents = incidents
        self._clock = clock
        self._quarantine_days = quarantine_days
        self._incident_days = incident_days
        self._due_at = 0.0
        self._lock = threading.Lock()

    def keep_house(self) -> int:
        """Remove what is too old, if the last time is an hour ago; return how much it was."""
        with self._lock:
            if time.monotonic() < self._due_at:
                return 0
            self._due_at = time.monotonic() + _EVERY_S
        files = incidents = 0
        if self._quarantine_days:
            files = self._archive.forget_refused(self._quarantine_days * _DAY_S)
        if self._incident_days:
            before = self._clock() - timedelta(days=self._incident_days)
            incidents = self._incidents.forget(before)
        if files:
            record(AuditEvent.QUARANTINE_CLEARED, files=files)
        if incidents:
            record(AuditEvent.INCIDENTS_CLEARED, incidents=incidents)
        return files + incidents
