"""The certificate of a TLS peer, and whether it is one that a centre owns."""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

_FINGERPRINT = re.compile(r"(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}")
_NAME = re.compile(r"[^\s:\\/](?:[^:\\/]{0,251}[^\s:\\/])?")


def is_certificate_entry(entry: str) -> bool:
    """Say whether `entry` can stand for a certificate: its SHA-256 fingerprint, or a name in it."""
    return bool(_FINGERPRINT.fullmatch(entry.lower()) or _NAME.fullmatch(entry))


@dataclass(frozen=True)
class PeerCertificate:
    """A certificate that one of our authorities signed, as the TLS handshake has verified it.

    Parameters
    ----------
    fingerprint : str
        SHA-256 of its DER encoding in lower-case hexadecimal, as ``openssl x509 -fingerprint
        -sha256`` prints it without the colons.
    names : frozenset of str
        Its DNS names and the common names of its subject (RFC 5280 sections 4.2.1.6 and 4.1.2.6),
        in lower case.
    """

    fingerprint: str
    names: frozenset[str]

    def is_one_of(self, entries: Collection[str]) -> bool:
        """Say whether a centre's `certificates` list this one, by fingerprint or by name."""
        listed = {entry.lower() for entry in entries}
        return not listed.isdisjoint(self.names) or self.fingerprint in {
            entry.replace(":", "") for entry in listed
        }


def peer_certificate(connection: object) -> PeerCertificate | None:
    """Return the verified certificate of a connection's peer, or `None` when it showed none.

    Parameters
    ----------
    connection : object
        A socket or an SSL object after its handshake; without TLS there is no certificate.
    """
    if not isinstance(connection, (ssl.SSLSocket, ssl.SSLObject)):
        return None
    encoded, fields = connection.getpeercert(binary_form=True), connection.getpeercert()
    if not encoded or not fields:  # the fields are there only when the certificate was verified
        return None
    return PeerCertificate(hashlib.sha256(encoded).hexdigest(), frozenset(_names(fields)))


def _names(fields: Any) -> set[str]:
    names = {value for kind, value in fields.get("subjectAltName", ()) if kind == "DNS"}
    names |= {
        value for rdn in fields.get("subject", ()) for kind, value in rdn if kind == "commonName"
    }
    return {name.lower() for name in names}
