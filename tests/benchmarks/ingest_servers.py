"""The servers that the ingest benchmark compares, each a process with an empty folder on a free
port.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.processes import free_port, listens
from tests.support.dcmtk import ENVIRONMENT
from tests.support.node_process import NodeProcess
from tests.support.orthanc import Orthanc
from tests.support.peer_programs import peer_program
from tests.support.settings_tables import center_table
from tests.support.waiting import wait_until
from tests.support.wire import ACCEPT, Wire, associate


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    count: Callable[[], int]

    @property
    def pid(self) -> int:
        """Its process number."""
        return self.process.pid

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def node(folder: Path, *, durable: bool = True) -> Server:
    """Start the node."""
    one = NodeProcess(
        folder,
        "maximum_associations = 250\nnetwork_timeout_s = 600\nminimum_free_bytes = 0\n"
        f"durable = {str(durable).lower()}",
        center_table("bench") + center_table("other"),
    )
    one.start()
    return Server(one.process, one.port, lambda: sum(1 for _ in one.archive.glob("*/*/*.dcm")))


def orthanc(folder: Path) -> Server:
    """Start Debian's Orthanc."""
    program = peer_program("Orthanc")
    assert program is not None, "Orthanc is not installed: apt-get install orthanc"
    one = Orthanc(program, folder, "ANNULUS").__enter__()  # Server.stop() ends it
    return Server(one.process, one.dicom_port, lambda: _dicom_files(folder / "storage"))


def storescp(folder: Path) -> Server:
    """Start DCMTK's storescp, which answers without waiting for the disk; one process per
    association.
    """
    port, data = free_port(), folder / "data"
    data.mkdir()
    program = peer_program("storescp")
    assert program is not None, "storescp is not installed: apt-get install dcmtk"
    command = [program, "--fork", "-aet", "ANNULUS", "-od", str(data), str(port)]
    log = folder / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=ENVIRONMENT)
    wait_until(
        lambda: listens("127.0.0.1", port),
        60,
        "storescp listens",
        process=process,
        evidence=log.read_text,
    )
    return Server(process, port, lambda: _dicom_files(data))


SERVERS: dict[str, Callable[[Path], Server]] = {
    "ours": node,
    "ours-deferred": lambda folder: node(folder, durable=False),
    "orthanc": orthanc,
    "storescp": storescp,
}
CONFIGURATIONS: dict[str, str] = {
    "ours": "durable: each answer waits for the disk",
    "ours-deferred": "durable = false: the disk is not waited for",
    "orthanc": "as tests/support/orthanc.py configures it",
    "storescp": "--fork, the disk is not waited for",
}
"""How each is set up, in words."""


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used, and its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def idle_associations(port: int, count: int) -> list[socket.socket]:
    """Open so many associations that say nothing after their request."""
    connections = []
    for _ in range(count):
        peer = Wire.to(port)
        assert peer.ask(associate("BENCH"))[0] == ACCEPT, "an association was not accepted"
        connections.append(peer.connection)
    return connections


def _dicom_files(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file() and _is_dicom(path))


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
