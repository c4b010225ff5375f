"""A node in a process of its own: what peers push to, and what tests kill, stop and feed
nonsense.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.processes import free_port
from dicom_node.registry.registry import Registry, StudySummary
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, NodeSettings
from tests.support import ROOT
from tests.support.dcmtk import storescu
from tests.support.settings_tables import center_table
from tests.support.waiting import wait_until

KEY = "a key that is only used in tests"
_PATIENT = (
    "quiet_period_s = 3600\nnetwork_timeout_s = 10\nsweep_interval_s = 0.5\nminimum_free_bytes = 0"
)
"""Lines of the ``[node]`` table with which a study is complete only when its RTSTRUCT's list is."""
_READY = "The DICOM node is ready: AE ANNULUS at 127.0.0.1"


class NodeProcess:
    """A node in a process of its own, on a free port.

    Parameters
    ----------
    folder : Path
        Where its settings and its log lie; is made.
    node : str
        More lines of the ``[node]`` table.
    centers : str
        The ``[center]`` tables.
    data : Path, optional
        The node's folder; by default in `folder`.
    module : sequence of str
        What ``python -m`` runs, with its first arguments.
    before : sequence of str
        What the command begins with, where another program runs it.
    """

    def __init__(
        self,
        folder: Path,
        node: str = _PATIENT,
        centers: str = center_table("alpha"),
        data: Path | None = None,
        module: Sequence[str] = ("dicom_node",),
        before: Sequence[str] = (),
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.data = data or folder / "data"
        self.port = free_port()
        self.log = folder / "node.log"
        self.settings = folder / "annulus.toml"
        self.settings.write_text(
            f"[node]\nport = {self.port}\nfolder = '{self.data}'\n{node}\n{centers}"
        )
        self._command = (*before, sys.executable, "-m", *module)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Its process, which was started."""
        assert self._process is not None, "the node was not started"
        return self._process

    @property
    def archive(self) -> Path:
        """The folder of the archived files."""
        return self.data / "archive"

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and return when it listens."""
        already = self._said().count(_READY)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, "--settings", str(self.settings)],
                cwd=ROOT,
                env={**os.environ, PSEUDONYM_KEY_VARIABLE: KEY, "TCP_NODELAY": "1"},
                stderr=log,
                stdout=log,
            )
        wait_until(
            lambda: self._said().count(_READY) > already,
            180,
            "the node listens",
            process=self._process,
            evidence=self._said,
        )

    def kill(self) -> None:
        """End it at once (SIGKILL), if it was started."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def push(
        self, files: Sequence[Path], calling: str = "ALPHA"
    ) -> subprocess.CompletedProcess[str]:
        """Push files to it with DCMTK's storescu."""
        return storescu("storescu", self.port, files, calling)

    @contextmanager
    def registry(self) -> Iterator[Registry]:
        """Open its registry."""
        registry = Registry(
            NodeSettings.load(self.settings).node.resolved_registry_url(), self.archive
        )
        try:
            yield registry
        finally:
            registry.close()

    def studies(self) -> list[StudySummary]:
        """Return the studies that it knows."""
        with self.registry() as registry:
            return registry.studies.summaries()

    def incidents(self) -> list[str]:
        """Return the kinds of its incidents."""
        with self.registry() as registry:
            return [one.kind for one in registry.incidents.latest()]

    def _said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class NodeWithPacs(NodeProcess):
    """A node whose only centre has a PACS, which pushes as PACS too, and which may be down.

    Parameters
    ----------
    folder : Path
        Where its settings and its log lie; is made.
    quiet_period_s : float
        Seconds after which a study counts as complete.
    """

    def __init__(self, folder: Path, quiet_period_s: float = 600.0) -> None:
        self.pacs_port = free_port()
        super().__init__(
            folder,
            node=f"quiet_period_s = {quiet_period_s}\nsweep_interval_s = 0.1\n"
            "delivery_first_retry_s = 0.2\ndelivery_longest_retry_s = 0.5",
            centers=center_table("alpha", more_ae_titles=("PACS",), pacs=("PACS", self.pacs_port)),
        )
