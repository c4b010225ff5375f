"""Six ways to hurt a node of plain pynetdicom handlers, each tried on such a node and on ours."""

from __future__ import annotations

import gc
import socket
import ssl
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, _config, evt

from dicom_node.datasets.sop_classes import (
    CT_IMAGE_STORAGE,
    EXPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)
from dicom_node.scp.listener import Listener, ListenerSettings
from tests.support import wire
from tests.support.certificates import Certificates
from tests.support.intake_bench import Bench, center, ct_slice, request
from tests.support.waiting import wait_until
from tests.support.wire import Wire

pytestmark = [
    pytest.mark.filterwarnings("ignore:Invalid value for VR UI"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

MOST = 3
DATASET = request(ct_slice(0)).dataset
UID = str(ct_slice(0).SOPInstanceUID)


@dataclass
class Target:
    """A node under attack."""

    port: int
    temporary: Path
    handled: list[str] = field(default_factory=list)


@contextmanager
def plain(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[Target]:
    """A node as pynetdicom's documentation writes it: the handler keeps what comes and answers
    success.
    """
    target = Target(0, folder / "temporary")
    target.temporary.mkdir()

    def keep(event: Any) -> int:
        target.handled.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    entity: Any = AE("ANNULUS")
    entity.maximum_associations = MOST
    entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = 30
    entity.add_supported_context(VERIFICATION)
    entity.add_supported_context(CT_IMAGE_STORAGE, EXPLICIT_VR_LITTLE_ENDIAN)
    handlers = [(evt.EVT_C_STORE, keep)]
    server: Any = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=tls
    )
    target.port = server.server_address[1]
    try:
        yield target
    finally:
        entity.shutdown()
        server = entity = None
        with warnings.catch_warnings():  # what it left open is closed here, not in another test
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@contextmanager
def ours(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[Target]:
    """Our node."""
    bench = Bench(folder / "node")
    settings = ListenerSettings(
        "ANNULUS", "127.0.0.1", 0, maximum_associations=MOST, network_timeout_s=30
    )
    listener = Listener(settings, (center("alpha"),), bench.services, bench.registry.incidents, tls)
    listener.start()
    try:
        yield Target(listener.port, bench.archive.instances / ".tmp")
    finally:
        listener.stop(drain_s=0.0)
        bench.close()


@pytest.fixture(params=[plain, ours])
def node(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """One node after the other."""
    made: Callable[..., Any] = request.param
    return made


def _is_served(port: int) -> bool:
    """Say whether a new caller is let in within two seconds."""
    try:
        with Wire.to(port, timeout_s=2.0) as wire_:
            return wire_.ask(wire.associate())[0] == wire.ACCEPT
    except OSError:
        return False


@pytest.mark.slow
def test_a_silent_client_of_a_tls_port_blocks_nobody(
    node: Callable[..., Any], tmp_path: Path, certificates: Certificates
) -> None:
    with node(tmp_path, certificates.server_context()) as target, Wire.to(target.port):
        time.sleep(0.2)
        try:
            with socket.create_connection(("127.0.0.1", target.port), timeout=2) as raw:
                secured = certificates.client_context().wrap_socket(
                    raw, server_hostname="localhost"
                )
                is_served = Wire(secured).ask(wire.associate())[0] == wire.ACCEPT
                secured.close()
        except OSError:
            is_served = False
    assert is_served is (node is ours)


@pytest.mark.slow
def test_silent_connections_are_no_associations(node: Callable[..., Any], tmp_path: Path) -> None:
    with node(tmp_path) as target:
        silent = [Wire.to(target.port) for _ in range(MOST)]
        time.sleep(0.3)
        assert _is_served(target.port) is (node is ours)
        for one in silent:
            one.connection.close()


@pytest.mark.slow
def test_a_path_for_a_uid_reaches_nobody(node: Callable[..., Any], tmp_path: Path) -> None:
    with node(tmp_path) as target, Wire.to(target.port).open() as wire_:
        status = wire_.status(wire.store("../../x", DATASET))
    assert status == (0xC000 if node is ours else 0x0000)
    assert target.handled == ([] if node is ours else ["../../x"])
    assert not (tmp_path.parent / "x").exists()


@pytest.mark.slow
def test_a_command_and_a_dataset_that_differ_are_refused(
    node: Callable[..., Any], tmp_path: Path
) -> None:
    with node(tmp_path) as target, Wire.to(target.port).open() as wire_:
        status = wire_.status(wire.store("1.2.3.4.5", DATASET))
    assert status == (0xA900 if node is ours else 0x0000)


@pytest.mark.slow
def test_a_pdu_beyond_the_announced_length_is_not_buffered(
    node: Callable[..., Any], tmp_path: Path
) -> None:
    with node(tmp_path) as target, Wire.to(target.port, timeout_s=1.0).open() as wire_:
        wire_.send(b"\4\0" + (300 << 20).to_bytes(4, "big") + bytes(1 << 20))
        try:
            answer, _ = wire_.receive()
        except TimeoutError:
            answer = None
    assert answer == (wire.ABORT if node is ours else None)


@pytest.mark.slow
def test_a_dropped_connection_leaves_no_file(
    node: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_config, "STORE_RECV_CHUNKED_DATASET", True)
    with node(tmp_path) as target:
        monkeypatch.setattr(tempfile, "tempdir", str(target.temporary))
        with Wire.to(target.port).open() as wire_:
            wire_.send(wire.data(wire.value(3, wire.store_request(UID), is_command=True)))
            wire_.send(wire.data(wire.value(3, DATASET[:100], is_command=False, is_last=False)))
            wait_until(lambda: bool(list(target.temporary.iterdir())), 10, "a temporary file")
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline and list(target.temporary.iterdir()):
            time.sleep(0.02)
        assert (not list(target.temporary.iterdir())) is (node is ours)
