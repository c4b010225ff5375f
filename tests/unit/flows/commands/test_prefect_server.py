"""What Prefect's server is started with; tests/integration/test_prefect_server.py runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import Settings, temporary_settings
from prefect.settings.context import get_current_settings
from prefect.settings.legacy import Setting, _get_settings_fields

from flows.__main__ import main
from flows.commands.prefect_server import (
    EVENTS_DAYS,
    WithContentPolicy,
    content_policy,
    server_environment,
)


def _settings() -> dict[str, Setting]:
    return _get_settings_fields(Settings)


def test_prefect_knows_and_takes_what_it_is_started_with(tmp_path: Path) -> None:
    wanted = server_environment(tmp_path, 30)
    with temporary_settings({_settings()[name]: value for name, value in wanted.items()}):
        server = get_current_settings().server
    assert server.concurrency.lease_storage.endswith("filesystem")
    assert server.services.db_vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert server.services.db_vacuum.retention_period.days == 30
    assert server.events.retention_period.days == EVENTS_DAYS
    assert server.ui.static_directory == str(tmp_path / "ui")
    assert server.ui.api_url == "/api"


def test_events_are_kept_no_longer_than_their_runs(tmp_path: Path) -> None:
    name = "PREFECT_SERVER_EVENTS_RETENTION_PERIOD"
    assert server_environment(tmp_path, 2)[name] == "P2D"
    assert server_environment(tmp_path, 400)[name] == "P7D"


def test_a_browser_may_ask_the_api_where_it_is_and_nobody_else() -> None:
    assert "connect-src 'self';" in content_policy("/api")
    assert "connect-src 'self' https://prefect.example.org;" in content_policy(
        "https://prefect.example.org/api"
    )
    assert "default-src 'self';" in content_policy("/api")


def test_every_answer_carries_the_policy() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def page(
        _scope: MutableMapping[str, Any],
        _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"page"})

    async def receive() -> MutableMapping[str, Any]:
        return {}

    async def keep(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(WithContentPolicy(page, "default-src 'self'")({"type": "http"}, receive, keep))
    assert sent[0]["headers"] == [
        (b"a", b"b"),
        (b"content-security-policy", b"default-src 'self'"),
    ]
    assert sent[1] == {"type": "http.response.body", "body": b"page"}


def test_runs_are_kept_for_a_day_at_least() -> None:
    with pytest.raises(SystemExit, match="at least 1: found 0"):
        main(["prefect-server", "--keep-days", "0"])
