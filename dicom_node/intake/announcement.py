"""What a C-STORE or a part of a STOW-RS request announces, and whether its dataset is what was
announced.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dicom_node.archive.part10 import FileMeta
from dicom_node.datasets.identity import Identity, is_uid
from dicom_node.errors import IdentityMismatchError, UnreadableDatasetError

_NO_UID = "2.25.0"
"""Stands in the file meta information of quarantined bytes whose own UID is none."""


@dataclass(frozen=True)
class StoreCommand:
    """One request to store without its dataset (PS3.7 section 9.3.1, PS3.18 section 10.5.1).

    Parameters
    ----------
    sop_class_uid, sop_instance_uid : str
        Affected SOP Class and Instance UID of the command, or those of the file meta information.
    context_class_uid : str
        Abstract syntax of the presentation context; in STOW-RS the class again.
    transfer_syntax : str
        Transfer syntax of the presentation context, or of the file meta information.
    study_instance_uid : str, optional
        The only study that is asked for, where a request names one.
    """

    sop_class_uid: str
    sop_instance_uid: str
    context_class_uid: str
    transfer_syntax: str
    study_instance_uid: str | None = field(default=None, kw_only=True)

    def file_meta(self) -> FileMeta:
        """Return the file meta information, as the command names the instance."""
        uid = self.sop_instance_uid if is_uid(self.sop_instance_uid) else _NO_UID
        return FileMeta(self.context_class_uid, uid, self.transfer_syntax)


def check_identity(request: StoreCommand, identity: Identity) -> None:
    """Compare command, presentation context and dataset (PS3.7 section 9.1.1.1, PS3.4 section
    B.2.3).

    Raises
    ------
    UnreadableDatasetError
        If the command's UID is none.
    IdentityMismatchError
        If they name different objects.
    """
    if not is_uid(request.sop_instance_uid):
        raise UnreadableDatasetError(
            "The Affected SOP Instance UID (0000,1000) of a C-STORE, or the one in a file's meta "
            "information (0002,0003), is not a UID: expected digits and dots, at most 64 "
            "characters (PS3.5 section 9.1)."
        )
    if request.sop_instance_uid != identity.sop_instance_uid:
        raise IdentityMismatchError(
            "The C-STORE command, or a file's meta information, names another SOP Instance UID "
            "than its dataset: expected the same in (0000,1000) or (0002,0003) and in (0008,0018); "
            "check the sending system."
        )
    if not request.sop_class_uid == request.context_class_uid == identity.sop_class_uid:
        raise IdentityMismatchError(
            "The C-STORE command, its presentation context and its dataset name different SOP "
            "Classes: expected one; check the sending system."
        )
    if request.study_instance_uid not in {None, identity.study_instance_uid}:
        raise IdentityMismatchError(
            "An instance was sent to the address of another study than its own: expected the Study "
            "Instance UID of the address in (0020,000D); check the sending system."
        )
