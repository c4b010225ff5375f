"""The sending AE: structured reports go back to their centres, again and again until they are taken."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pynetdicom import AE

from dicom_node.center import Center, ReturnDestination
from dicom_node.errors import DeliveryError
from dicom_node.registry import Delivery, Registry
from dicom_node.status import is_delivered, is_warning
from dicom_node.study import COMPREHENSIVE_3D_SR_STORAGE, TRANSFER_SYNTAXES, VERIFICATION

_log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0


def echo(destination: ReturnDestination, ae_title: str) -> None:
    """Verify that a centre's AE answers (PS3.4 annex A).

    Parameters
    ----------
    destination : ReturnDestination
        The AE.
    ae_title : str
        Our own AE title.

    Raises
    ------
    DeliveryError
        If it does not answer, or not with success.
    """
    association = _associate(destination, ae_title, VERIFICATION)
    try:
        status = association.send_c_echo()
    finally:
        association.release()
    if status.get("Status") != 0x0000:
        raise DeliveryError(f"{_name(destination)} answered the echo {_status_words(status)}: ask its administrator")


def deliver_due(
    registry: Registry, ae_title: str, centers: Iterable[Center], first_retry_s: float, longest_retry_s: float
) -> int:
    """Send every report that is due to its centre.

    A report that is not taken is due again after `first_retry_s`, doubled with every failure up to `longest_retry_s`,
    for as long as it takes.

    Parameters
    ----------
    registry : Registry
        The queue.
    ae_title : str
        Our own AE title.
    centers : iterable of Center
        The centres; those without a return AE get nothing.
    first_retry_s, longest_retry_s : float
        Seconds between attempts.

    Returns
    -------
    int
        How many were delivered.
    """
    destinations = {center.name: center.return_to for center in centers if center.return_to is not None}
    due = sorted(registry.due_deliveries(destinations), key=lambda delivery: delivery.center)
    delivered = 0
    for center, deliveries in groupby(due, key=lambda delivery: delivery.center):
        association = None
        for delivery in deliveries:
            try:
                if association is None or not association.is_established:
                    association = _associate(destinations[center], ae_title, COMPREHENSIVE_3D_SR_STORAGE)
                warning = _send(association, delivery.path, destinations[center])
            except DeliveryError as error:
                _log.warning("%s: report of study %s not delivered: %s", center, delivery.study_key, error)
                registry.mark_failed(delivery.id, str(error), _wait_s(delivery, first_retry_s, longest_retry_s))
            else:
                registry.mark_delivered(delivery.id, warning)
                delivered += 1
        if association is not None and association.is_established:
            association.release()
    return delivered


def _wait_s(delivery: Delivery, first_retry_s: float, longest_retry_s: float) -> float:
    return float(min(first_retry_s * 2.0 ** min(delivery.attempts, 32), longest_retry_s))


def _send(association: Any, path: Path, destination: ReturnDestination) -> str | None:
    """Send one report; return what the peer warned of, if anything."""
    try:
        report = dcmread(path)
    except (OSError, InvalidDicomError) as error:
        raise DeliveryError(
            f"the report's file cannot be read ({type(error).__name__}): score the study again to write it anew"
        ) from error
    try:
        status = association.send_c_store(report)
    except (ValueError, AttributeError, RuntimeError) as error:
        raise DeliveryError(
            f"{_name(destination)} cannot be sent the report ({type(error).__name__}): it accepted no presentation "
            "context for Comprehensive 3D SR Storage, or closed the association"
        ) from error
    code = status.get("Status")
    if code is None or not is_delivered(code):
        raise DeliveryError(f"{_name(destination)} did not take the report, {_status_words(status)}")
    return f"{_name(destination)} took the report {_status_words(status)}" if is_warning(code) else None


def _associate(destination: ReturnDestination, ae_title: str, sop_class: str) -> Any:
    entity = AE(ae_title=ae_title)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT_S
    entity.add_requested_context(sop_class, list(TRANSFER_SYNTAXES))
    association = entity.associate(destination.host, destination.port, ae_title=destination.ae_title)
    if association.is_established:
        return association
    if association.is_rejected:
        raise DeliveryError(
            f"{_name(destination)} rejected our association: it must know the AE title {ae_title} and be called as "
            f"{destination.ae_title}"
        )
    raise DeliveryError(
        f"{_name(destination)} is not reached, or accepts nothing that we offer: check host, port and firewall, and "
        "that it takes Comprehensive 3D SR Storage"
    )


def _name(destination: ReturnDestination) -> str:
    return f"{destination.ae_title} at {destination.host}:{destination.port}"


def _status_words(status: Dataset) -> str:
    code = status.get("Status")
    return "without an answer in time" if code is None else f"with status 0x{code:04X}"
