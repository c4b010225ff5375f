"""The servers that the ingest benchmark compares, each a process with an empty folder on a free
port.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.processes import ROOT, free_port
from dicom_node.network import pdu

_ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
_READY_S = 60.0


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
    port = free_port()
    settings = folder / "annulus.toml"
    settings.write_text(
        f"[node]\nport = {port}\nfolder = '{folder / 'data'}'\nmaximum_associations = "
        "150\nnetwork_timeout_s = 600\nminimum_free_bytes = 0\ndurable = "
        f"{str(durable).lower()}\n[center.bench]\nae_titles = ['BENCH']\n"
    )
    command = [sys.executable, "-m", "dicom_node", "--settings", str(settings)]
    environment = {"ANNULUS_PSEUDONYM_KEY": "a key for the benchmark only", "PYTHONPATH": str(ROOT)}
    archive = folder / "data" / "archive"
    return _start(
        command, folder, port, lambda: sum(1 for _ in archive.glob("*/*/*.dcm")), environment
    )


def orthanc(folder: Path) -> Server:
    """Start Debian's Orthanc as it comes."""
    port = free_port()
    configuration = {
        "StorageDirectory": str(folder / "data"),
        "IndexDirectory": str(folder / "data"),
        "DicomAet": "ANNULUS",
        "DicomPort": port,
        "HttpPort": free_port(),
        "DicomAlwaysAllowStore": True,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    program = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "Orthanc is not installed: apt-get install orthanc"
    data = folder / "data"
    return _start([program, str(folder / "orthanc.json")], folder, port, lambda: _dicom_files(data))


def storescp(folder: Path) -> Server:
    """Start DCMTK's storescp, which answers without waiting for the disk; one process per
    association.
    """
    port, data = free_port(), folder / "data"
    data.mkdir()
    program = shutil.which("storescp")
    assert program is not None, "storescp is not installed: apt-get install dcmtk"
    command = [program, "--fork", "-aet", "ANNULUS", "-od", str(data), str(port)]
    return _start(command, folder, port, lambda: _dicom_files(data))


SERVERS: dict[str, Callable[[Path], Server]] = {
    "ours": node,
    "ours-deferred": lambda folder: node(folder, durable=False),
    "orthanc": orthanc,
    "storescp": storescp,
}


def peak_memory(pid: int) -> int:
    """Return the largest resident size that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_associations(port: int, count: int) -> list[socket.socket]:
    """Open so many associations that say nothing after their request."""
    request = associate_request("BENCH", "ANNULUS")
    connections = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.sendall(request)
        assert connection.recv(4096)[:1] == b"\2", "an association was not accepted"
        connections.append(connection)
    return connections


def associate_request(calling: str, called: str) -> bytes:
    """Return an A-ASSOCIATE-RQ for Verification."""

    def item(kind: int, value: bytes) -> bytes:
        return bytes((kind, 0)) + len(value).to_bytes(2, "big") + value

    context = b"\1\0\0\0" + item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2")
    body = b"\0\1\0\0" + called.ljust(16).encode() + calling.ljust(16).encode() + bytes(32)
    body += item(0x10, pdu.APPLICATION_CONTEXT.encode()) + item(0x20, context)
    body += item(0x50, item(0x51, (16384).to_bytes(4, "big")) + item(0x52, b"1.2.3"))
    return b"\1\0" + len(body).to_bytes(4, "big") + body


def _start(
    command: list[str],
    folder: Path,
    port: int,
    count: Callable[[], int],
    environment: Mapping[str, str] | None = None,
) -> Server:
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**_ENVIRONMENT, **(environment or {})}
        )
    deadline = time.monotonic() + _READY_S
    while not _answers(port):
        assert process.poll() is None, (folder / "server.log").read_text()
        assert time.monotonic() < deadline, f"{command[0]} does not listen"
        time.sleep(0.05)
    return Server(process, port, count)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _dicom_files(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file() and _is_dicom(path))


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
