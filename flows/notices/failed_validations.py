"""Validations whose last run failed, as the Prefect server remembers them: it does so also of
those that ended while nobody looked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from dicom_node.registry.registry import Cause
from flows.refusal import REFUSED
from flows.settings.notify import NoticeKind

NIGHTLY: Final = ("validate-center", "pool-centers")
BY_HAND: Final = ("validate-cohort",)
"""Who asks for one of these reads its refusal; a failure is told."""
OPEN_FOR: Final = timedelta(days=7)
_ENDED = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED]
_MOST = 200
_LONGEST_MESSAGE = 600


def failed_validations(client: SyncPrefectClient, now: datetime) -> Iterator[Cause]:
    """Yield what failed when it was run last, within some days.

    Parameters
    ----------
    client : SyncPrefectClient
        Of the installation's server.
    now : datetime
        The time, aware.
    """
    for name in (*NIGHTLY, *BY_HAND):
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[name])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ENDED)),
                end_time=FlowRunFilterEndTime.model_validate({"after_": now - OPEN_FOR}),
            ),
            sort=FlowRunSort.END_TIME_DESC,
            limit=_MOST,
        )
        seen = set()
        for run in runs:
            subject = _subject(name, run)
            if subject not in seen:
                seen.add(subject)
                if (cause := _cause(name, subject, run)) is not None:
                    yield cause


def _cause(name: str, subject: str, run: FlowRun) -> Cause | None:
    state = run.state
    if state is None or state.type is StateType.COMPLETED:
        return None
    is_refused = state.name == REFUSED
    if is_refused and name in BY_HAND:
        return None
    center = run.parameters.get("center") if name == "validate-center" else None
    # A refusal is a sentence of ours; what an error says may hold values of what was read
    said = (
        (state.message or "")[:_LONGEST_MESSAGE]
        if is_refused
        else ("The run in the Prefect UI says how, the log why.")
    )
    what = f"The validation of centre {center}" if center else f"The validation {name}"
    sentence = f"{what} ended as {state.name} (run {run.name}). {said}"
    told_apart = sha256(f"{state.name} {state.message}".encode()).hexdigest()[:16]
    return Cause(
        NoticeKind.VALIDATION_FAILED,
        str(center) if center else None,
        subject,
        told_apart,
        sentence,
        f"centers/{quote(str(center))}" if center else "",
        run.end_time or state.timestamp,
    )


def _subject(name: str, run: FlowRun) -> str:
    """Return which validation it is, whoever asked for it."""
    if name not in BY_HAND:
        return " ".join([name, *(str(one) for one in [run.parameters.get("center")] if one)])
    asked = json.dumps(run.parameters, sort_keys=True, default=str)
    return f"{name} {sha256(asked.encode()).hexdigest()[:16]}"
