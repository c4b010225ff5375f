"""DCMTK's dcmqrscp as a PACS that is asked, and killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from deploy.local.processes import free_port
from tests.support.dcmtk import ENVIRONMENT
from tests.support.peer_programs import peer_program
from tests.support.waiting import wait_until

_CONFIGURATION = """\
NetworkType = "tcp"
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16

HostTable BEGIN
node = ({called}, 127.0.0.1, {node_port})
HostTable END

VendorTable BEGIN
VendorTable END

AETable BEGIN
{ae_title} {storage} RW (500, 1024mb) ANY
AETable END
"""


class Dcmqrscp:
    """A PACS with an index of its own, which outlives its process.

    Parameters
    ----------
    program : str
        ``dcmqrscp``.
    folder : Path
        Where its configuration and its files lie; is made.
    node_port : int
        Where our AE listens.
    ae_title : str
        Its AE title.
    """

    def __init__(self, program: str, folder: Path, node_port: int, ae_title: str = "QRSCP") -> None:
        self.ae_title, self.port = ae_title, free_port()
        self._program, self._folder = program, folder
        storage = folder / "storage"
        storage.mkdir(parents=True)
        self._configuration = folder / "dcmqrscp.cfg"
        self._configuration.write_text(
            _CONFIGURATION.format(
                port=self.port,
                called="ANNULUS",
                node_port=node_port,
                ae_title=ae_title,
                storage=storage,
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, or start it again, and return when it answers."""
        echo = peer_program("echoscu")
        assert echo is not None
        with (self._folder / "dcmqrscp.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._configuration)],
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                start_new_session=True,
            )
        ask = [echo, "-aec", self.ae_title, "127.0.0.1", str(self.port)]
        wait_until(
            lambda: subprocess.run(ask, check=False, capture_output=True).returncode == 0,
            30,
            "dcmqrscp answers",
            process=self._process,
            evidence=lambda: (self._folder / "dcmqrscp.log").read_text(errors="replace"),
        )

    def kill(self) -> None:
        """End it at once, with the processes that serve its associations."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def store(self, files: Sequence[Path]) -> None:
        """Let it have files."""
        program = peer_program("storescu")
        assert program is not None
        subprocess.run(
            [program, "-aec", self.ae_title, "127.0.0.1", str(self.port), *map(str, files)],
            check=True,
            capture_output=True,
            timeout=300,
            env=ENVIRONMENT,
        )
