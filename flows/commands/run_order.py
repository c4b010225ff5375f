"""Runs of a deployment that wait for each other are served in the order in which they were asked
for, which Prefect's own rules leave to chance.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect.server.models import flow_runs
from prefect.server.orchestration.core_policy import CoreFlowPolicy, SecureFlowConcurrencySlots
from prefect.server.orchestration.policies import FlowRunOrchestrationPolicy
from prefect.server.orchestration.rules import FlowRunOrchestrationRule, OrchestrationContext
from prefect.server.schemas import states
from prefect.server.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.settings import get_current_settings
from prefect.types._datetime import now

WAITS = "AwaitingConcurrencySlot"
"""Prefect's name of the state of a run that was turned away because its deployment was busy."""
_GIVEN_UP_AFTER = timedelta(minutes=5)
"""Nobody takes up a run that has been due for so long; later ones need not wait for it."""


class FirstComeFirstServed(FlowRunOrchestrationRule):
    """Turn a run away while another one of its deployment waits that was due before it."""

    FROM_STATES = SecureFlowConcurrencySlots.FROM_STATES
    TO_STATES = SecureFlowConcurrencySlots.TO_STATES

    async def before_transition(
        self,
        initial_state: states.State | None,
        proposed_state: states.State | None,
        context: OrchestrationContext[Any, Any],
    ) -> None:
        """Reject the transition to *Pending* of whoever is not first."""
        del initial_state, proposed_state
        run = context.run
        if run.deployment_id is None or run.expected_start_time is None:
            return
        read_flow_runs: Any = flow_runs.read_flow_runs  # its decorator hides that it is awaited
        before: Any = run.expected_start_time - timedelta(microseconds=1)
        taken_up_since: Any = now("UTC") - _GIVEN_UP_AFTER
        waiting = FlowRunFilter(
            state=FlowRunFilterState(name=FlowRunFilterStateName(any_=[WAITS])),
            expected_start_time=FlowRunFilterExpectedStartTime(before_=before),
            next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(after_=taken_up_since),
        )
        of_this_deployment = DeploymentFilter(id=DeploymentFilterId(any_=[run.deployment_id]))
        if not await read_flow_runs(
            context.session,
            flow_run_filter=waiting,
            deployment_filter=of_this_deployment,
            limit=1,
        ):
            return
        wait_s = get_current_settings().server.deployments.concurrency_slot_wait_seconds
        due: Any = now("UTC") + timedelta(seconds=wait_s)
        again: states.State = states.Scheduled(name=WAITS, scheduled_time=due)
        await self.reject_transition(again, "A run that was asked for earlier comes first.")


class InOrder(FlowRunOrchestrationPolicy):
    """Prefect's own rules for flow runs, and whoever comes first is served first."""

    @staticmethod
    def priority() -> list[Any]:
        """Return the rules in the order in which they are applied."""
        rules: list[Any] = list(CoreFlowPolicy.priority())
        rules.insert(rules.index(SecureFlowConcurrencySlots), FirstComeFirstServed)
        return rules
