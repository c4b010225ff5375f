"""An outage is one line of the log; any other error keeps its traceback."""

from __future__ import annotations

import io
import logging
from asyncio import CancelledError

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError

from flows.runs.console import Console


def _logged(error: BaseException, name: str = "of a client") -> str:
    written = io.StringIO()
    handler = Console(written)
    log = logging.Logger(name)  # noqa: LOG001 - one of its own
    log.addHandler(handler)
    try:
        raise error
    except type(error):
        log.warning("the websocket of %s failed", "events", exc_info=True)
    return written.getvalue()


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "refused"),
        httpx.ConnectError("refused"),
        ConnectionClosedError(None, None),
        CancelledError(),
    ],
)
def test_an_outage_is_one_line(error: BaseException) -> None:
    said = _logged(error)
    assert said.startswith(f"the websocket of events failed ({type(error).__name__}")
    assert said.count("\n") == 1


def test_what_is_wrong_here_keeps_its_traceback() -> None:
    assert "Traceback" in _logged(KeyError("a fault"))


def test_events_that_prefect_writes_twice_are_one_line() -> None:
    error = ValueError("NOT NULL constraint failed: events.occurred\n[SQL: INSERT INTO events]")
    said = _logged(error, "prefect.server.events.services.event_persister")
    assert "(ValueError: NOT NULL constraint failed: events.occurred)" in said
    assert said.count("\n") == 1
