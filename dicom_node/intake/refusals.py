"""One table: what we refuse -> the DIMSE status of the C-STORE response (PS3.4 table B.2-1, PS3.7
annex C).

STOW-RS gives the same numbers as Failure Reason (0008,1197) of what it refuses (PS3.18 section
10.5.3).
"""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.archive.incoming_file import as_archive_error
from dicom_node.datasets.identity import DamagedInstanceError
from dicom_node.errors import (
    ArchiveError,
    ConflictingContentError,
    ErasedPersonError,
    IdentityMismatchError,
    LowDiskError,
    NodeError,
    OversizedObjectError,
    ProcessingFailureError,
    RegistryUnavailableError,
    UnreadableDatasetError,
    UnsupportedClassError,
    UnsupportedSyntaxError,
    where_raised,
)

SUCCESS = 0x0000
"""PS3.4 table B.2-1: Success."""


@dataclass(frozen=True)
class Refusal:
    """One row of the table.

    Parameters
    ----------
    error : type of NodeError
        The error that is answered, with its sub-classes unless they have a row of their own.
    status : int
        The status code, (0000,0900).
    clause : str
        Where the standard defines it.
    comment : str
        Error Comment (0000,0902) of the answer, at most 64 characters.
    """

    error: type[NodeError]
    status: int
    clause: str
    comment: str = ""


_RESOURCES = "PS3.4 table B.2-1, Refused: Out of Resources"
_UNDERSTAND = "PS3.4 table B.2-1, Error: Cannot understand"

REFUSALS = (
    Refusal(LowDiskError, 0xA700, _RESOURCES, "Disk almost full, send again later."),
    Refusal(ArchiveError, 0xA701, _RESOURCES, "Archive not writable, send again later."),
    Refusal(
        RegistryUnavailableError, 0xA702, _RESOURCES, "Registry not available, send again later."
    ),
    Refusal(OversizedObjectError, 0xA703, _RESOURCES, "Object longer than this node takes."),
    Refusal(
        IdentityMismatchError,
        0xA900,
        "PS3.4 table B.2-1, Error: Data Set does not match SOP Class",
        "Command, context and dataset name different objects.",
    ),
    Refusal(
        UnreadableDatasetError, 0xC000, _UNDERSTAND, "No readable dataset, or no usable UIDs in it."
    ),
    Refusal(
        DamagedInstanceError, 0xC001, _UNDERSTAND, "Dataset cut off or incomplete, quarantined."
    ),
    Refusal(
        ConflictingContentError,
        0xC002,
        _UNDERSTAND,
        "Known SOP Instance UID with other content, quarantined.",
    ),
    Refusal(
        ErasedPersonError,
        0x0124,
        "PS3.7 section C.5, Refused: Not authorized",
        "Person was erased here, nothing kept: stop sending.",
    ),
    Refusal(
        UnsupportedClassError,
        0x0122,
        "PS3.7 section C.5.6, SOP Class not supported",
        "SOP Class not taken.",
    ),
    Refusal(
        UnsupportedSyntaxError,
        0xC122,
        "PS3.18 section 10.5.3, Referenced Transfer Syntax not supported",
        "Transfer syntax not kept, send uncompressed.",
    ),
    Refusal(NodeError, 0x0110, "PS3.7 section C.5, Processing failure", "Processing failure."),
)
"""From the most specific error to the most general: the first row that fits is the answer."""


def refusal_of(error: NodeError) -> Refusal:
    """Return the row of the table that answers a C-STORE which failed with `error`."""
    return next(refusal for refusal in REFUSALS if isinstance(error, refusal.error))


def status_of(error: NodeError) -> int:
    """Return the DIMSE status that answers a C-STORE which failed with `error`.

    Parameters
    ----------
    error : NodeError
        Why the instance was not accepted.

    Returns
    -------
    int
        A failure status (0000,0900).
    """
    return refusal_of(error).status


def failure_of(error: Exception) -> ArchiveError | ProcessingFailureError:
    """Return the error of the node that stands for one that nobody foresaw."""
    if isinstance(error, OSError):
        return as_archive_error(error)
    return ProcessingFailureError(
        f"An object could not be processed ({where_raised(error)}): it has been set aside; tell "
        "who maintains Annulus."
    )


def is_delivered(status: int) -> bool:
    """Say whether a C-STORE response means that the peer has the object: success or warning (PS3.4
    table B.2-1), or that it has it already.

    Parameters
    ----------
    status : int
        The status (0000,0900) of the response.
    """
    return status == SUCCESS or is_warning(status)


def is_warning(status: int) -> bool:
    """Say whether a C-STORE status is a warning: 0xBxxx, 0x0001, 0x0107 or 0x0116 (PS3.7 annex
    C.4).

    So is 0x0111, duplicate SOP Instance (PS3.7 annex C.5.5): some PACSs refuse with it what they
    have, as when their answer to the first time was lost. A report's UID stands for one content.

    Parameters
    ----------
    status : int
        The status (0000,0900) of the response.
    """
    return status >> 12 == 0xB or status in {0x0001, 0x0107, 0x0111, 0x0116}
