"""What can go wrong in the node, one small tree.

::

    NodeError
    ├── ReceivedDataError(ValueError)         what a peer sent cannot be kept as an instance
    │   ├── UnreadableDatasetError            no DICOM dataset, or no usable identity in it
    │   ├── DamagedInstanceError              cut off, or too little pixel data
    │   ├── IdentityMismatchError             the command or its context names another object
    │   ├── ConflictingContentError           a known SOP Instance UID with other content
    │   └── ProcessingFailureError            an object met an error that nobody foresaw
    ├── OversizedObjectError(ValueError)      an object is longer than this node takes
    ├── ErasedPersonError(ValueError)         an object of a person who was erased here
    ├── UnsupportedClassError(ValueError)     an object of a SOP Class that its centre may not store
    ├── UnsupportedSyntaxError(ValueError)    an object in a transfer syntax that is not kept
    ├── ArchiveError(OSError)                 the archive cannot be written or is not ours
    │   └── LowDiskError                      too little space to accept another instance
    ├── RegistryUnavailableError(ConnectionError) the registry did not commit
    │   ├── UnwritableRegistryError           nothing can be written now: no space, locked, away
    │   └── DamagedRegistryError              what it holds cannot be read, and must be mended
    ├── UnstorableRecordError(ValueError)     no database can hold a value as it is
    ├── IdentifiablePixelsError(ValueError)   a study's pixels may show who the patient is
    ├── UnknownStudyError(LookupError)        no such study or no such content of it
    ├── StudyStateError(ValueError)           not where an operator's request expects it
    ├── DeliveryError(ConnectionError)        a centre's AE did not take a report
    │   ├── RefusedClassError                 it takes no object of that SOP Class
    │   └── UnreachableError                  it gives no association, or has stopped answering
    │       └── LostAssociationError          it has stopped while an object was sent
    ├── RetrievalError(ConnectionError)       a centre's PACS did not give what it was asked for
    ├── StudyListError(ValueError)            a list of what is to be fetched cannot be used
    └── NodeAlreadyRunningError(RuntimeError) another node uses the same folder

`DamagedInstanceError`, which carries what could be read, is in `dicom_node.datasets.identity`.
Every message is a sentence that may be shown to anybody: it names no patient, no UID and no file
name of a peer.
"""

from __future__ import annotations

import traceback
from enum import StrEnum
from pathlib import Path
from typing import ClassVar


class IncidentKind(StrEnum):
    """The events that an operator must hear of."""

    UNREADABLE_DATASET = "unreadable-dataset"
    DAMAGED_INSTANCE = "damaged-instance"
    IDENTITY_MISMATCH = "identity-mismatch"
    CONFLICTING_CONTENT = "conflicting-content"
    LOW_DISK = "low-disk"
    ARCHIVE_FAILURE = "archive-failure"
    REGISTRY_FAILURE = "registry-failure"
    INCOMPLETE_STUDY = "incomplete-study"
    MISSING_FILE = "missing-file"
    UNKNOWN_CALLER = "unknown-caller"
    UNKNOWN_ADDRESS = "unknown-address"
    PROTOCOL_ERROR = "protocol-error"
    OVERSIZED_OBJECT = "oversized-object"
    WRONG_CALLED_AE = "wrong-called-ae"
    TOO_MANY_ASSOCIATIONS = "too-many-associations"
    UNKNOWN_CERTIFICATE = "unknown-certificate"
    UNSUPPORTED_OBJECT = "unsupported-object"
    SHARED_CT = "shared-ct"
    SIMILAR_PATIENT_ID = "similar-patient-id"
    PROCESSING_FAILURE = "processing-failure"
    ERASED_PERSON = "erased-person"


class NodeError(Exception):
    """Anything that the node refuses or cannot do."""

    kind: ClassVar[IncidentKind | None] = None


class ReceivedDataError(NodeError, ValueError):
    """What a peer sent cannot be kept as an instance."""


class UnreadableDatasetError(ReceivedDataError):
    """The bytes are not a DICOM dataset, or it lacks a usable identity."""

    kind = IncidentKind.UNREADABLE_DATASET


class IdentityMismatchError(ReceivedDataError):
    """The C-STORE command or the presentation context names another object than the dataset."""

    kind = IncidentKind.IDENTITY_MISMATCH


class ConflictingContentError(ReceivedDataError):
    """A known SOP Instance UID arrived with other content."""

    kind = IncidentKind.CONFLICTING_CONTENT


class ProcessingFailureError(ReceivedDataError):
    """An object met an error that nobody foresaw; it is kept in the quarantine."""

    kind = IncidentKind.PROCESSING_FAILURE


class OversizedObjectError(NodeError, ValueError):
    """An object is longer than this node takes; nothing of it is kept."""

    kind = IncidentKind.OVERSIZED_OBJECT


class ErasedPersonError(NodeError, ValueError):
    """What was sent belongs to a person who was erased here; nothing of it is kept."""

    kind = IncidentKind.ERASED_PERSON


class UnsupportedClassError(NodeError, ValueError):
    """An object came of a SOP Class that its centre may not store; nothing of it is kept."""

    kind = IncidentKind.UNSUPPORTED_OBJECT


class UnsupportedSyntaxError(NodeError, ValueError):
    """An object came in a transfer syntax that is not kept; nothing of it is kept."""

    kind = IncidentKind.UNSUPPORTED_OBJECT


class ArchiveError(NodeError, OSError):
    """The archive cannot be written, or was made with another pseudonym key."""

    kind = IncidentKind.ARCHIVE_FAILURE


class LowDiskError(ArchiveError):
    """There is too little space to accept another instance."""

    kind = IncidentKind.LOW_DISK


class RegistryUnavailableError(NodeError, ConnectionError):
    """The registry did not commit."""

    kind = IncidentKind.REGISTRY_FAILURE


class UnwritableRegistryError(RegistryUnavailableError):
    """Nothing can be written now, whatever it is: the disk is full, the database locked or away."""


class DamagedRegistryError(RegistryUnavailableError):
    """The registry's own files or tables are damaged; trying again does not help."""


class UnstorableRecordError(NodeError, ValueError):
    """A value does not fit into the column that it belongs to; nothing of its transaction is kept,
    and the same transaction would fail again.
    """

    kind = IncidentKind.PROCESSING_FAILURE


class IdentifiablePixelsError(NodeError, ValueError):
    """A study cannot be exported without identity, because its pixels may show who the patient
    is.
    """


class UnknownStudyError(NodeError, LookupError):
    """The registry knows no such study, or no such content of it."""


class StudyStateError(NodeError, ValueError):
    """A study is not in a state in which an operator's request makes sense."""


class DeliveryError(NodeError, ConnectionError):
    """A centre's AE did not take a report."""


class UnreachableError(DeliveryError):
    """A centre's AE gives no association, or has stopped answering on it."""


class LostAssociationError(UnreachableError):
    """A centre's AE has stopped answering while an object was sent to it."""


class RefusedClassError(DeliveryError):
    """A centre's AE takes no object of a SOP Class."""


class RetrievalError(NodeError, ConnectionError):
    """A centre's PACS answered a query or a retrieval, and not with what was asked for."""


class StudyListError(NodeError, ValueError):
    """A list of what is to be fetched, or the file of its results, cannot be used."""


class NodeAlreadyRunningError(NodeError, RuntimeError):
    """Another node uses the same folder."""


def where_raised(error: BaseException) -> str:
    """Return the kind of an error and the line that raised it: its own words may hold values."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{at}"
