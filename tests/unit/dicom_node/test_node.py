"""The running node: what it offers by its settings, and how it ends."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID
from pynetdicom import AE, evt

from deploy.local.processes import free_port
from dicom_node.center import Center
from dicom_node.network.commitment_messages import CommitmentRequest, Reference
from dicom_node.node import Node
from dicom_node.settings import NodeSettings
from tests.support.intake_bench import KEY, ct_slice, request, take
from tests.support.postgresql import PostgreSQL
from tests.support.waiting import wait_until


def test_stow_rs_is_served_on_its_port_to_who_has_a_token(settings_file: Path) -> None:
    settings = NodeSettings.load(settings_file)
    settings = settings.model_copy(
        update={"node": settings.node.model_copy(update={"stow_port": free_port()})}
    )
    nobody = Node(settings, KEY)
    with pytest.raises(ValueError, match="no centre could use it"):
        nobody.start()
    nobody.stop()
    node = Node(settings, KEY, tokens={"alpha": "a token that is long enough"})
    node.start()
    try:
        assert node.stow_address is not None
        with pytest.raises(HTTPError) as refused:
            urlopen(node.stow_address, b"", timeout=10)
        refused.value.close()
        assert refused.value.code == 401
        assert node.problem() is None
        assert 'annulus_node_web_requests_total{center="",status="401"} 1' in node.metrics()
    finally:
        node.stop()


def test_a_node_settles_what_it_has_received_and_lets_go_of_its_folder(settings_file: Path) -> None:
    for _ in range(2):
        node = Node(NodeSettings.load(settings_file), KEY)
        node.start()
        assert node.port == NodeSettings.load(settings_file).node.port
        take(node.intake, "alpha", request(ct_slice(0)))
        node.stop()


def test_a_node_without_its_registry_receives_before_everything_is_indexed_again(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = NodeSettings.load(settings_file)
    slices = [request(ct_slice(index)) for index in range(4)]
    before = Node(settings, KEY)
    take(before.intake, "alpha", *slices[:3])
    before.stop()
    for left in settings.node.folder.glob("registry.sqlite*"):
        left.unlink()
    may_go_on, rest = threading.Event(), Node.end_reindexing

    def in_time(node: Node) -> int:
        may_go_on.wait(60)
        return rest(node)

    monkeypatch.setattr("dicom_node.node._REINDEXING_AT_START_S", -1.0)
    monkeypatch.setattr(Node, "end_reindexing", in_time)
    settled: list[Center] = []

    def settle(center: Center) -> int:
        settled.append(center)
        return 0

    node = Node(settings, KEY)
    monkeypatch.setattr(node.registry.studies, "settle", settle)
    node.start()
    try:
        assert node.problem() is None
        assert "annulus_node_index_backlog 3.0" in node.metrics()
        node.sweep()
        assert settled == []
        take(node.intake, "alpha", slices[3])
        assert node.intake.flush()
        assert len(node.registry.instances.paths()) == 4
        may_go_on.set()
        wait_until(lambda: bool(settled), 60, "studies are settled")
        assert node.intake.is_reindexed
    finally:
        may_go_on.set()
        node.stop()


def test_an_error_that_nobody_foresaw_in_one_part_stops_neither_it_nor_the_others(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def sweep(_node: Node) -> int:
        calls.append("sweep")
        raise KeyError("PATIENT^NAME")

    def deliver(_node: Node, _destination: object) -> int:
        calls.append("deliver")
        if calls.count("deliver") == 1:
            raise OSError("PATIENT^NAME")
        return 0

    monkeypatch.setattr(Node, "sweep", sweep)
    monkeypatch.setattr(Node, "deliver", deliver)
    node = Node(NodeSettings.load(settings_file), KEY)
    node.start()
    try:
        wait_until(lambda: min(calls.count(one) for one in ("sweep", "deliver")) > 2, 20, "both")
        assert node.problem() is None
        told = {one.subject: one.sentence for one in node.registry.incidents.latest()}
    finally:
        node.stop()
    assert told.keys() == {"sweep", "deliver-PACS"}
    assert "KeyError at" in told["sweep"]
    assert "PATIENT" not in "".join(told.values())


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def registry_url(request: pytest.FixtureRequest) -> str | None:
    """A registry in the node's folder, or on PostgreSQL."""
    if request.param == "sqlite":
        return None
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_schema()


def _report(path: Path) -> Path:
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.1")
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.34"
    report.SOPInstanceUID = f"1.2.3.{path.stem}"
    report.save_as(path, enforce_file_format=True)
    return path


@contextmanager
def _pacs(port: int) -> Iterator[list[str]]:
    taken: list[str] = []

    def take(event: evt.Event) -> int:
        taken.append(str(event.dataset.SOPInstanceUID))
        return 0

    entity = AE("PACS")
    entity.add_supported_context("1.2.840.10008.5.1.4.1.1.88.34")
    handlers: list[Any] = [(evt.EVT_C_STORE, take)]
    assert entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers) is not None
    try:
        yield taken
    finally:
        entity.shutdown()


def _hang_up(listening: socket.socket) -> None:
    """Close whatever has been connected, so that nobody waits for it any longer."""
    with suppress(OSError):
        while True:
            with listening.accept()[0] as connection:
                connection.recv(1 << 16)  # so that it ends, and is not reset


def _pynetdicom_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if type(one).__module__.startswith("pynetdicom")]


# pynetdicom drops the socket of a connection that was reset without closing it.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_pacs_that_takes_connections_and_is_silent_delays_no_other_report(
    settings_file: Path, tmp_path: Path, registry_url: str | None
) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent, _pacs(port) as taken:
        settings = NodeSettings.load(settings_file)
        deaf = settings.center["alpha"].return_to
        assert deaf is not None
        deaf = deaf.model_copy(update={"port": silent.getsockname()[1]})
        heard = deaf.model_copy(update={"port": port})
        centers = {
            "alpha": settings.center["alpha"].model_copy(update={"return_to": deaf}),
            "beta": settings.center["alpha"].model_copy(
                update={"return_to": heard, "ae_titles": ("BETA",)}
            ),
        }
        table = settings.node.model_copy(
            update={"registry_url": registry_url, "sweep_interval_s": 1.0}
        )
        node = Node(settings.model_copy(update={"center": centers, "node": table}), KEY)
        for number in range(4):
            node.registry.deliveries.queue(
                "alpha", f"study{number}", "m" * 64, {"a" * 64: _report(tmp_path / f"{number}.dcm")}
            )
        asked = CommitmentRequest("1.2.9", (Reference("1.2", "1.2.3"),))
        node.registry.commitments.queue("alpha", "PACS", asked)
        node.start()
        try:
            time.sleep(1.0)  # the silent one is being waited for
            for number in range(4, 7):
                began = time.monotonic()
                node.registry.deliveries.queue(
                    "beta",
                    f"study{number}",
                    "m" * 64,
                    {"b" * 64: _report(tmp_path / f"{number}.dcm")},
                )
                wait_until(lambda: f"1.2.3.{number}" in taken, 20, "it is delivered")  # noqa: B023
                assert time.monotonic() - began < 15.0  # the silent one is waited for twice as long
        finally:
            threading.Thread(target=_hang_up, args=(silent,), daemon=True).start()
            node.stop()
    wait_until(lambda: not _pynetdicom_threads(), 20, "the library has let go of its sockets")
    gc.collect()
