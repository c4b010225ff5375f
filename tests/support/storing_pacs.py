"""DCMTK's storescp as the PACS that reports return to; every reception becomes a file of its
own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Self

from pydicom import dcmread

from deploy.local.processes import free_port
from tests.support.peer_programs import peer_program


class StoringPacs:
    """A PACS that keeps what it is given, a second copy too.

    Parameters
    ----------
    folder : Path
        Where the files go; is made.
    port : int, optional
        Where it listens; a free one by default.
    """

    AE_TITLE = "PACS"

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder, self.port = folder, port or free_port()
        folder.mkdir(parents=True)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, or start it again."""
        program = peer_program("storescp") or sys.exit(
            "storescp is not installed: apt-get install dcmtk"
        )
        command = [
            program,
            "-aet",
            self.AE_TITLE,
            "-od",
            str(self.folder),
            "-uf",
            "--promiscuous",
            str(self.port),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        """Let it be gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def files(self) -> list[Path]:
        """Return the files received so far."""
        return [path for path in self.folder.iterdir() if path.is_file()]

    def receptions(self) -> list[tuple[str, str, str]]:
        """Return study, SOP Class and SOP Instance UID of every object it was given."""
        tags = ["StudyInstanceUID", "SOPClassUID", "SOPInstanceUID"]
        found = (dcmread(path, specific_tags=tags) for path in self.files())
        return [
            (str(one.StudyInstanceUID), str(one.SOPClassUID), str(one.SOPInstanceUID))
            for one in found
        ]
