"""What a STOW-RS request is answered (PS3.18 section 10.5.3): a status, and a dataset as DICOM JSON
(annex F).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from dicom_node.datasets.identity import is_uid
from dicom_node.errors import (
    ArchiveError,
    NodeError,
    OversizedObjectError,
    RegistryUnavailableError,
)
from dicom_node.intake.refusals import refusal_of

MEDIA_TYPE: Final = "application/dicom+json"
_REFERENCED_SOP_CLASS_UID = "00081150"
_REFERENCED_SOP_INSTANCE_UID = "00081155"
_FAILURE_REASON = "00081197"
_FAILED_SOP_SEQUENCE = "00081198"
_REFERENCED_SOP_SEQUENCE = "00081199"
_OTHER_FAILURES_SEQUENCE = "0008119A"
_SEND_LATER = (ArchiveError, RegistryUnavailableError)


@dataclass(frozen=True)
class Outcome:
    """What became of one part.

    Parameters
    ----------
    sop_class_uid, sop_instance_uid : str
        As its file meta information names it; empty when it has none.
    error : NodeError or None
        Why it was not kept.
    """

    sop_class_uid: str
    sop_instance_uid: str
    error: NodeError | None


def http_status(outcomes: Sequence[Outcome]) -> HTTPStatus:
    """Return the status of the answer (PS3.18 table 10.5.3-1).

    Parameters
    ----------
    outcomes : sequence of Outcome
        At least one.

    Returns
    -------
    HTTPStatus
        200 when everything was kept, 202 when something was; when nothing was, 503 where it helps
        to send it again later, 413 where everything is too long, otherwise 409.
    """
    errors = [one.error for one in outcomes if one.error is not None]
    if not errors:
        return HTTPStatus.OK
    if len(errors) < len(outcomes):
        return HTTPStatus.ACCEPTED
    if all(isinstance(error, _SEND_LATER) for error in errors):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if all(isinstance(error, OversizedObjectError) for error in errors):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return HTTPStatus.CONFLICT


def warning_text(outcomes: Sequence[Outcome]) -> str | None:
    """Return the refusals in words, each once, or `None` when there is none."""
    comments = dict.fromkeys(
        refusal_of(one.error).comment for one in outcomes if one.error is not None
    )
    return "; ".join(comments) or None


def store_response(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the Store Instances Response Module (PS3.3 section C.13.1 of the referenced and failed
    sequences) as JSON.

    Parameters
    ----------
    outcomes : sequence of Outcome
        What became of the parts. What cannot be named by its UIDs is in the Other Failures
        Sequence.
    """
    sequences: dict[str, list[dict[str, Any]]] = {}
    for one in outcomes:
        is_named = is_uid(one.sop_class_uid) and is_uid(one.sop_instance_uid)
        item: dict[str, Any] = {}
        if is_named:
            item[_REFERENCED_SOP_CLASS_UID] = {"vr": "UI", "Value": [one.sop_class_uid]}
            item[_REFERENCED_SOP_INSTANCE_UID] = {"vr": "UI", "Value": [one.sop_instance_uid]}
        if one.error is None:
            sequence = _REFERENCED_SOP_SEQUENCE
        else:
            item[_FAILURE_REASON] = {"vr": "US", "Value": [refusal_of(one.error).status]}
            sequence = _FAILED_SOP_SEQUENCE if is_named else _OTHER_FAILURES_SEQUENCE
        sequences.setdefault(sequence, []).append(item)
    return {tag: {"vr": "SQ", "Value": items} for tag, items in sorted(sequences.items())}
