"""A mail server and a webhook on this machine, which keep what they were sent and can be out of
order for a while.
"""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class MailSink:
    """A mail server (SMTP, RFC 5321) without TLS.

    Parameters
    ----------
    port : int
        On which it listens.
    """

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuses: str | None = None
    """What it answers to each mail instead of taking it, like ``451 try later``."""
    slow_s: float = 0.0
    """How long it thinks about a mail before it answers."""

    def ids(self) -> Counter[str]:
        """Return how often each Message-ID came."""
        return Counter(str(mail["Message-ID"]) for mail in self.mails)


@dataclass
class WebhookSink:
    """What a webhook was sent.

    Parameters
    ----------
    url : str
        Its address.
    """

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    """What it answers."""
    slow_s: float = 0.0

    def keys(self) -> Counter[str]:
        """Return how often each Idempotency-Key came."""
        return Counter(one["idempotency-key"] for one in self.headers)


@contextmanager
def mail_sink(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[MailSink]:
    """Run a mail server on a port of the loopback address, a free one by default; with a context
    it speaks TLS from the first byte on.
    """
    sink = MailSink()
    handler = type("Handler", (_MailHandler,), {"sink": sink})

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def get_request(self) -> tuple[Any, Any]:
            taken, address = super().get_request()
            if tls is None:
                return taken, address
            return tls.wrap_socket(taken, server_side=True), address

        def handle_error(self, *_: object) -> None:
            """A client that was killed is no news."""

    with Server(("127.0.0.1", port), handler) as server:
        sink.port = server.server_address[1]
        with _served(server):
            yield sink


@contextmanager
def webhook_sink(port: int = 0) -> Iterator[WebhookSink]:
    """Run a webhook on a port of the loopback address, a free one by default."""
    sink = WebhookSink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if sink.status < 300:
                sink.bodies.append(body)
                sink.headers.append({name.lower(): text for name, text in self.headers.items()})
            time.sleep(sink.slow_s)
            self.send_response(sink.status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that was killed is no news."""

    with Server(("127.0.0.1", port), Handler) as server:
        sink.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        with _served(server):
            yield sink


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


class _MailHandler(socketserver.StreamRequestHandler):
    sink: MailSink

    def handle(self) -> None:
        """Speak to one client until it leaves."""
        self._say("220 sink")
        recipients: list[str] = []
        while line := self.rfile.readline():
            match line[:4].upper():
                case b"RCPT":
                    recipients.append(line.decode().partition("<")[2].partition(">")[0])
                    self._say("250 ok")
                case b"DATA":
                    self._say("354 go on")
                    self._take(recipients)
                case b"QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def _take(self, recipients: list[str]) -> None:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        if self.sink.refuses is not None:
            self._say(self.sink.refuses)
            return
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        self.sink.recipients.extend(recipients)
        self.sink.mails.append(mail)
        time.sleep(self.sink.slow_s)
        self._say("250 taken")

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())
