"""What a study lacks, as its own evidence names it: what its centre's PACS is asked for, and how
the answer is told. Pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from dicom_node.registry.completeness import newest
from dicom_node.registry.ct_choice import CtChoice, choose_ct, choose_roi, listed_in_its_frame
from dicom_node.registry.decisions import (
    Complete,
    Decision,
    Incomplete,
    Remark,
    StudyContents,
    content_digest,
)

_TELL_OF_A_LACK: Final = frozenset(("list-unmet", "ring-cut"))
"""Codes of the remarks with which a study is complete although something is missing."""


@dataclass(frozen=True)
class Lacking:
    """What is asked for.

    Parameters
    ----------
    series : tuple of str
        Series Instance UIDs of the CT that the RTSTRUCT names, else of the one that is here.
    named : frozenset of str
        SOP Instance UIDs of the CT slices that the RTSTRUCT names and that are not here.
    here : frozenset of str
        SOP Instance UIDs of what is here.
    rtstruct : bool
        Whether the RTSTRUCT itself is missing.
    """

    series: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()
    here: frozenset[str] = frozenset()
    rtstruct: bool = False


def tells_of_a_lack(decision: Decision, contents: StudyContents) -> bool:
    """Say whether a decision after the quiet period would be another one with what the PACS may
    have.

    Parameters
    ----------
    decision : Decision
        What would be decided.
    contents : StudyContents
        Of which.
    """
    if isinstance(decision, Incomplete):
        return bool(contents.ct or contents.rtstructs) and not contents.ct_of_another_patient
    return isinstance(decision, Complete) and any(
        one.code in _TELL_OF_A_LACK for one in decision.warnings
    )


def lacking(contents: StudyContents, gtv_pattern: str) -> Lacking:
    """Return what a study lacks.

    Parameters
    ----------
    contents : StudyContents
        What is here.
    gtv_pattern : str
        The centre's rule for the name of the GTV.
    """
    here = frozenset(uid for uid, _ in _instances(contents))
    if not contents.rtstructs:
        return Lacking(here=here, rtstruct=True)
    manifest = newest(contents.rtstructs).manifest
    roi = choose_roi(manifest, gtv_pattern).roi
    listed = listed_in_its_frame(manifest, roi)
    series = [one.series_instance_uid for one in listed if one.series_instance_uid is not None]
    choice = choose_ct(contents.ct, manifest, roi)
    if not series and isinstance(choice, CtChoice):
        series = [choice.series_instance_uid]
    named = {uid for one in listed for uid in one.sop_instance_uids}
    return Lacking(
        series=tuple(dict.fromkeys(series)),
        named=frozenset(named.union(roi.drawn.sop_instance_uids) - here),
        here=here,
    )


def content_of(contents: StudyContents) -> str:
    """Return the digest of everything of a study that is here."""
    return content_digest(_instances(contents))


def _instances(contents: StudyContents) -> list[tuple[str, str]]:
    """Return SOP Instance UID and digest of everything that is here."""
    slices = [(one.sop_instance_uid, one.content_sha256) for one in contents.ct]
    return [
        *slices,
        *((one.sop_instance_uid, one.content_sha256) for one in contents.rtstructs),
    ]


def with_answer(decision: Decision, answer: str | None) -> Decision:
    """Return a decision that also says what the PACS answered, where it tells of a lack.

    Parameters
    ----------
    decision : Decision
        What was decided.
    answer : str or None
        A sentence; `None` if nobody was asked.
    """
    if answer is None:
        return decision
    if isinstance(decision, Incomplete):
        return Incomplete(f"{decision.sentence} {answer}")
    if isinstance(decision, Complete):
        told = (
            Remark(one.code, f"{one.sentence} {answer}") if one.code in _TELL_OF_A_LACK else one
            for one in decision.warnings
        )
        return replace(decision, warnings=tuple(told))
    return decision
