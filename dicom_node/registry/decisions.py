"""What is asked when a study's completeness is decided, and what is answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from dicom_node.center import Center, Completeness
from dicom_node.datasets.manifest import Manifest
from dicom_node.registry.ct_choice import CtChoice, CtInstance, RoiChoice


class Remark(NamedTuple):
    """What is unusual about how a study was completed; it goes with the score.

    Parameters
    ----------
    code : str
        Slug that stays the same between releases.
    sentence : str
        What was expected and what was found.
    """

    code: str
    sentence: str


@dataclass(frozen=True)
class RtstructInstance:
    """One RTSTRUCT that is here; it may have come in another study than its CT."""

    sop_instance_uid: str
    patient_key: str
    content_sha256: str
    manifest: Manifest
    study_key: str = ""


@dataclass(frozen=True)
class DamagedMention:
    """An instance that was received damaged and has not come undamaged since."""

    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class StudyContents:
    """Everything of one study that is here.

    Parameters
    ----------
    ct : tuple of CtInstance
        Its CT instances.
    rtstructs : tuple of RtstructInstance
        The RTSTRUCTs on its CT, also those that came in another study of the patient.
    damaged : tuple of DamagedMention
        What came damaged.
    joined_to : str or None
        The study with the CT that its own RTSTRUCTs were drawn on, when that is another one.
    ct_of_another_patient : bool
        Whether its newest RTSTRUCT lists CT instances that came under another Patient ID.
    """

    ct: tuple[CtInstance, ...]
    rtstructs: tuple[RtstructInstance, ...]
    damaged: tuple[DamagedMention, ...] = ()
    joined_to: str | None = None
    ct_of_another_patient: bool = False


@dataclass(frozen=True)
class Policy:
    """What counts once the quiet period has passed.

    Parameters
    ----------
    completeness : Completeness
        The centre's rule.
    beyond_gtv_mm : float
        How far a CT must go on beyond the GTV: as far as the widest ring, in mm.
    """

    completeness: Completeness
    beyond_gtv_mm: float = Center.beyond_gtv_mm


@dataclass(frozen=True)
class Complete:
    """The study can be scored: this ROI of this RTSTRUCT on these slices.

    Parameters
    ----------
    rtstruct : RtstructInstance
        The newest.
    ct : tuple of CtInstance
        Its slices, sorted by SOP Instance UID.
    warnings : tuple of Remark
        What is unusual.
    gtv : RoiChoice
        Which ROI is the GTV.
    choice : CtChoice
        How the CT was chosen.
    older_has_gtv : bool
        Whether an older RTSTRUCT has the one GTV that the newest lacks.
    """

    rtstruct: RtstructInstance
    ct: tuple[CtInstance, ...]
    warnings: tuple[Remark, ...]
    gtv: RoiChoice
    choice: CtChoice
    older_has_gtv: bool = False

    @property
    def content_digest(self) -> str:
        """SHA-256 of what is scored."""
        slices = ((one.sop_instance_uid, one.content_sha256) for one in self.ct)
        return content_digest(
            [(self.rtstruct.sop_instance_uid, self.rtstruct.content_sha256), *slices]
        )


@dataclass(frozen=True)
class Waiting:
    """More may come."""


@dataclass(frozen=True)
class Joined:
    """Its RTSTRUCTs were drawn on the CT of another study, which is the one that is scored."""

    study_key: str


@dataclass(frozen=True)
class Incomplete:
    """Nothing more came, and the sentence says what is missing."""

    sentence: str


@dataclass(frozen=True)
class Contradictory:
    """What came does not belong together, or cannot be told apart."""

    sentence: str


Decision = Complete | Waiting | Joined | Incomplete | Contradictory


def content_digest(instances: Iterable[tuple[str, str]]) -> str:
    """Return the digest of a study's content.

    Parameters
    ----------
    instances : iterable of (str, str)
        SOP Instance UID and content SHA-256 of the RTSTRUCT and of each chosen CT slice, in any
        order.

    Returns
    -------
    str
        SHA-256 over the sorted pairs.
    """
    lines = sorted(f"{uid} {digest}\n" for uid, digest in instances)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
