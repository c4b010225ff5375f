"""A run that is watched ends with the sentence of its state."""

from __future__ import annotations

import asyncio
import sys
from uuid import uuid4

import pytest
from prefect.cli import deployment, flow_run
from prefect.client.schemas.objects import FlowRun
from prefect.states import Failed

from flows.commands.prefect_commands import run_prefect, telling


def test_the_message_of_the_last_state_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    ended = FlowRun(flow_id=uuid4(), state=Failed(name="Refused", message="Centre B has none."))

    async def watch(run: FlowRun) -> FlowRun:
        return run

    assert asyncio.run(telling(watch)(ended)) is ended
    assert capsys.readouterr().out == "Centre B has none.\n"
    asyncio.run(telling(watch)(FlowRun(flow_id=uuid4())))
    assert capsys.readouterr().out == ""


def test_prefect_takes_its_words_and_its_exit_code_is_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["flows"])
    for module in (deployment, flow_run):
        monkeypatch.setitem(vars(module), "watch_flow_run", None)
    assert run_prefect(["--version"]) == 0
    assert capsys.readouterr().out.startswith("3.")
    assert run_prefect(["no-such-command"]) != 0
