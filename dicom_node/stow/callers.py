"""Who may store over HTTP: a centre is known by its bearer token, by its TLS certificate, or by
both.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from dicom_node.center import Center
from dicom_node.certificate import PeerCertificate
from dicom_node.errors import IncidentKind


@dataclass(frozen=True)
class Denial:
    """Why a request is not listened to.

    Parameters
    ----------
    status : HTTPStatus
        The answer.
    kind : IncidentKind
        The incident.
    sentence : str
        What an operator reads.
    center : str or None
        The centre, when one is known.
    """

    status: HTTPStatus
    kind: IncidentKind
    sentence: str
    center: str | None = None


class Callers:
    """The centres that may store over HTTP.

    Parameters
    ----------
    centers : tuple of Center
        The centres.
    tokens : mapping of str to str
        Bearer tokens (RFC 6750) by the centre's name.

    Attributes
    ----------
    names : frozenset of str
        The centres that could come.

    Raises
    ------
    ValueError
        If no centre has a token or a certificate.
    """

    def __init__(self, centers: tuple[Center, ...], tokens: Mapping[str, str]) -> None:
        self._by_token = {_digest(tokens[one.name]): one for one in centers if one.name in tokens}
        self._with_certificates = tuple(one for one in centers if one.certificates)
        self.names = frozenset(
            one.name for one in (*self._by_token.values(), *self._with_certificates)
        )
        if not self._by_token and not self._with_certificates:
            raise ValueError(
                "stow_port is set, but no centre could use it: set ANNULUS_STOW_TOKEN_NAME in the "
                "environment for a [center.NAME], or list its certificates."
            )

    def identify(
        self, authorization: str | None, certificate: PeerCertificate | None, address: str
    ) -> Center | Denial:
        """Return the calling centre, or why nobody listens to it.

        A centre that lists certificates must show one of them, whatever token it knows.

        Parameters
        ----------
        authorization : str or None
            The Authorization header.
        certificate : PeerCertificate or None
            The peer's certificate, as the TLS handshake has verified it.
        address : str
            The peer's address.
        """
        by_token = self._of_token(authorization)
        by_certificate = self._of_certificate(certificate)
        center = by_token if authorization is not None else by_certificate
        if center is None:
            sentence = (
                f"A STOW-RS request from {address} showed no token or certificate of a centre: "
                "give its sender the token in ANNULUS_STOW_TOKEN_NAME of its centre, or find out "
                "who calls."
            )
            return Denial(HTTPStatus.UNAUTHORIZED, IncidentKind.UNKNOWN_CALLER, sentence)
        if center.certificates and by_certificate is not center:
            sentence = (
                f"A STOW-RS request from {address} showed the token of centre {center.name} and "
                "none of its certificates: add the sender's to certificates, or find out who has "
                "the token."
            )
            return Denial(
                HTTPStatus.FORBIDDEN, IncidentKind.UNKNOWN_CERTIFICATE, sentence, center.name
            )
        if not center.has_address(address):
            sentence = (
                f"A STOW-RS request of centre {center.name} came from {address}, which is none of "
                "its addresses: add it to addresses, or find out who has its token."
            )
            return Denial(HTTPStatus.FORBIDDEN, IncidentKind.UNKNOWN_ADDRESS, sentence, center.name)
        return center

    def _of_token(self, authorization: str | None) -> Center | None:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        shown = _digest(token.strip())
        found = None
        for known, center in self._by_token.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(known, shown):
                found = center
        return found

    def _of_certificate(self, certificate: PeerCertificate | None) -> Center | None:
        if certificate is None:
            return None
        return next(
            (one for one in self._with_certificates if certificate.is_one_of(one.certificates)),
            None,
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", errors="replace")).digest()
