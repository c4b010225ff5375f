"""What an associated AE may ask for: C-ECHO, C-STORE, storage commitment; everything else is
answered and refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from dicom_node.center import Center
from dicom_node.datasets.sop_classes import STORAGE_COMMITMENT, VERIFICATION
from dicom_node.errors import where_raised
from dicom_node.intake.announcement import StoreCommand
from dicom_node.intake.counters import Metrics
from dicom_node.intake.intake import Intake
from dicom_node.intake.object_on_its_way import ObjectOnItsWay
from dicom_node.intake.refusals import SUCCESS, refusal_of
from dicom_node.network import command_set as dimse
from dicom_node.network import pdu
from dicom_node.network.command_set import Command
from dicom_node.scp.commitment_service import CommitmentService, Outcome
from dicom_node.scp.negotiation import STORAGE_CLASSES, AcceptedContext

_MAXIMUM_DATASET_BYTES = 1 << 23
_SOP_CLASS_NOT_SUPPORTED = 0x0122
_INVALID_ARGUMENT = 0x0115
_PROCESSING_FAILURE = 0x0110
_STUCK_S = 2.0

_log = logging.getLogger(__name__)

Outgoing = tuple[bytes, int]
"""A command set or a dataset to send, and the flags of its PDVs."""


class Message(Protocol):
    """A request on its way in: takes its dataset, then says what is answered."""

    context: AcceptedContext

    def write(self, piece: memoryview) -> None:
        """Take a piece of the dataset; must not fail."""

    def answer(self) -> Iterator[Outgoing]:
        """Do what is asked, and yield what is sent."""

    def discard(self) -> None:
        """Forget it; called in the end, answered or not."""


@dataclass
class PlainMessage:
    """A request without a dataset that matters: its answer is known from the start; `None` for no
    answer.
    """

    context: AcceptedContext
    response: bytes | None

    def write(self, piece: memoryview) -> None:
        """Take a piece of a dataset that nobody wants."""

    def answer(self) -> Iterator[Outgoing]:
        """Yield the response."""
        if self.response is not None:
            yield self.response, pdu.IS_COMMAND

    def discard(self) -> None:
        """Do nothing: no part of such a request is kept."""


class StoreMessage:
    """A C-STORE whose dataset goes to a temporary file of the archive piece by piece."""

    def __init__(
        self,
        context: AcceptedContext,
        command: Command,
        center: Center,
        intake: Intake,
        maximum_bytes: int,
    ) -> None:
        self.context = context
        self._command = command
        store = StoreCommand(
            sop_class_uid=command.text(dimse.AFFECTED_SOP_CLASS_UID),
            sop_instance_uid=command.text(dimse.AFFECTED_SOP_INSTANCE_UID),
            context_class_uid=context.abstract_syntax,
            transfer_syntax=context.transfer_syntax,
        )
        self._object = ObjectOnItsWay(intake, center.name, store, maximum_bytes)
        self.write = self._object.write
        self.discard = self._object.discard

    def answer(self) -> Iterator[Outgoing]:
        """Keep the instance, then yield the C-STORE-RSP."""
        error = self._object.finish()
        if error is None:
            yield dimse.response(self._command, SUCCESS), pdu.IS_COMMAND
        else:
            refusal = refusal_of(error)
            yield dimse.response(self._command, refusal.status, refusal.comment), pdu.IS_COMMAND


class DatasetMessage:
    """An N-ACTION or an N-EVENT-REPORT, whose short dataset is kept in memory."""

    def __init__(
        self,
        context: AcceptedContext,
        command: Command,
        center: Center,
        calling: str,
        commitment: CommitmentService,
    ) -> None:
        self.context = context
        self._command = command
        self._center = center
        self._calling = calling
        self._commitment = commitment
        self._dataset = bytearray()

    def write(self, piece: memoryview) -> None:
        """Append a piece of the dataset; one that is far too long is refused in the end."""
        if len(self._dataset) <= _MAXIMUM_DATASET_BYTES:
            self._dataset += piece

    def answer(self) -> Iterator[Outgoing]:
        """Yield the response, and on the same association what the commitment has to report."""
        if len(self._dataset) > _MAXIMUM_DATASET_BYTES:
            yield (
                dimse.response(self._command, _INVALID_ARGUMENT, "dataset too long"),
                pdu.IS_COMMAND,
            )
            return
        handle = (
            self._commitment.requested
            if self._command.field == dimse.N_ACTION_RQ
            else self._commitment.reported
        )
        try:
            outcome = handle(
                self._center,
                self._calling,
                self._command,
                bytes(self._dataset),
                self.context.transfer_syntax,
            )
        except Exception as error:  # noqa: BLE001 - one message must not end its association
            _log.error(
                "%s: a request was not processed (%s).", self._center.name, where_raised(error)
            )
            outcome = Outcome(_PROCESSING_FAILURE, "processing failure")
        yield dimse.response(self._command, outcome.status, outcome.comment), pdu.IS_COMMAND
        if outcome.report is not None:
            report = outcome.report()
            yield report.command(), pdu.IS_COMMAND
            yield report.dataset(self.context.transfer_syntax), 0

    def discard(self) -> None:
        """Forget the dataset."""
        self._dataset.clear()


class DimseServices:
    """The services of the node's AE.

    Parameters
    ----------
    intake : Intake
        What takes the instances.
    commitment : CommitmentService
        What answers for them.
    maximum_object_bytes : int
        Longest dataset of a C-STORE.
    """

    def __init__(
        self, intake: Intake, commitment: CommitmentService, maximum_object_bytes: int
    ) -> None:
        self._intake = intake
        self._commitment = commitment
        self._maximum_object_bytes = maximum_object_bytes

    @property
    def metrics(self) -> Metrics:
        """What is counted."""
        return self._intake.metrics

    def flush(self) -> None:
        """Wait until what was received is in the registry, so that whoever asks after a release
        finds it there; a registry that takes nothing is not waited for.
        """
        self._intake.flush(stuck_s=_STUCK_S)

    def begin(
        self, center: Center, calling: str, context: AcceptedContext, command: Command
    ) -> Message:
        """Return the message that a command begins.

        Parameters
        ----------
        center : Center
            Who asks.
        calling : str
            The AE title that it calls itself.
        context : AcceptedContext
            The presentation context.
        command : Command
            The command set.
        """
        if not command.is_request:
            return PlainMessage(context, None)
        match command.field, context.abstract_syntax:
            case dimse.C_ECHO_RQ, uid if uid == VERIFICATION:
                return PlainMessage(context, dimse.response(command, SUCCESS))
            case dimse.C_STORE_RQ, uid if uid in STORAGE_CLASSES:
                return StoreMessage(
                    context, command, center, self._intake, self._maximum_object_bytes
                )
            case ((dimse.N_ACTION_RQ | dimse.N_EVENT_REPORT_RQ), uid) if uid == STORAGE_COMMITMENT:
                return DatasetMessage(context, command, center, calling, self._commitment)
            case ((dimse.C_ECHO_RQ | dimse.C_STORE_RQ), _):
                return PlainMessage(
                    context, dimse.response(command, _SOP_CLASS_NOT_SUPPORTED, "wrong SOP class")
                )
            case _:
                return PlainMessage(context, dimse.unrecognized(command))
