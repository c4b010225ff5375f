"""The operations port: orchestrators and Prometheus are answered."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from deploy.local.processes import free_port
from dicom_node.errors import UnreadableDatasetError
from dicom_node.node import Node
from dicom_node.operations.health_server import HealthServer
from dicom_node.settings import NodeSettings
from tests.support.intake_bench import KEY, ct_slice, request, take


def _ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_orchestrators_and_prometheus_are_answered(settings_file: Path) -> None:
    port = free_port()
    settings = NodeSettings.load(settings_file)
    settings = settings.model_copy(
        update={"node": settings.node.model_copy(update={"operations_port": port})}
    )
    node = Node(settings, KEY)
    node.start()
    try:
        take(node.intake, "alpha", request(ct_slice(0)))
        with pytest.raises(UnreadableDatasetError):
            take(node.intake, "alpha", replace(request(ct_slice(1)), sop_instance_uid="../x"))
        assert _ask(port, "/live") == (200, "alive\n")
        assert _ask(port, "/ready") == (200, "ready\n")
        assert _ask(port, "/etc/passwd")[0] == 404
        status, metrics = _ask(port, "/metrics")
        assert status == 200
        lines = metrics.splitlines()
        assert 'annulus_node_instances_total{answer="stored",center="alpha"} 1.0' in lines
        assert 'annulus_node_instances_total{answer="0xC000",center="alpha"} 1.0' in lines
        assert 'annulus_node_studies{center="alpha",state="receiving"} 1.0' in lines
        assert 'annulus_node_incidents{kind="unreadable-dataset"} 1.0' in lines
        node._archive._minimum_free_bytes = 2**62
        status, why = _ask(port, "/ready")
        assert (status, "nothing more is accepted until space is made." in why) == (503, True)
    finally:
        node.stop()


def test_what_fails_is_answered_and_logged_without_a_traceback(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def metrics() -> str:
        raise OSError("PATIENT^NAME")

    server = HealthServer("127.0.0.1", 0, lambda: None, metrics)
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as rude:
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            rude.sendall(b"GET /live HT")  # and a reset
        status, said = _ask(server.port, "/metrics")
        assert status == 500
        assert said.startswith("This could not be answered (OSError at ")
        assert said.strip() in caplog.text
        assert _ask(server.port, "/live") == (200, "alive\n")
    finally:
        server.stop()
    assert "Traceback" not in caplog.text + capfd.readouterr().err
    assert "PATIENT" not in caplog.text + said
