"""However many connect, the server holds so many connections, and centres are heard."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from dicom_node.stow import PATH
from dicom_node.stow.app import StowService
from dicom_node.stow.callers import Callers
from dicom_node.stow.connections import most_connections
from dicom_node.stow.server import StowServer
from tests.support.intake_bench import Bench, center, ct_slice
from tests.support.stow_bodies import part10_file, stow_body
from tests.support.waiting import wait_until

TOKENS = {"alpha": "a-token-of-alpha-for-tests-only", "beta": "a-token-of-beta-for-tests-only"}
REQUESTS = 4
HEAD_S = 1.5


@pytest.fixture
def server(bench: Bench) -> Iterator[StowServer]:
    service = StowService(
        bench.intake,
        Callers((center("alpha"), center("beta")), TOKENS),
        bench.registry.incidents,
        1 << 20,
        REQUESTS,
        1.0,
        bytes_per_s=1000.0,
        share=2,
    )
    server = StowServer(service.application(), "127.0.0.1", 0, None, HEAD_S, REQUESTS)
    server.start()
    yield server
    server.stop()


def _post(server: StowServer, index: int, name: str = "alpha") -> int:
    headers = {
        "Content-Type": "multipart/related; boundary=limit",
        "Authorization": f"Bearer {TOKENS[name]}",
    }
    body = stow_body(part10_file(ct_slice(index)))
    url = f"http://127.0.0.1:{server.port}{PATH}"
    return httpx.post(url, content=body, headers=headers, trust_env=False).status_code


def _head(name: str = "alpha", length: int = 99999) -> bytes:
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS[name]}\r\n"
        f"Content-Type: multipart/related; boundary=limit\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is needed


def test_strangers_who_send_half_a_head_take_no_more_handles_than_allowed(
    server: StowServer,
) -> None:
    before = _open_files()
    strangers = []
    for number in range(3 * most_connections(REQUESTS)):
        one = socket.create_connection(("127.0.0.1", server.port))
        one.sendall(b"POST / HTTP/1.1\r\n")
        strangers.append(one)
        if number % 20 == 0:
            assert _post(server, number) == 200  # and centres are heard meanwhile
    allowed = before + len(strangers) + most_connections(REQUESTS) + 4
    wait_until(lambda: _open_files() <= allowed, 2, "the oldest have made room")
    for one in strangers:
        one.close()


@pytest.mark.slow
def test_a_head_that_drips_is_ended_on_a_connection_that_was_kept_alive_too(
    server: StowServer,
) -> None:
    body = stow_body(part10_file(ct_slice(0)))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
        peer.sendall(_head(length=len(body)) + body)
        assert peer.recv(4096).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        with pytest.raises(OSError, match=r"reset|Broken"):  # noqa: PT012 - whichever byte it is
            while time.monotonic() < began + 20:
                peer.sendall(b"P" if time.monotonic() < began + 0.1 else b"x")
                time.sleep(0.1)
        assert time.monotonic() - began < 3 * HEAD_S


@pytest.mark.slow
def test_a_body_that_drips_is_ended_and_its_place_is_free_again(
    server: StowServer, bench: Bench
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
        peer.sendall(_head())
        began = time.monotonic()
        answer = b""
        peer.settimeout(0.2)
        while not answer and time.monotonic() < began + 20:
            peer.sendall(b"-")
            try:
                answer = peer.recv(4096)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408")
    assert list((bench.archive.instances / ".tmp").iterdir()) == []


def test_one_centre_takes_its_share_of_the_requests_and_no_more(server: StowServer) -> None:
    with (
        socket.create_connection(("127.0.0.1", server.port)) as one,
        socket.create_connection(("127.0.0.1", server.port)) as other,
    ):
        for peer in (one, other):
            peer.sendall(_head())
        wait_until(lambda: _post(server, 0) == 503, 10, "the centre has its share")
        assert _post(server, 1, "beta") == 200


def test_strangers_are_one_incident_that_counts(server: StowServer, bench: Bench) -> None:
    for number in range(5):
        url = f"http://127.0.0.1:{server.port}{PATH}"
        headers = {"Authorization": f"Bearer nobody {number}"}
        assert httpx.post(url, headers=headers, trust_env=False).status_code == 401
    assert [(one.kind, one.count) for one in bench.registry.incidents.latest()] == [
        ("unknown-caller", 5)
    ]
