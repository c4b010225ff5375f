"""How a command ends that ran a flow: with the verdict of its run."""

from __future__ import annotations


def ended(state: object) -> int:
    """Print the verdict of a run and turn its state into an exit code."""
    from prefect.client.schemas.objects import State  # noqa: PLC0415

    if not isinstance(state, State):
        raise TypeError(f"A flow run ends in a state, found {type(state).__name__}.")
    print(state.message or state.name)
    return 0 if state.is_completed() else 1
