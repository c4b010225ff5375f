"""Automations that end runs whose process died without a word, so that no run looks alive for ever.

A run of a served or deployed flow tells every `PREFECT_FLOWS_HEARTBEAT_FREQUENCY` seconds that it
lives. The warm processes of the dispatcher tell nothing: their leases find the dead ones, and
`close_orphans` their runs.
"""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from feature_store.wording import counted

SILENCE_S = 90
"""Three missed heartbeats of 30 seconds."""
NEVER_BEGAN_S = 300
"""A cold process on a busy machine takes a minute to begin."""
_FINAL = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
_HEARTBEAT, _PENDING, _RUNNING = (
    f"prefect.flow-run.{word}" for word in ("heartbeat", "Pending", "Running")
)


def automations() -> tuple[Automation, ...]:
    """Return the automations: for runs that fell silent, and for runs that never began."""
    return (
        _healing(
            "annulus: end runs that fell silent", _HEARTBEAT, {_HEARTBEAT, *_FINAL}, SILENCE_S
        ),
        _healing(
            "annulus: end runs that never began", _PENDING, {_RUNNING, *_FINAL}, NEVER_BEGAN_S
        ),
    )


def ensure_healing() -> None:
    """Create the automations on the Prefect server, or bring them up to date."""
    for automation in automations():
        try:
            found = cast(Automation, Automation.read(name=automation.name))
        except ValueError:
            automation.create()
        else:
            automation.id = found.id
            automation.update()


def _healing(name: str, after: str, expect: set[str], within_s: int) -> Automation:
    return Automation(
        name=name,
        description=(
            "Marks the run as crashed; what it had not finished is taken up by the next run."
        ),
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after={after},
            expect=expect,
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            # Runs of the dispatcher have no deployment: to watch them too would lock the server's
            # SQLite with each run.
            match_related=ResourceSpecification({"prefect.resource.role": "deployment"}),
            for_each={"prefect.resource.id"},
            threshold=1,
            within=timedelta(seconds=within_s),
        ),
        actions=[_crashed(f"no sign of life for {counted(within_s, 'second')}")],
    )


def _crashed(message: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=StateType.CRASHED, name=None, message=message, force=False)
