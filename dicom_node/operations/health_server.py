"""The operations port: ``/live``, ``/ready`` and ``/metrics`` over HTTP, for orchestrators and
Prometheus.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dicom_node.errors import where_raised

_log = logging.getLogger(__name__)

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST_S = 5.0


class HealthServer:
    """Answers on a port of its own.

    Parameters
    ----------
    host, port : str, int
        Where it listens; port 0 takes a free one.
    problem : callable
        Returns a sentence when the node cannot take instances now, else `None`.
    metrics : callable
        Returns the metrics as text.

    Raises
    ------
    OSError
        If the port cannot be bound.
    """

    def __init__(
        self, host: str, port: int, problem: Callable[[], str | None], metrics: Callable[[], str]
    ) -> None:
        answers: dict[str, Callable[[], tuple[HTTPStatus, str]]] = {
            "/live": lambda: (HTTPStatus.OK, "alive\n"),
            "/ready": lambda: _readiness(problem()),
            "/metrics": lambda: (HTTPStatus.OK, metrics()),
        }
        self._server = _Server((host, port), _handler(answers))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.5,), name="health", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a connection that its peer has ended; the library shows a traceback."""
        del request, client_address
        _log.debug("A connection to the operations port ended early.")


def _readiness(problem: str | None) -> tuple[HTTPStatus, str]:
    return (
        (HTTPStatus.OK, "ready\n")
        if problem is None
        else (HTTPStatus.SERVICE_UNAVAILABLE, f"{problem}\n")
    )


def _handler(
    answers: dict[str, Callable[[], tuple[HTTPStatus, str]]],
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_S
        server_version = "annulus"
        sys_version = ""

        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            try:
                status, body = (
                    answer()
                    if answer
                    else (HTTPStatus.NOT_FOUND, "known: " + " ".join(answers) + "\n")
                )
            except Exception as error:  # noqa: BLE001 - whoever watches hears of it, and the log
                words = (
                    f"This could not be answered ({where_raised(error)}): see whether the "
                    "archive's disk is there, or tell who maintains Annulus."
                )
                _log.error("The operations port was asked for what failed. %s", words)
                status, body = HTTPStatus.INTERNAL_SERVER_ERROR, f"{words}\n"
            content = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", _TEXT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        # The library's own name
        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            _log.debug(format, *arguments)

    return Handler
