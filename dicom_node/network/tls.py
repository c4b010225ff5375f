"""TLS for associations, both ways: the BCP 195 RFC 8996, 9325 profile of PS3.15 annex B.12, mutual
when authorities are given.
"""

from __future__ import annotations

import ssl
from typing import Final

from dicom_node.settings import SettingsError, TlsTable

_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Authenticated encryption with forward secrecy (RFC 9325 section 4.2)."""


def server_context(table: TlsTable | None) -> ssl.SSLContext | None:
    """Return the context with which connections are accepted, or `None` without TLS.

    Parameters
    ----------
    table : TlsTable or None
        The settings; with `authorities` a peer needs a certificate that one of them signed.

    Raises
    ------
    SettingsError
        If a file cannot be used.
    """
    return None if table is None else _context(table, ssl.Purpose.CLIENT_AUTH)


def client_context(table: TlsTable | None) -> ssl.SSLContext | None:
    """Return the context with which we call others, or `None` without TLS; see `server_context`."""
    return None if table is None else _context(table, ssl.Purpose.SERVER_AUTH)


def _context(table: TlsTable, purpose: ssl.Purpose) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(purpose, cafile=table.authorities)
        context.load_cert_chain(table.certificate, table.key)
    except OSError as error:
        raise SettingsError(
            "The certificate, key or authorities of [node.tls] cannot be used "
            f"({error.strerror or error}): expected PEM files that this process may read, and a "
            "key that fits the certificate."
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)  # of TLS 1.2; those of 1.3 are all AEAD
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if purpose is ssl.Purpose.CLIENT_AUTH:
        context.verify_mode = ssl.CERT_REQUIRED if table.authorities else ssl.CERT_NONE
    return context
