"""Which presentation contexts and roles are accepted (PS3.8 section 7.1.1, PS3.7 annex D.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dicom_node.center import STORAGE_CLASS_OF, ObjectKind
from dicom_node.datasets.sop_classes import (
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_COMMITMENT,
    TRANSFER_SYNTAXES,
    VERIFICATION,
)
from dicom_node.network.pdu import AssociateRequest, ContextResult

ACCEPTED: Final = 0
ABSTRACT_SYNTAX_NOT_SUPPORTED: Final = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED: Final = 4

STORAGE_CLASSES: Final = tuple(STORAGE_CLASS_OF.values())
SERVICES: Final = (VERIFICATION, STORAGE_COMMITMENT)


@dataclass(frozen=True)
class AcceptedContext:
    """One accepted presentation context."""

    id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True)
class Negotiated:
    """The answer to a request.

    Parameters
    ----------
    results : tuple of ContextResult
        One per proposed context, in its order.
    accepted : mapping of int to AcceptedContext
        The accepted ones, by number.
    roles : mapping
        SOP Class UID -> accepted SCU and SCP role of the requestor.
    """

    results: tuple[ContextResult, ...]
    accepted: Mapping[int, AcceptedContext]
    roles: Mapping[str, tuple[bool, bool]]


def negotiate(
    request: AssociateRequest, accepts: Collection[ObjectKind] = tuple(ObjectKind)
) -> Negotiated:
    """Answer the presentation contexts and roles of a request.

    Of the transfer syntaxes of a context the first of `TRANSFER_SYNTAXES` that is proposed is
    taken. The requestor may be SCU of everything, and SCP of Storage Commitment only, which is how
    a PACS reports on a commitment that we asked for (PS3.4 section J.3.3).

    Parameters
    ----------
    request : AssociateRequest
        What is proposed.
    accepts : collection of ObjectKind
        What the centre may store.
    """
    offered = {*SERVICES, *(STORAGE_CLASS_OF[kind] for kind in accepts)}
    results, accepted = [], {}
    for context in request.contexts:
        syntax = _first_of(TRANSFER_SYNTAXES, context.transfer_syntaxes)
        if context.abstract_syntax not in offered:
            result = ABSTRACT_SYNTAX_NOT_SUPPORTED
        elif syntax is None:
            result = TRANSFER_SYNTAXES_NOT_SUPPORTED
        else:
            result = ACCEPTED
            accepted[context.id] = AcceptedContext(context.id, context.abstract_syntax, syntax)
        # Of a refused context the transfer syntax is not significant, but it must be there.
        results.append(ContextResult(context.id, result, syntax or IMPLICIT_VR_LITTLE_ENDIAN))
    roles = {
        uid: (scu, scp and uid == STORAGE_COMMITMENT)
        for uid, (scu, scp) in request.roles.items()
        if any(one.abstract_syntax == uid for one in accepted.values())
    }
    return Negotiated(tuple(results), accepted, roles)


def _first_of(preferred: Sequence[str], proposed: Sequence[str]) -> str | None:
    return next((syntax for syntax in preferred if syntax in proposed), None)
