"""Storage commitment, both ways (PS3.4 annex J): what we answer for, and what is answered for to
us.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dicom_node.audit import AuditEvent, record
from dicom_node.center import Center
from dicom_node.datasets.sop_classes import STORAGE_COMMITMENT_INSTANCE
from dicom_node.errors import NodeError
from dicom_node.intake.refusals import SUCCESS, refusal_of
from dicom_node.network import command_set as dimse
from dicom_node.network.command_set import Command
from dicom_node.network.commitment_messages import (
    ALL_COMMITTED,
    PROCESSING_FAILURE,
    SOME_FAILED,
    CommitmentReport,
    CommitmentRequest,
    parse_report,
    parse_request,
)

_log = logging.getLogger(__name__)

REQUEST_COMMITMENT: Final = 1

_NO_SUCH_ACTION: Final = 0x0123
_NO_SUCH_EVENT: Final = 0x0113
_INVALID_ARGUMENT: Final = 0x0115
_NO_SUCH_SOP_INSTANCE: Final = 0x0112


@dataclass(frozen=True)
class Outcome:
    """How a request of the service is answered.

    Parameters
    ----------
    status : int
        Status (0000,0900).
    comment : str or None
        Error Comment (0000,0902).
    report : callable or None
        Makes the report that follows on the same association, where nobody can be called back.
    """

    status: int
    comment: str | None = None
    report: Callable[[], CommitmentReport] | None = None


Verify = Callable[[str, CommitmentRequest], CommitmentReport]
Queue = Callable[[str, str, CommitmentRequest], None]
TakeReport = Callable[[str, CommitmentReport], None]


class CommitmentService:
    """Answers N-ACTION and N-EVENT-REPORT of Storage Commitment Push Model.

    Parameters
    ----------
    verify : callable
        Centre's name and request -> report: which instances are kept durably.
    queue : callable
        Centre's name, AE title and request: reports on a new association, later, again and again.
    take_report : callable
        Centre's name and report: what a PACS says about what we sent to it.
    """

    def __init__(self, verify: Verify, queue: Queue, take_report: TakeReport) -> None:
        self._verify = verify
        self._queue = queue
        self._take_report = take_report

    def requested(
        self, center: Center, calling: str, command: Command, dataset: bytes, transfer_syntax: str
    ) -> Outcome:
        """Answer an N-ACTION (PS3.4 section J.3.2).

        Where the calling AE can be called back, the request is kept in the registry and reported on
        a new association; otherwise it is reported on this one.

        Parameters
        ----------
        center : Center
            Who asks.
        calling : str
            The AE title that it calls itself.
        command : Command
            The command set.
        dataset : bytes
            The Action Information.
        transfer_syntax : str
            How it is encoded.
        """
        if command.text(dimse.REQUESTED_SOP_INSTANCE_UID) != STORAGE_COMMITMENT_INSTANCE:
            return Outcome(_NO_SUCH_SOP_INSTANCE, "Expected the well-known SOP Instance.")
        if command.number(dimse.ACTION_TYPE_ID) != REQUEST_COMMITMENT:
            return Outcome(_NO_SUCH_ACTION, "Expected Action Type ID 1.")
        try:
            request = parse_request(dataset, transfer_syntax)
        except ValueError as error:
            _log.warning("%s: a commitment request was refused. %s", center.name, error)
            return Outcome(_INVALID_ARGUMENT, str(error))
        record(
            AuditEvent.COMMITMENT_ASKED,
            center=center.name,
            calling=calling,
            instances=len(request.references),
        )
        if center.commitment_destination(calling) is None:
            return Outcome(SUCCESS, report=lambda: self._verify(center.name, request))
        try:
            self._queue(center.name, calling, request)
        except NodeError as error:
            _log.error("%s: a commitment request could not be kept. %s", center.name, error)
            return Outcome(PROCESSING_FAILURE, refusal_of(error).comment)
        return Outcome(SUCCESS)

    def reported(
        self, center: Center, calling: str, command: Command, dataset: bytes, transfer_syntax: str
    ) -> Outcome:
        """Answer an N-EVENT-REPORT about what we sent (PS3.4 section J.3.3); parameters as in
        `requested`.
        """
        del calling
        event_type = command.number(dimse.EVENT_TYPE_ID)
        if event_type not in {ALL_COMMITTED, SOME_FAILED}:
            return Outcome(_NO_SUCH_EVENT, "Expected Event Type ID 1 or 2.")
        try:
            self._take_report(center.name, parse_report(dataset, transfer_syntax, event_type))
        except ValueError as error:
            return Outcome(_INVALID_ARGUMENT, str(error))
        except NodeError as error:
            _log.error("%s: a commitment report could not be kept. %s", center.name, error)
            return Outcome(PROCESSING_FAILURE, refusal_of(error).comment)
        return Outcome(SUCCESS)
