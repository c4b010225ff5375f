"""An authority, a server and a client certificate for tests, made with openssl once."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dicom_node.network.tls import client_context, server_context
from dicom_node.settings import TlsTable


@dataclass(frozen=True)
class Certificates:
    """PEM files in one folder."""

    folder: Path

    def table(self, name: str, *, mutual: bool = True) -> TlsTable:
        """Return the settings of the one called `name`."""
        authorities = self.folder / "authority.pem" if mutual else None
        return TlsTable(
            certificate=self.folder / f"{name}.pem",
            key=self.folder / f"{name}.key",
            authorities=authorities,
        )

    def server_context(self, *, mutual: bool = True) -> ssl.SSLContext:
        """Return a server's context."""
        context = server_context(self.table("server", mutual=mutual))
        assert context is not None
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return the context of a client with a certificate."""
        context = client_context(self.table("client"))
        assert context is not None
        return context

    def stranger(self) -> ssl.SSLContext:
        """Return the context of a client without a certificate."""
        return ssl.create_default_context(cafile=self.folder / "authority.pem")


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and what it signs."""
    _openssl(
        folder,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        ("/CN=Test Authority"),
        "-keyout",
        "authority.key",
        "-out",
        "authority.pem",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        _openssl(
            folder,
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            f"/CN={name}",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
        )
        _openssl(
            folder,
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "authority.pem",
            "-CAkey",
            "authority.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            f"{name}.pem",
        )
    return Certificates(folder)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
