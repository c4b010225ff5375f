"""The audit trail: who did what and when, as structured events that hold no tag value (PS3.15 annex
A.5 in spirit).

Each event is one log record of the logger ``dicom_node.audit`` with the fields of the event; with
JSON logging it is one line of JSON that any collector reads. Names are pseudonyms, AE titles and
addresses.
"""

from __future__ import annotations

import logging
from enum import StrEnum

_log = logging.getLogger("dicom_node.audit")


class AuditEvent(StrEnum):
    """What is recorded."""

    NODE_STARTED = "node-started"
    NODE_STOPPED = "node-stopped"
    ASSOCIATION_OPENED = "association-opened"
    ASSOCIATION_CLOSED = "association-closed"
    ASSOCIATION_REJECTED = "association-rejected"
    INSTANCES_STORED = "instances-stored"
    INSTANCE_REFUSED = "instance-refused"
    COMMITMENT_ASKED = "commitment-asked"
    COMMITMENT_REPORTED = "commitment-reported"
    STUDY_ASKED_FOR = "study-asked-for"
    STUDY_FETCHED = "study-fetched"
    REPORT_DELIVERED = "report-delivered"
    STUDY_READ = "study-read"
    STUDY_RELEASED = "study-released"
    STUDY_REQUEUED = "study-requeued"
    REPORT_REDELIVERED = "report-redelivered"
    STUDY_EXPORTED = "study-exported"
    CONTENT_REPLACED = "content-replaced"
    PERSON_ERASED = "person-erased"
    CLINICAL_REMOVED = "clinical-removed"
    QUARANTINE_CLEARED = "quarantine-cleared"
    INCIDENTS_CLEARED = "incidents-cleared"
    IDENTITY_ASKED = "identity-asked"
    STOW_ANSWERED = "stow-answered"
    STOW_REJECTED = "stow-rejected"


def record(event: AuditEvent, **fields: str | float | None) -> None:
    """Record an event.

    Parameters
    ----------
    event : AuditEvent
        What happened.
    **fields : str, int or float
        Centre, AE title, address, pseudonyms and counts; never a value of a dataset.
    """
    if _log.isEnabledFor(logging.INFO):
        told = {name: value for name, value in fields.items() if value is not None}
        words = " ".join(f"{name}={value}" for name, value in told.items())
        _log.info("%s %s", event.value, words, extra={"audit": {"event": event.value, **told}})
