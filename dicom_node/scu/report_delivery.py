"""The sending AE: reports go back to their centres, again and again until they are taken and
committed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path
from threading import Semaphore
from typing import Any

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, generate_uid
from pynetdicom import evt

from dicom_node.audit import AuditEvent, record
from dicom_node.center import Center, ReturnDestination, ReturnedObject
from dicom_node.datasets.sop_classes import (
    COMPREHENSIVE_3D_SR_STORAGE,
    COMPREHENSIVE_SR_STORAGE,
    ENCAPSULATED_PDF_STORAGE,
    KEY_OBJECT_SELECTION_STORAGE,
    PARAMETRIC_MAP_STORAGE,
    SECONDARY_CAPTURE_STORAGE,
    SEGMENTATION_STORAGE,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
)
from dicom_node.errors import (
    DeliveryError,
    LostAssociationError,
    NodeError,
    RefusedClassError,
    UnreachableError,
    where_raised,
)
from dicom_node.intake.refusals import SUCCESS, is_delivered, is_warning
from dicom_node.network.commitment_messages import (
    Reference,
    parse_report,
    request_dataset,
)
from dicom_node.registry.registry import Deliveries, Delivery
from dicom_node.scu.caller import Caller, destination_name, status_words

_log = logging.getLogger(__name__)

_REPORTS = (
    COMPREHENSIVE_3D_SR_STORAGE,
    COMPREHENSIVE_SR_STORAGE,
    ENCAPSULATED_PDF_STORAGE,
    SEGMENTATION_STORAGE,
    SECONDARY_CAPTURE_STORAGE,
    PARAMETRIC_MAP_STORAGE,
    KEY_OBJECT_SELECTION_STORAGE,
)
_SAME_ASSOCIATION_S = 0.5
_COMMITMENT_S = 900.0
_LOST_IS_AN_ANSWER = 2
"""After so many failures an association that is lost over an object counts as the answer to it:
what waits for the object goes on.
"""


def deliver_due(
    deliveries: Deliveries,
    caller: Caller,
    centers: Iterable[Center],
    first_retry_s: float,
    longest_retry_s: float,
) -> int:
    """Send every object that is due to its centre; what is queued after another object of its
    report goes once that was taken or refused.

    An object that is not taken is due again after `first_retry_s`, doubled with every failure up to
    `longest_retry_s`, for as long as it takes. An AE that gives no association or stops answering
    is not visited on: what else waits for it waits as if it had failed too. Where the centre's AE
    offers storage commitment, a report is delivered only when the AE has committed it; one that it
    took and did not commit within a quarter of an hour is sent again.

    Parameters
    ----------
    deliveries : Deliveries
        The queue.
    caller : Caller
        Our own AE.
    centers : iterable of Center
        The centres; those without a return AE get nothing.
    first_retry_s, longest_retry_s : float
        Seconds between attempts.

    Returns
    -------
    int
        How many were delivered.
    """
    delivered = 0
    for center in centers:
        if center.return_to is None:
            continue
        visit = _Visit(deliveries, caller, center.name, center.return_to)
        tried: set[int] = set()
        while due := [one for one in deliveries.due([center.name]) if one.id not in tried]:
            for delivery in due:
                tried.add(delivery.id)
                pause = _wait_s(delivery, first_retry_s, longest_retry_s)
                delivered += visit.deliver(delivery, pause)
        delivered += visit.end()
    return delivered


class _Visit:
    """One round of deliveries to one centre, on one association as long as that holds."""

    def __init__(
        self, deliveries: Deliveries, caller: Caller, center: str, destination: ReturnDestination
    ) -> None:
        self._deliveries = deliveries
        self._caller = caller
        self._center = center
        self._destination = destination
        self._association: Any = None
        self._asked: list[int] = []
        self._reported = Semaphore(0)
        self._ended: UnreachableError | None = None

    def deliver(self, delivery: Delivery, retry_after_s: float) -> int:
        """Send an object, or record why it is not sent; return 1 if it is delivered now."""
        if delivery.kind is ReturnedObject.SC and self._deliveries.let_go_if_spare(delivery.id):
            return 0
        has_ended = self._ended is not None
        try:
            if self._ended is not None:
                raise self._ended
            return self._send(delivery)
        except DeliveryError as error:
            if not has_ended:
                _log.warning(
                    "%s: the %s of study %s was not delivered. %s",
                    self._center,
                    delivery.kind,
                    delivery.study_key,
                    error,
                )
            answered = not has_ended and _is_answer(error, delivery)
            self._deliveries.mark_failed(delivery.id, str(error), retry_after_s, answered=answered)
            if isinstance(error, UnreachableError):
                self._ended = error
            return 0

    def _send(self, delivery: Delivery) -> int:
        """Send an object; return 1 if it is delivered now, 0 if it waits to be committed.

        Raises
        ------
        UnreachableError
            If there is no association, or none any more.
        DeliveryError
            If this report is not taken.
        """
        try:
            return self._deliver(delivery)
        except UnreachableError:
            raise
        except DeliveryError as error:
            if self._association is None or self._association.is_established:
                raise
            raise LostAssociationError(str(error)) from error
        except NodeError:
            raise
        except Exception as error:
            raise DeliveryError(
                f"The report could not be sent ({where_raised(error)}): tell who maintains Annulus."
            ) from error

    def _deliver(self, delivery: Delivery) -> int:
        if self._association is None or not self._association.is_established:
            self._association = self._caller.associate(
                self._destination,
                (*_REPORTS, STORAGE_COMMITMENT),
                handlers=[(evt.EVT_N_EVENT_REPORT, self._take_report)],
            )
        report, warning = _send(self._association, delivery.path, self._destination)
        if not self._offers_commitment():
            self._deliveries.mark_delivered(delivery.id, warning, delivery.path)
            record(AuditEvent.REPORT_DELIVERED, center=self._center, study=delivery.study_key)
            return 1
        return self._ask_commitment(delivery, report, warning)

    def end(self) -> int:
        """Wait a moment for results on this association, release it, and return how many reports
        they delivered.
        """
        if self._association is None:
            return 0
        latest = time.monotonic() + _SAME_ASSOCIATION_S
        for _ in self._asked if self._association.is_established else ():
            self._reported.acquire(timeout=max(0.0, latest - time.monotonic()))
        if self._association.is_established:
            self._association.release()
        return sum(not self._deliveries.awaits_commitment([one]) for one in self._asked)

    def _offers_commitment(self) -> bool:
        return any(
            one.abstract_syntax == STORAGE_COMMITMENT for one in self._association.accepted_contexts
        )

    def _ask_commitment(self, delivery: Delivery, report: Reference, warning: str | None) -> int:
        transaction = str(generate_uid(prefix=None))
        # Kept before it is asked: the answer may be here before the request has returned.
        self._deliveries.await_commitment(delivery.id, transaction, _COMMITMENT_S, delivery.path)
        try:
            status, _ = self._association.send_n_action(
                request_dataset(transaction, [report]),
                1,
                STORAGE_COMMITMENT,
                STORAGE_COMMITMENT_INSTANCE,
            )
            code = status.get("Status")
        except (ValueError, AttributeError, RuntimeError):
            code = None
        if code == SUCCESS:
            self._asked.append(delivery.id)
            return 0
        name = destination_name(self._destination)
        # It offers commitment but will not commit for us; it has answered the report itself with
        # success.
        sentence = (
            f"{name} took the report and answered 0x{code or 0:04X} to our request to commit it."
        )
        if code is None:
            sentence = f"{name} took the report and did not answer our request to commit it."
            # It may have gone down; one that does so time and again, as Orthanc does for an AE that
            # it cannot call back, is taken at the word of its first answer.
            if delivery.attempts < _LOST_IS_AN_ANSWER:
                raise UnreachableError(
                    f"{sentence} It is sent again, unless it is committed first."
                )
        self._deliveries.mark_delivered(delivery.id, warning or sentence, delivery.path)
        return 1

    def _take_report(self, event: Any) -> int | tuple[int, None]:
        try:
            report = parse_report(event.event_information, "", event.event_type)
        except ValueError:
            return 0x0115, None
        self._deliveries.take_commitment_report(self._center, report)
        self._reported.release()
        return SUCCESS, None


def _is_answer(error: DeliveryError, delivery: Delivery) -> bool:
    """Say whether a failure is what the AE says to this object, and not that it is down."""
    if isinstance(error, LostAssociationError):
        return delivery.attempts >= _LOST_IS_AN_ANSWER
    return not isinstance(error, UnreachableError)


def _wait_s(delivery: Delivery, first_retry_s: float, longest_retry_s: float) -> float:
    return float(min(first_retry_s * 2.0 ** min(delivery.attempts, 32), longest_retry_s))


def _send(
    association: Any, path: Path, destination: ReturnDestination
) -> tuple[Reference, str | None]:
    """Send one report; return what it is, and what the peer warned of, if anything."""
    try:
        report = dcmread(path)
        reference = Reference(str(report.SOPClassUID), str(report.SOPInstanceUID))
    except (OSError, InvalidDicomError, AttributeError) as error:
        raise DeliveryError(
            f"The report's file cannot be read ({type(error).__name__}): score the study, or "
            "validate the centre, again to write it anew."
        ) from error
    if all(one.abstract_syntax != reference.sop_class_uid for one in association.accepted_contexts):
        kind = UID(reference.sop_class_uid).name
        is_pdf = reference.sop_class_uid == ENCAPSULATED_PDF_STORAGE
        instead = ' (a patient\'s page goes as a picture with "sc" there)' if is_pdf else ""
        raise RefusedClassError(
            f"{destination_name(destination)} accepted no presentation context for {kind}: let it "
            f"take that SOP Class, or leave the object out of the centre's `returns`{instead}; "
            "other objects do not wait for it."
        )
    try:
        status = association.send_c_store(report)
    except (ValueError, AttributeError, RuntimeError) as error:
        raise DeliveryError(
            f"{destination_name(destination)} cannot be sent the report ({type(error).__name__}): "
            "it accepted no transfer syntax of it, or closed the association."
        ) from error
    code = status.get("Status")
    if code is None or not is_delivered(code):
        kind_of_error = LostAssociationError if code is None else DeliveryError
        raise kind_of_error(
            f"{destination_name(destination)} did not take the report, {status_words(status)}"
        )
    warning = (
        f"{destination_name(destination)} took the report {status_words(status)}"
        if is_warning(code)
        else None
    )
    return reference, warning
