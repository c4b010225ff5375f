"""Messages of storage commitment, both ways (PS3.4 annex J): requests and reports as datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from dicom_node.datasets.identity import is_uid
from dicom_node.datasets.sop_classes import (
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
)
from dicom_node.network import command_set as dimse

ALL_COMMITTED: Final = 1
SOME_FAILED: Final = 2
PROCESSING_FAILURE: Final = 0x0110
NO_SUCH_INSTANCE: Final = 0x0112
CLASS_INSTANCE_CONFLICT: Final = 0x0119
_MOST_REFERENCES: Final = 100_000
_OWN_MESSAGE_ID: Final = 1


@dataclass(frozen=True)
class Reference:
    """One instance that is asked about."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class CommitmentRequest:
    """What somebody wants us to answer for.

    Parameters
    ----------
    transaction_uid : str
        Transaction UID (0008,1195).
    references : tuple of Reference
        Referenced SOP Sequence (0008,1199).
    """

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class CommitmentReport:
    """The result of a request (PS3.4 table J.3-2).

    Parameters
    ----------
    transaction_uid : str
        The request's.
    committed : tuple of Reference
        Instances that are kept durably.
    failed : tuple of (Reference, int)
        The others, each with its Failure Reason (0008,1197) (PS3.3 section C.14.1.1).
    """

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...]

    @property
    def event_type(self) -> int:
        """Event Type ID (0000,1002)."""
        return SOME_FAILED if self.failed else ALL_COMMITTED

    def as_dataset(self) -> Dataset:
        """Return the Event Information."""
        dataset = Dataset()
        dataset.TransactionUID = self.transaction_uid
        if self.committed:
            dataset.ReferencedSOPSequence = [_item(one) for one in self.committed]
        if self.failed:
            dataset.FailedSOPSequence = [_item(one, reason) for one, reason in self.failed]
        return dataset

    def dataset(self, transfer_syntax: str) -> bytes:
        """Return the encoded Event Information."""
        return encode_dataset(self.as_dataset(), transfer_syntax)

    def command(self) -> bytes:
        """Return the N-EVENT-REPORT-RQ (PS3.7 section 10.3.1)."""
        return dimse.encode_command(
            {
                dimse.AFFECTED_SOP_CLASS_UID: STORAGE_COMMITMENT,
                dimse.COMMAND_FIELD: dimse.N_EVENT_REPORT_RQ,
                dimse.MESSAGE_ID: _OWN_MESSAGE_ID,
                dimse.COMMAND_DATA_SET_TYPE: 0x0000,
                dimse.AFFECTED_SOP_INSTANCE_UID: STORAGE_COMMITMENT_INSTANCE,
                dimse.EVENT_TYPE_ID: self.event_type,
            }
        )


def request_dataset(transaction_uid: str, references: Sequence[Reference]) -> Dataset:
    """Return the Action Information of a commitment request."""
    dataset = Dataset()
    dataset.TransactionUID = transaction_uid
    dataset.ReferencedSOPSequence = [_item(one) for one in references]
    return dataset


def parse_request(dataset: bytes, transfer_syntax: str) -> CommitmentRequest:
    """Read the Action Information of an N-ACTION.

    Raises
    ------
    ValueError
        If it lacks its transaction or its references.
    """
    read = _read(dataset, transfer_syntax)
    # An instance that is named a thousand times is read from the disk and answered for once
    references = tuple(dict.fromkeys(_references(read, "ReferencedSOPSequence")))
    if not references:
        raise ValueError("No usable Referenced SOP Sequence (0008,1199).")
    return CommitmentRequest(_transaction_uid(read), references)


def parse_report(
    dataset: bytes | Dataset, transfer_syntax: str, event_type: int | None = None
) -> CommitmentReport:
    """Read the Event Information of an N-EVENT-REPORT.

    Parameters
    ----------
    dataset : bytes or Dataset
        The Event Information.
    transfer_syntax : str
        How it is encoded, where it is bytes.
    event_type : int, optional
        Event Type ID (0000,1002).

    Raises
    ------
    ValueError
        If it lacks its transaction, or says that there are failures and names none.
    """
    read = _read(dataset, transfer_syntax) if isinstance(dataset, bytes) else dataset
    failed = tuple((one, PROCESSING_FAILURE) for one in _references(read, "FailedSOPSequence"))
    if event_type == SOME_FAILED and not failed:
        raise ValueError("No usable Failed SOP Sequence (0008,1198).")
    return CommitmentReport(
        _transaction_uid(read), _references(read, "ReferencedSOPSequence"), failed
    )


def encode_dataset(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Return the bytes of a dataset in one of the two syntaxes that are accepted."""
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def _read(dataset: bytes, transfer_syntax: str) -> Dataset:
    try:
        read = read_dataset(
            BytesIO(dataset), transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN, is_little_endian=True
        )
        read.decode()
    except (
        Exception
    ) as error:  # pydicom raises whatever the bytes provoke; the verdict is ours and is raised
        raise ValueError("Dataset not readable in its transfer syntax.") from error
    return read


def _transaction_uid(dataset: Dataset) -> str:
    uid = str(dataset.get("TransactionUID", ""))
    if not is_uid(uid):
        raise ValueError("No usable Transaction UID (0008,1195).")
    return uid


def _references(dataset: Dataset, keyword: str) -> tuple[Reference, ...]:
    items = dataset.get(keyword) or ()
    if not all(isinstance(item, Dataset) for item in items):
        raise ValueError(f"{keyword} is not a sequence.")
    found = tuple(
        Reference(
            str(item.get("ReferencedSOPClassUID", "")),
            str(item.get("ReferencedSOPInstanceUID", "")),
        )
        for item in items
    )
    if len(found) > _MOST_REFERENCES:
        raise ValueError(f"More than {_MOST_REFERENCES} references: ask in several requests.")
    if not all(is_uid(one.sop_class_uid) and is_uid(one.sop_instance_uid) for one in found):
        raise ValueError("A reference without usable UIDs.")
    return found


def _item(reference: Reference, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if reason is not None:
        item.FailureReason = reason
    return item
