"""The HTTP server of STOW-RS: uvicorn in a thread of the node, with the node's own TLS and
timeouts.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from dicom_node.certificate import peer_certificate
from dicom_node.stow.connections import LimitedSocket, most_connections

_BACKLOG: Final = 128
_START_S: Final = 10.0
_DRAIN_S: Final = 10
_MAXIMUM_HEAD_BYTES: Final = 16384
_REQUESTS: Final = 20


class StowServer:
    """Serves an ASGI application on a port of its own.

    Parameters
    ----------
    application : ASGIApp
        What answers; ``state.certificate`` of its requests is the peer's verified certificate or
        `None`.
    host, port : str, int
        Where it listens; port 0 takes a free one.
    tls : ssl.SSLContext, optional
        With it nobody is listened to without TLS.
    request_timeout_s : float
        Seconds that a connection has for the whole head of a request, the first and each after it.
    maximum_requests : int
        How many requests are answered at once; the number of connections follows from it.

    Raises
    ------
    OSError
        If the port cannot be bound.
    """

    def __init__(
        self,
        application: ASGIApp,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        request_timeout_s: float,
        maximum_requests: int = _REQUESTS,
    ) -> None:
        self._socket = LimitedSocket.listening(
            (host, port), most_connections(maximum_requests), _BACKLOG
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                http=_protocol(request_timeout_s, self._socket),
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="warning",
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=int(request_timeout_s) or 1,
                timeout_graceful_shutdown=_DRAIN_S,
                h11_max_incomplete_event_size=_MAXIMUM_HEAD_BYTES,
                ssl_context_factory=None if tls is None else lambda _config, _default: tls,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="stow", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._socket.getsockname()[1])

    @property
    def is_running(self) -> bool:
        """Whether it answers."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Answer from now on.

        Raises
        ------
        RuntimeError
            If the server does not start.
        """
        self._thread.start()
        deadline = time.monotonic() + _START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("The HTTP server of STOW-RS did not start: the log says why.")
            time.sleep(0.01)

    def stop(self) -> None:
        """Accept nothing more, let what is being received be answered, then end what is left."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=2.0 * _DRAIN_S)
        self._socket.close()


def _protocol(request_timeout_s: float, listening: LimitedSocket) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, made to end connections that ask for nothing, and to tell the
    application of certificates.
    """

    class Protocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app_state: dict[str, Any] = {
                **self.app_state,
                "certificate": peer_certificate(transport.get_extra_info("ssl_object")),
            }
            self._wait_for_head()

        def handle_events(self) -> None:
            last = self.cycle
            super().handle_events()
            if self.cycle is not last:
                self._set_busy(is_busy=True)

        def on_response_complete(self) -> None:
            self._set_busy(is_busy=False)
            self._wait_for_head()
            super().on_response_complete()

        def _wait_for_head(self) -> None:
            """Give the connection its time for the next request, however much of it drips in."""
            self.loop.call_later(request_timeout_s, self._end_unless_asked, self.cycle)

        def _end_unless_asked(self, last: object) -> None:
            if self.cycle is last:
                self.transport.abort()

        def _set_busy(self, *, is_busy: bool) -> None:
            connection = self.transport.get_extra_info("socket")
            if connection is not None:
                listening.set_busy(connection.fileno(), is_busy=is_busy)

    return Protocol
