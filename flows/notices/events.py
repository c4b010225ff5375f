"""Notices as events of Prefect, by which automations on its server can be started.

The server answers before it has written an event, and forgets it if it dies then. So an event
counts as told when it can be read again; its identifier is that of the message, and a server keeps
one event of an identifier.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.filters import EventFilter, EventIDFilter
from prefect.events.schemas.events import Event

from dicom_node.registry.registry import Message
from flows.notices.message import NotTakenError

PREFECT: Final = "prefect"
"""The sink that every notice is told to."""
EVENT: Final = "annulus.notice."
"""Before the kind of the notice: what an automation expects."""
_NAMESPACE: Final = UUID("6f1c1a52-4c1f-4f0e-9f0a-6a5f0d6f2b11")
_WRITTEN_WITHIN_S = 15.0
_ASK_EVERY_S = 0.5


def emit(message: Message, data: dict[str, Any]) -> None:
    """Have the Prefect server keep a message as an event, unless it has it.

    Parameters
    ----------
    message : Message
        Of one notice.
    data : dict
        What the event says.

    Raises
    ------
    NotTakenError
        If it cannot be read again within some seconds.
    """
    event = _event(message, data)
    with get_client(sync_client=True) as client:
        if _is_kept(client, event.id):
            return
        client.request("POST", "/events", json=[event.model_dump(mode="json")])
        deadline = time.monotonic() + _WRITTEN_WITHIN_S
        while time.monotonic() < deadline:
            if _is_kept(client, event.id):
                return
            time.sleep(_ASK_EVERY_S)
    raise NotTakenError("The Prefect server took the event and has not written it yet.")


def event_id(message_id: str) -> UUID:
    """Return the identifier of the event of a message."""
    return uuid5(_NAMESPACE, message_id)


def _event(message: Message, data: dict[str, Any]) -> Event:
    cause = message.notices[0].cause
    about = [cause.kind, cause.center or "system", *([cause.subject] if cause.subject else [])]
    return Event.model_validate(
        {
            "id": event_id(message.id),
            "occurred": datetime.now(UTC),
            "event": f"{EVENT}{cause.kind}",
            "resource": {
                "prefect.resource.id": ".".join(["annulus", *about]),
                "prefect.resource.name": data["title"],
                "annulus.center": cause.center or "",
            },
            "payload": data,
        }
    )


def _is_kept(client: SyncPrefectClient, identifier: UUID) -> bool:
    asked = EventFilter(id=EventIDFilter(id=[identifier]))
    return bool(client.read_events(filter=asked, limit=1).events)
