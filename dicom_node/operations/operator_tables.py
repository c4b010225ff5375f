"""Tables for operators: studies and incidents as lines of text, without a patient identifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from dicom_node.registry.registry import Delivery, Incident, StudySummary
from dicom_node.wording import counted

_OUTBOX = {"claimed": "being worked on"}
_DELIVERED = {None: "-", False: "waiting", True: "yes"}


def study_lines(
    studies: Sequence[StudySummary],
    outbox: Mapping[str, int],
    undelivered: Sequence[tuple[Delivery, str | None, datetime]],
) -> list[str]:
    """Return one line per study, then the outbox and the reports that wait.

    Parameters
    ----------
    studies : sequence of StudySummary
        The newest first.
    outbox : mapping
        Rows by state.
    undelivered : sequence
        Waiting deliveries with their last failure and when they are due.
    """
    rows = [
        (
            study.study_key,
            study.patient_key,
            study.center,
            study.state,
            str(study.instances),
            _time(study.received_at),
            _DELIVERED[study.delivered],
            study.sentence or "",
        )
        for study in studies
    ]
    lines = _table(
        ("STUDY", "PATIENT", "CENTRE", "STATE", "IMAGES", "RECEIVED (UTC)", "REPORT SENT", "WHY"),
        rows,
    )
    if not rows:
        lines.append("No study has been received yet.")
    counts = (f"{count} {_OUTBOX.get(state, state)}" for state, count in outbox.items())
    lines += ["", f"Outbox, complete studies for scoring: {', '.join(counts)}"]
    lines += [
        f"The report of {delivery.study_key} for {delivery.center} waits after "
        f"{counted(delivery.attempts, 'attempt')}, next at {_time(due)} UTC."
        f"{f' {sentence}' if sentence else ''}"
        for delivery, sentence, due in undelivered
    ]
    return lines


def incident_lines(incidents: Sequence[Incident]) -> list[str]:
    """Return one line per incident, the latest first.

    Parameters
    ----------
    incidents : sequence of Incident
        The latest first.
    """
    rows = [
        (_time(one.last_at), one.kind, one.center or "-", one.subject, str(one.count), one.sentence)
        for one in incidents
    ]
    return (
        _table(("LAST (UTC)", "KIND", "CENTRE", "ABOUT", "TIMES", "WHAT"), rows)
        if rows
        else ["No incidents."]
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
