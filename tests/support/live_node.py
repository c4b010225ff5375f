"""A node in a process of its own, for tests that kill it, fill its disk or feed it nonsense."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy.local.processes import ROOT, free_port
from dicom_node.registry.registry import Registry
from dicom_node.settings import NodeSettings

KEY = "a key that is only used in tests"
_READY = "annulus dicom node ready"


class TorturedNode:
    """A node under torture.

    Parameters
    ----------
    folder : Path
        Where its settings and its log lie.
    data : Path, optional
        The node's folder; by default in `folder`.
    more : str
        More lines of the ``[node]`` table.
    clock_file : Path, optional
        A file with the seconds by which its clock is wrong.
    """

    def __init__(
        self,
        folder: Path,
        data: Path | None = None,
        more: str = "minimum_free_bytes = 0",
        clock_file: Path | None = None,
    ) -> None:
        self.folder = folder
        self.data = data or folder / "data"
        self.port = free_port()
        self.log = folder / "node.log"
        self.settings = folder / "annulus.toml"
        self.settings.write_text(
            f"[node]\nport = {self.port}\nfolder = '{self.data}'\nquiet_period_s = "
            "3600\nnetwork_timeout_s = 10\nsweep_interval_s = "
            f"0.5\n{more}\n[center.alpha]\nae_titles = ['ALPHA']\n"
        )
        self.clock_file = clock_file
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def archive(self) -> Path:
        """The folder of the archived files."""
        return self.data / "archive"

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, and return when it listens."""
        already = self.log.stat().st_size if self.log.exists() else 0
        program = (
            ["tests.torture.skewed_node", str(self.clock_file)]
            if self.clock_file
            else ["dicom_node"]
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *program, "--settings", str(self.settings)],
                cwd=ROOT,
                env={**os.environ, "ANNULUS_PSEUDONYM_KEY": KEY, "TCP_NODELAY": "1"},
                stderr=log,
                stdout=log,
            )
        while _READY not in self.log.read_text(errors="replace")[already:]:
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"the node did not start: {self.log.read_text(errors='replace')[-2000:]}"
                )
            try:
                self.process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def memory(self) -> int:
        """Return its resident size in bytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def registry(self) -> Registry:
        """Open its registry."""
        return Registry(NodeSettings.load(self.settings).node.resolved_registry_url(), self.archive)
