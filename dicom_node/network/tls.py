"""TLS for associations, both ways: the BCP 195 profile of PS3.15 annex B.9, mutual when authorities
are given.
"""

from __future__ import annotations

import ssl

from dicom_node.settings import SettingsError, TlsTable


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
            "the certificate, key or authorities of [node.tls] cannot be used "
            f"({error.strerror or error}): expected PEM files that this process may read, and a "
            "key that fits the certificate"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if purpose is ssl.Purpose.CLIENT_AUTH:
        context.verify_mode = ssl.CERT_REQUIRED if table.authorities else ssl.CERT_NONE
    return context
