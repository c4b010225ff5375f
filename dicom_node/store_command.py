"""What a C-STORE announces, and whether its dataset is what was announced."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.errors import IdentityMismatchError, UnreadableDatasetError
from dicom_node.part10 import FileMeta
from dicom_node.study import Identity, is_uid

_NO_UID = "2.25.0"
"""Stands in the file meta information of quarantined bytes whose own UID is none."""


@dataclass(frozen=True)
class StoreCommand:
    """One C-STORE request without its dataset (PS3.7 section 9.3.1).

    Parameters
    ----------
    sop_class_uid, sop_instance_uid : str
        Affected SOP Class and Instance UID of the command.
    context_class_uid : str
        Abstract syntax of the presentation context.
    transfer_syntax : str
        Transfer syntax of the presentation context.
    """

    sop_class_uid: str
    sop_instance_uid: str
    context_class_uid: str
    transfer_syntax: str

    def file_meta(self) -> FileMeta:
        """Return the file meta information, as the command names the instance."""
        uid = self.sop_instance_uid if is_uid(self.sop_instance_uid) else _NO_UID
        return FileMeta(self.context_class_uid, uid, self.transfer_syntax)


@dataclass(frozen=True)
class StoreRequest(StoreCommand):
    """One C-STORE request with its encoded dataset in memory."""

    dataset: bytes


def check_identity(request: StoreCommand, identity: Identity) -> None:
    """Compare command, presentation context and dataset (PS3.7 section 9.1.1.1, PS3.4 section B.2.3).

    Raises
    ------
    UnreadableDatasetError
        If the command's UID is none.
    IdentityMismatchError
        If they name different objects.
    """
    if not is_uid(request.sop_instance_uid):
        raise UnreadableDatasetError(
            "the Affected SOP Instance UID (0000,1000) of a C-STORE is no UID: expected digits and dots, at most 64 "
            "characters (PS3.5 section 9.1)"
        )
    if request.sop_instance_uid != identity.sop_instance_uid:
        raise IdentityMismatchError(
            "the C-STORE command names another SOP Instance UID than its dataset: expected the same in (0000,1000) "
            "and (0008,0018); check the sending system"
        )
    if not request.sop_class_uid == request.context_class_uid == identity.sop_class_uid:
        raise IdentityMismatchError(
            "the C-STORE command, its presentation context and its dataset name different SOP Classes: expected one; "
            "check the sending system"
        )
