"""Who an instance is, and what is said of one that arrived damaged."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dicom_node.errors import IncidentKind, ReceivedDataError, UnreadableDatasetError

_UID = re.compile(r"(?=.{3,64}\Z)[0-9]+(?:\.[0-9]+)+")


def is_uid(value: str) -> bool:
    """Say whether `value` can be a UID: digits and dots, at most 64 characters (PS3.5 section 9.1).

    Components with a leading zero break the standard but exist in the field, and do no harm here.
    """
    return _UID.fullmatch(value) is not None


@dataclass(frozen=True)
class Identity:
    """Who an instance is.

    Parameters
    ----------
    sop_instance_uid, sop_class_uid, study_instance_uid, series_instance_uid : str
        The UIDs of the dataset.
    patient_id : str
        Patient ID (0010,0020); may be empty.

    Raises
    ------
    UnreadableDatasetError
        If a UID is missing or is none (PS3.5 section 9.1).
    """

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str

    def __post_init__(self) -> None:
        for name, value in (
            ("SOP Instance UID (0008,0018)", self.sop_instance_uid),
            ("SOP Class UID (0008,0016)", self.sop_class_uid),
            ("Study Instance UID (0020,000D)", self.study_instance_uid),
            ("Series Instance UID (0020,000E)", self.series_instance_uid),
        ):
            if not is_uid(value):
                raise UnreadableDatasetError(
                    f"The {name} of a received instance is {'missing' if not value else 'no UID'}: "
                    "expected digits and dots, at most 64 characters (PS3.5 section 9.1); mend "
                    "the instance at its source and send it again."
                )


class DamagedInstanceError(ReceivedDataError):
    """The dataset is cut off, or holds less pixel data than it announces.

    Parameters
    ----------
    message : str
        The sentence.
    identity : Identity or None
        What could be read before the damage; `None` when not even the study is known.
    """

    kind = IncidentKind.DAMAGED_INSTANCE

    def __init__(self, message: str, identity: Identity | None = None) -> None:
        super().__init__(message)
        self.identity = identity
