"""The flow `center-overview`: what arrived, was scored, quarantined and delivered, one row for each
centre.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from dicom_node.registry.registry import StudyState, StudySummary
from flows.installation import Installation, installation
from flows.refusal import refusable_flow

KEY = "center-overview"
_WAITING = {StudyState.RECEIVING, StudyState.INCOMPLETE, StudyState.QUEUED, StudyState.HELD}


@refusable_flow(name="center-overview")
def center_overview() -> State[None]:
    """Show what became of the studies of each centre."""
    rows = show_overview(installation())
    words = [f"{row['centre']}: {row['arrived']} arrived, {row['scored']} scored" for row in rows]
    return Completed(message="; ".join(words))


def show_overview(work: Installation) -> list[dict[str, str | int]]:
    """Write the table artifact `center-overview`, within a run or outside of any, and return its
    rows; the versions of before are removed.
    """
    now = datetime.now(UTC)
    rows = overview_rows(
        [center.name for center in work.settings.centers()], work.registry.studies.summaries(), now
    )
    run_id = runtime.flow_run.id
    with get_client(sync_client=True) as client:
        made = client.create_artifact(
            ArtifactCreate(
                key=KEY,
                type="table",
                description=(
                    f"Studies of each centre, {now:%Y-%m-%d %H:%M} UTC. [The portal]"
                    f"({work.settings.portal_url()}) shows them one by one."
                ),
                data=json.dumps(rows),
                flow_run_id=UUID(run_id) if run_id else None,
            )
        )
        key = ArtifactFilter(key=ArtifactFilterKey(any_=[KEY]))
        for artifact in client.read_artifacts(artifact_filter=key):
            if artifact.id != made.id:
                # another process may have been faster
                with suppress(ObjectNotFound):
                    client.delete_artifact(artifact.id)
    return rows


def overview_rows(
    centers: Iterable[str], studies: Sequence[StudySummary], now: datetime
) -> list[dict[str, str | int]]:
    """Count the studies of each centre by what became of them.

    Parameters
    ----------
    centers : iterable of str
        Names of the centres; one without studies has a row too.
    studies : sequence of StudySummary
        All studies of the node.
    now : datetime
        The time up to which the oldest has waited, aware.

    Returns
    -------
    list of dict
        One row for each centre.
    """
    return [
        _row(center, [study for study in studies if study.center == center], now)
        for center in centers
    ]


def _row(center: str, studies: Sequence[StudySummary], now: datetime) -> dict[str, str | int]:
    counts = Counter(study.state for study in studies)
    waiting = [study.received_at for study in studies if study.state in _WAITING]
    return {
        "centre": center,
        "arrived": len(studies),
        "incomplete": counts[StudyState.INCOMPLETE],
        "waiting": counts[StudyState.RECEIVING] + counts[StudyState.QUEUED],
        "held": counts[StudyState.HELD],
        "scored": counts[StudyState.SCORED],
        "extracted": counts[StudyState.EXTRACTED],
        "quarantined": counts[StudyState.QUARANTINED],
        "SR delivered": sum(study.delivered is True for study in studies),
        "SR waiting": sum(study.delivered is False for study in studies),
        "oldest waiting": _age(now - min(waiting)) if waiting else "-",
    }


def _age(waited: timedelta) -> str:
    minutes = int(waited.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    return (
        f"{days} d {hours} h"
        if days
        else f"{hours} h {minutes % 60} min"
        if hours
        else f"{minutes} min"
    )
