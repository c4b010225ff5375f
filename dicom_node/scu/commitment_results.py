"""Commitment results on their way: to whoever asked us, on an association of our own (PS3.4 section
J.3.3).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from pynetdicom import build_role

from dicom_node.audit import AuditEvent, record
from dicom_node.center import Center, ReturnDestination
from dicom_node.datasets.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from dicom_node.errors import DeliveryError, NodeError, UnreachableError, where_raised
from dicom_node.network.commitment_messages import CommitmentReport, CommitmentRequest
from dicom_node.registry.registry import Commitments
from dicom_node.scu.caller import Caller, destination_name

_log = logging.getLogger(__name__)


def report_commitments(
    commitments: Commitments,
    caller: Caller,
    centers: Iterable[Center],
    verify: Callable[[str, CommitmentRequest], CommitmentReport],
    first_retry_s: float,
    longest_retry_s: float,
    only: ReturnDestination | None = None,
) -> int:
    """Report every commitment that is due; what is not taken is tried again, with doubled pauses.

    An AE that gives no association or stops answering is not visited on: what else waits for it
    waits as if it had failed too.

    Parameters
    ----------
    commitments : Commitments
        Requests that were kept.
    caller : Caller
        Our own AE.
    centers : iterable of Center
        The centres.
    verify : callable
        Centre's name and request -> report, made at the time of reporting.
    first_retry_s, longest_retry_s : float
        Seconds between attempts.
    only : ReturnDestination, optional
        Only what goes to this AE.

    Returns
    -------
    int
        How many were reported.
    """
    reported = 0
    for destination, askers in destinations_of(centers).items():
        if only is not None and destination != only:
            continue
        ended: UnreachableError | None = None
        # Of who is no longer in the settings nothing is reported; should they come back, it is.
        for pending in commitments.due(askers):
            try:
                if ended is not None:
                    raise ended
                _report(caller, destination, verify(pending.center, pending.request))
            except DeliveryError as error:
                if ended is None:
                    _log.warning("%s: a commitment was not reported. %s", pending.center, error)
                if isinstance(error, UnreachableError):
                    ended = error
                wait = min(first_retry_s * 2.0 ** min(pending.attempts, 32), longest_retry_s)
                commitments.mark_failed(pending.id, str(error), wait)
            else:
                commitments.mark_reported(pending)
                count = len(pending.request.references)
                record(
                    AuditEvent.COMMITMENT_REPORTED,
                    center=pending.center,
                    called=pending.ae_title,
                    instances=count,
                )
                reported += 1
    return reported


def destinations_of(centers: Iterable[Center]) -> dict[ReturnDestination, set[tuple[str, str]]]:
    """Return every AE that something is sent to, and which AE titles of which centres take their
    commitment results there.
    """
    found: dict[ReturnDestination, set[tuple[str, str]]] = {}
    for center in centers:
        for one in (*center.report_commitment_to, *filter(None, (center.return_to,))):
            askers = found.setdefault(one, set())
            if center.commitment_destination(one.ae_title) == one:
                askers.add((center.name, one.ae_title))
    return found


def _report(caller: Caller, destination: ReturnDestination, report: CommitmentReport) -> None:
    role = build_role(STORAGE_COMMITMENT, scp_role=True)
    association = caller.associate(destination, (STORAGE_COMMITMENT,), roles=[role])
    try:
        status, _ = association.send_n_event_report(
            report.as_dataset(), report.event_type, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
        )
    except (ValueError, AttributeError, RuntimeError) as error:
        raise DeliveryError(
            f"{destination_name(destination)} cannot be told of a commitment "
            f"({type(error).__name__}): it accepted no presentation context with our role, or "
            "closed the association."
        ) from error
    except NodeError:
        raise
    except Exception as error:
        raise DeliveryError(
            f"A commitment's result could not be sent ({where_raised(error)}): tell who maintains "
            "Annulus."
        ) from error
    finally:
        _release(association)
    code = status.get("Status")
    if code != 0x0000:
        words = "no answer in time" if code is None else f"status 0x{code:04X}"
        raise (UnreachableError if code is None else DeliveryError)(
            f"{destination_name(destination)} did not take a commitment's result: {words}"
        )


def _release(association: Any) -> None:
    if association.is_established:
        association.release()
