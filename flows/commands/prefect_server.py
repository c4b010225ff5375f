"""``python -m flows prefect-server``: Prefect's server and its first UI, so that a restart harms no
run, nothing asks outside, and the database stays small.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_DAY_S = 86_400
KEEP_DAYS = 90
"""How long the server keeps what a run left behind, unless it is told otherwise."""

EVENTS_DAYS = 7
"""How long events are kept, at most: they are three quarters of what a run leaves, and nothing but
the feed of the UI and automations, which look back for minutes, reads them."""

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Application = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


def add_prefect_server_command(commands: Any) -> None:
    """Add ``prefect-server``."""
    server = commands.add_parser(
        "prefect-server",
        help="serve Prefect's API and UI as this system needs them, until stopped",
    )
    server.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    server.add_argument(
        "--port", type=int, default=4200, help="port to listen on (default: %(default)s)"
    )
    server.add_argument(
        "--keep-days",
        type=int,
        default=KEEP_DAYS,
        help=(
            "days after which what an ended run left behind (states, logs, artifacts) is removed "
            "from Prefect's database, its events after a week (default: %(default)s)"
        ),
    )
    # It needs no settings: a container of the server has none.
    server.set_defaults(command=_prefect_server, alone=True)


def server_environment(home: Path, keep_days: int) -> dict[str, str]:
    """Return what Prefect's server is started with.

    Parameters
    ----------
    home : Path
        Prefect's own folder, which outlives the server.
    keep_days : int
        Days for which an ended run is kept.

    Returns
    -------
    dict of str to str
        Variables of the environment. Leases of concurrency limits lie in files, because leases in
        memory are lost with the server, and the runs that hold them then crash. The pages of the
        UI are written below `home`, because the installed package need not be writable.
    """
    return {
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(keep_days * _DAY_S),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{min(keep_days, EVENTS_DAYS)}D",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        # A path, so that the UI asks the host and the port that the browser's address names.
        "PREFECT_SERVER_UI_API_URL": "/api",
    }


def content_policy(api_url: str) -> str:
    """Return the Content-Security-Policy under which a browser asks no other host for the UI.

    Parameters
    ----------
    api_url : str
        Where the UI finds the API: a path of the same host, or an address.
    """
    address = urlsplit(api_url)
    api = f" {address.scheme}://{address.netloc}" if address.netloc else ""
    return "; ".join(
        (
            "default-src 'self'",
            f"connect-src 'self'{api}",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "style-src 'self' 'unsafe-inline'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )


class WithContentPolicy:
    """An ASGI application whose answers carry a Content-Security-Policy.

    Parameters
    ----------
    app : ASGI application
        What answers.
    policy : str
        The policy.
    """

    def __init__(self, app: _Application, policy: str) -> None:
        self._app = app
        self._header = (b"content-security-policy", policy.encode())

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer one request."""

        async def send_with_policy(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self._header]
            await send(message)

        await self._app(scope, receive, send_with_policy)


def _prefect_server(options: argparse.Namespace) -> int:
    if options.keep_days < 1:
        raise SystemExit(
            f"--keep-days says for how many days ended runs are kept, at least 1: found "
            f"{options.keep_days}."
        )
    own = os.environ.get("PREFECT_HOME")
    home = Path.home() / ".prefect" if own is None else Path(own)
    home.mkdir(parents=True, exist_ok=True)
    for name, value in server_environment(home, options.keep_days).items():
        os.environ.setdefault(name, value)

    for talkative in ("alembic", "docket"):
        logging.getLogger(talkative).setLevel(logging.WARNING)

    # After the environment, which Prefect reads when it is imported; and it takes seconds
    import prefect  # noqa: PLC0415
    import uvicorn  # noqa: PLC0415
    from prefect.server.api.server import create_app  # noqa: PLC0415
    from prefect.server.orchestration.dependencies import temporary_flow_policy  # noqa: PLC0415
    from prefect.settings import get_current_settings  # noqa: PLC0415

    from flows.commands.run_order import InOrder  # noqa: PLC0415

    # The second UI asks a host outside, and no setting takes it away: without its pages it is not
    # offered.
    prefect.__ui_v2_static_path__ = home / "no second ui"
    settings = get_current_settings().server
    app = create_app(final=True)
    app.add_middleware(WithContentPolicy, policy=content_policy(settings.ui.api_url or "/api"))
    with temporary_flow_policy(InOrder):
        uvicorn.run(
            app,
            host=options.host,
            port=options.port,
            timeout_keep_alive=settings.api.keepalive_timeout,
            ws_ping_interval=settings.api.websocket_ping_interval,
            ws_ping_timeout=settings.api.websocket_ping_timeout,
            log_level=settings.logging_level.lower(),
        )
    return 0
