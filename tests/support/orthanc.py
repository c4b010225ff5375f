"""A real Orthanc in a folder of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

from deploy.local.processes import free_port
from tests.support.certificates import Certificates
from tests.support.waiting import wait_until
from tests.support.web import answers, ask


@dataclass
class Orthanc:
    """An Orthanc that runs as long as the context.

    Parameters
    ----------
    program : str
        Orthanc's program.
    folder : Path
        Where its configuration, its log and its storage lie.
    ae_title : str
        Its AE title.
    dicom_port : int
        Its DICOM port; a free one by default.
    modalities : dict
        The AEs that it can call, by the name that its REST interface gives them, each as AE title,
        host and port.
    plugins : sequence of str
        Shared libraries of the plugins that it loads.
    tls : Certificates, optional
        With them it listens and calls with TLS, and wants a certificate of its peer.
    """

    program: str
    folder: Path
    ae_title: str = "ORTHANC"
    dicom_port: int = field(default_factory=free_port)
    modalities: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    plugins: Sequence[str] = ()
    tls: Certificates | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        http_port = free_port()
        self.url = f"http://127.0.0.1:{http_port}"
        speaks_tls = self.tls is not None
        configuration = {
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "DicomAet": self.ae_title,
            "DicomCheckCalledAet": True,
            "DicomPort": self.dicom_port,
            "HttpPort": http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomModalities": {
                name: {"AET": title, "Host": host, "Port": port, "UseDicomTls": speaks_tls}
                for name, (title, host, port) in self.modalities.items()
            },
            "OverwriteInstances": False,
            "Plugins": list(self.plugins),
        }
        if self.tls is not None:
            configuration |= {
                "DicomTlsEnabled": True,
                "DicomTlsRemoteCertificateRequired": True,
                "DicomTlsCertificate": str(self.tls.folder / "server.pem"),
                "DicomTlsPrivateKey": str(self.tls.folder / "server.key"),
                "DicomTlsTrustedCertificates": str(self.tls.folder / "authority.pem"),
            }
        (self.folder / "orthanc.json").write_text(json.dumps(configuration))
        log = self.folder / "orthanc.log"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [self.program, str(self.folder / "orthanc.json")], stdout=file, stderr=file
            )
        try:
            wait_until(
                lambda: answers(f"{self.url}/system"),
                60,
                "Orthanc answers",
                process=self.process,
                evidence=lambda: log.read_text(errors="replace"),
            )
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)

    def kill(self) -> None:
        """End it at once; it may be entered again."""
        self.process.kill()
        self.process.wait()

    def store(self, files: Sequence[Path]) -> None:
        """Let it have files."""
        for file in files:
            ask(f"{self.url}/instances", file.read_bytes())

    def instances(self) -> list[dict[str, Any]]:
        """Return the main tags of every instance, with those of its study."""
        found = []
        for instance in ask(f"{self.url}/instances"):
            tags = ask(f"{self.url}/instances/{instance}/simplified-tags")
            found.append({**tags, "orthanc": instance})
        return found

    def fetch(self, instance: str, path: Path) -> None:
        """Write the file of one instance to `path`."""
        with urlopen(f"{self.url}/instances/{instance}/file", timeout=30) as answer:
            path.write_bytes(answer.read())
