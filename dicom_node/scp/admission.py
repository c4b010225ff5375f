"""Who may come in: AE titles, addresses, numbers; with the answer of PS3.8 section 9.3.4 and an
operator's sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dicom_node.center import Center, center_by_ae_title
from dicom_node.certificate import PeerCertificate
from dicom_node.errors import IncidentKind
from dicom_node.network.pdu import APPLICATION_CONTEXT, AssociateRequest


@dataclass(frozen=True)
class Rejection:
    """Why an association is rejected.

    Parameters
    ----------
    result, source, reason : int
        Fields of the A-ASSOCIATE-RJ (PS3.8 table 9-21).
    kind : IncidentKind
        The incident.
    sentence : str
        What an operator reads.
    center : str or None
        The centre, when one is known.
    """

    result: int
    source: int
    reason: int
    kind: IncidentKind
    sentence: str
    center: str | None = None


def admit(
    request: AssociateRequest,
    address: str,
    centers: tuple[Center, ...],
    ae_title: str,
    *,
    has_place: Callable[[str], bool],
    certificate: PeerCertificate | None = None,
) -> Center | Rejection:
    """Return the calling centre, or why it may not come in now.

    Parameters
    ----------
    request : AssociateRequest
        What is asked.
    address : str
        The peer's address.
    centers : tuple of Center
        Who may call.
    ae_title : str
        Our AE title.
    has_place : callable
        Takes a place for a centre by its name, and says whether there was one.
    certificate : PeerCertificate, optional
        The peer's certificate, when it showed one.
    """
    calling, called = request.calling, request.called
    center = center_by_ae_title(centers, calling)
    unusable = _unusable(request)
    if unusable is not None:
        return unusable
    if center is None:
        sentence = (
            f"{calling!r} called, which is no centre's AE title: add it to ae_titles of its "
            "centre, or stop it."
        )
        return Rejection(1, 1, 3, IncidentKind.UNKNOWN_CALLER, sentence)
    stranger = _stranger(center, calling, address, certificate)
    if stranger is not None:
        return stranger
    if called != ae_title:
        sentence = (
            f"{calling!r} called for {called!r}, but this node is {ae_title!r}: correct the called "
            "AE title."
        )
        return Rejection(1, 1, 7, IncidentKind.WRONG_CALLED_AE, sentence, center.name)
    if not has_place(center.name):
        sentence = (
            f"{calling!r} was asked to come again: as many associations as allowed were open, in "
            "all or of its centre."
        )
        return Rejection(2, 3, 2, IncidentKind.TOO_MANY_ASSOCIATIONS, sentence, center.name)
    return center


def _stranger(
    center: Center, calling: str, address: str, certificate: PeerCertificate | None
) -> Rejection | None:
    """Return why whoever uses a centre's AE title is not taken for the centre."""
    if not center.has_address(address):
        sentence = (
            f"{calling!r} called from {address}, which is none of its centre's addresses: add it "
            f"to addresses of centre {center.name}, or find out who uses its AE title."
        )
        return Rejection(1, 1, 3, IncidentKind.UNKNOWN_ADDRESS, sentence, center.name)
    if center.certificates and (
        certificate is None or not certificate.is_one_of(center.certificates)
    ):
        shown = (
            "no certificate"
            if certificate is None
            else "a certificate that its centre does not list"
        )
        sentence = (
            f"{calling!r} called from {address} with {shown}: add its fingerprint to certificates "
            f"of centre {center.name}, or find out who uses its AE title."
        )
        return Rejection(1, 1, 3, IncidentKind.UNKNOWN_CERTIFICATE, sentence, center.name)
    return None


def _unusable(request: AssociateRequest) -> Rejection | None:
    """Return why a request cannot be answered by anybody."""
    if not request.protocol_version & 1:
        sentence = (
            f"{request.calling!r} does not speak version 1 of the upper layer protocol: correct "
            "that system."
        )
        return Rejection(1, 2, 2, IncidentKind.PROTOCOL_ERROR, sentence)
    if request.application_context != APPLICATION_CONTEXT:
        sentence = (
            f"{request.calling!r} asks for another application context than DICOM's: correct that "
            "system."
        )
        return Rejection(1, 1, 2, IncidentKind.PROTOCOL_ERROR, sentence)
    return None
