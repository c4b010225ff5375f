"""Prefect's own command line, which at the end of a watched run also prints what its state says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from prefect.cli import app, deployment, flow_run, flow_runs_watching
from prefect.client.schemas.objects import FlowRun

_Watch = Callable[..., Coroutine[Any, Any, FlowRun]]


def run_prefect(arguments: Sequence[str]) -> int:
    """Run a command of Prefect's and return its exit code.

    Parameters
    ----------
    arguments : sequence of str
        As ``prefect`` takes them.
    """
    for module in (deployment, flow_run):
        vars(module)["watch_flow_run"] = telling(flow_runs_watching.watch_flow_run)
    sys.argv[:] = ["prefect", *arguments]
    try:
        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def telling(watch: _Watch) -> _Watch:
    """Return a function that watches a run as `watch` does, and prints the message of its last
    state.
    """

    async def watched(*args: Any, **kwargs: Any) -> FlowRun:
        run = await watch(*args, **kwargs)
        if run.state is not None and run.state.message:
            print(run.state.message, flush=True)
        return run

    return watched
