"""Starts and stops the parts of an installation as processes of this machine: Prefect server, node
and dispatcher.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

from deploy.local.offline import OFFLINE
from deploy.local.parts import DEFAULTS, DISPATCHER, NODE, prefect_server
from deploy.local.supervisor import Part

ROOT = Path(__file__).resolve().parent.parent.parent
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound to it here
_STOP_GRACE_S = 60.0
_POLL_S = 0.1


def listens(host: str, port: int) -> bool:
    """Say whether something takes connections at this address of this machine."""
    try:
        with socket.create_connection((reachable(host), port), timeout=1):
            return True
    except OSError:
        return False


def reachable(host: str) -> str:
    """Return the address by which to reach what listens at `host`, which may mean everywhere."""
    return _EVERYWHERE.get(host, host)


class PartFailedError(RuntimeError):
    """A part ended, or was not ready in time; the message names its log."""


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LocalSystem:
    """The parts of one installation, each a process with its log, all stopped on leaving the
    context.

    Parameters
    ----------
    folder : Path
        Where Prefect keeps its database and every part writes its log.
    environment : mapping of str to str
        Added to the environment of every part.
    prefect_port : int, optional
        Port of the Prefect server; a free one by default.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], prefect_port: int | None = None
    ) -> None:
        self.folder = folder.absolute()
        self.prefect_port = prefect_port or free_port()
        self.prefect_url = f"http://127.0.0.1:{self.prefect_port}"
        self._prefect = prefect_server("127.0.0.1", self.prefect_port)
        self.environment = {
            **DEFAULTS,
            **os.environ,
            **OFFLINE,
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_API_URL": f"{self.prefect_url}/api",
            "ANNULUS_PREFECT__API_URL": f"{self.prefect_url}/api",
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self._parts)):
            self.stop(name)

    def log(self, name: str) -> Path:
        """Return the log file of a part."""
        return self.folder / "logs" / f"{name}.log"

    def start(self, name: str, *module_and_arguments: str) -> subprocess.Popen[bytes]:
        """Start ``python -m`` with the given module and arguments as the part called `name`."""
        return self.start_program(name, [sys.executable, "-m", *module_and_arguments])

    def start_program(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program as the part called `name`."""
        with self.log(name).open("ab") as log:
            # Own session: an interrupt at the terminal reaches the parts only through stop(), in
            # order.
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._parts[name] = process
        return process

    def _start_part(self, part: Part) -> None:
        self.start_program(part.name, part.command)

    def start_prefect_server(self) -> None:
        """Start the Prefect server; its first start takes half a minute, so wait for it when it is
        needed.
        """
        self._start_part(self._prefect)

    def prefect_is_ready(self) -> bool:
        """Say whether the Prefect server answers, with its UI's page as well."""
        try:
            for path in ("/api/health", "/"):
                # Loopback
                with urlopen(f"{self.prefect_url}{path}", timeout=5) as answer:  # noqa: S310
                    if answer.status != 200:
                        return False
        except (URLError, OSError):
            return False
        return True

    def wait_for_prefect(self, timeout_s: float = 180.0) -> None:
        """Wait until the Prefect server answers."""
        self.wait_until(self._prefect.name, self.prefect_is_ready, timeout_s)

    def start_node(self, port: int) -> None:
        """Start the DICOM node and wait until it listens on `port`."""
        self._start_part(NODE)
        self.wait_until(NODE.name, lambda: listens("127.0.0.1", port), 60.0)

    def start_dispatcher(self) -> None:
        """Start the dispatcher with its warm workers."""
        self._start_part(DISPATCHER)

    def run(self, name: str, *module_and_arguments: str) -> None:
        """Run ``python -m`` with the given module and arguments to its end.

        Raises
        ------
        PartFailedError
            If it ends with another exit code than 0.
        """
        process = self.start(name, *module_and_arguments)
        code = process.wait()
        del self._parts[name]
        if code != 0:
            raise PartFailedError(
                f"{name} ended with exit code {code}: {self._last_line(name)} (log: "
                f"{self.log(name)})."
            )

    def wait_until(
        self, name: str, condition: Callable[[], bool], timeout_s: float, every_s: float = _POLL_S
    ) -> None:
        """Wait until `condition` holds, asked every so many seconds, while the part called `name`
        lives.

        Raises
        ------
        PartFailedError
            If the part ends or the time is up.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            code = self._parts[name].poll()
            if code is not None:
                raise PartFailedError(
                    f"{name} ended with exit code {code}: {self._last_line(name)} (log: "
                    f"{self.log(name)})."
                )
            if time.monotonic() > deadline:
                raise PartFailedError(
                    f"{name} was not ready within {timeout_s:.0f} s (log: {self.log(name)})."
                )
            time.sleep(every_s)

    def stop(self, name: str) -> None:
        """Ask a part to end, and end what is left of it after a minute."""
        process = self._parts.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_GRACE_S)
        self._end_group(process)

    def _end_group(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _last_line(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"
