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
from dicom_node.errors import DeliveryError
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
) -> int:
    """Report every commitment that is due; what is not taken is tried again, with doubled pauses.

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

    Returns
    -------
    int
        How many were reported.
    """
    by_name = {center.name: center for center in centers}
    reported = 0
    for pending in commitments.due():
        center = by_name.get(pending.center)
        destination = center.commitment_destination(pending.ae_title) if center else None
        if destination is None:
            continue  # the settings have changed; should they come back, it is reported then
        try:
            _report(caller, destination, verify(pending.center, pending.request))
        except DeliveryError as error:
            _log.warning("%s: a commitment was not reported: %s", pending.center, error)
            wait = min(first_retry_s * 2.0 ** min(pending.attempts, 32), longest_retry_s)
            commitments.mark_failed(pending.id, str(error), wait)
        else:
            commitments.mark_reported(pending.id)
            count = len(pending.request.references)
            record(
                AuditEvent.COMMITMENT_REPORTED,
                center=pending.center,
                called=pending.ae_title,
                instances=count,
            )
            reported += 1
    return reported


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
            "closed the association"
        ) from error
    finally:
        _release(association)
    code = status.get("Status")
    if code != 0x0000:
        words = "no answer in time" if code is None else f"status 0x{code:04X}"
        raise DeliveryError(
            f"{destination_name(destination)} did not take a commitment's result: {words}"
        )


def _release(association: Any) -> None:
    if association.is_established:
        association.release()
