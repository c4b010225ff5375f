"""Who stands behind a pseudonym, and under which pseudonyms a patient is known: asked on the
archive's own machine, from the files themselves, and recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydicom import dcmread

from dicom_node.audit import AuditEvent, record
from dicom_node.datasets.text_as_sent import text_as_sent
from dicom_node.errors import NodeError
from dicom_node.pseudonym import patient_key
from dicom_node.registry.registry import StudySummary

_ASKED = ["PatientID", "StudyInstanceUID", "StudyDate"]


class NobodyFoundError(NodeError):
    """No study of the archive answers to what was asked."""


def studies_behind(studies: Iterable[StudySummary], pseudonym: str, archive: Path) -> list[str]:
    """Return a line for each study that a pseudonym stands for, with its patient's ID.

    Parameters
    ----------
    studies : iterable of StudySummary
        What the registry knows.
    pseudonym : str
        A study's or a patient's.
    archive : Path
        The archive's folder, whose files say who it is.

    Raises
    ------
    NobodyFoundError
        If the pseudonym is no study's and no patient's.
    """
    found = [study for study in studies if pseudonym in (study.study_key, study.patient_key)]
    if not found:
        raise NobodyFoundError(
            f"No study and no patient has the pseudonym {pseudonym}: expected one of 16 characters "
            "as `python -m dicom_node status` shows it."
        )
    for study in found:
        record(AuditEvent.IDENTITY_ASKED, center=study.center, study=study.study_key)
    return [f"{_who(study, archive)}  {_what(study)}" for study in found]


def known_as(
    studies: Iterable[StudySummary], key: bytes, patient_id: str, centers: Iterable[str]
) -> list[str]:
    """Return a line for each centre that sent studies of a patient, and one for each of these.

    Parameters
    ----------
    studies : iterable of StudySummary
        What the registry knows.
    key : bytes
        The archive's pseudonym key.
    patient_id : str
        Patient ID (0010,0020).
    centers : iterable of str
        The centres that may have sent it.

    Raises
    ------
    NobodyFoundError
        If no study of such a patient was received.
    """
    pseudonyms = {center: patient_key(key, center, patient_id) for center in centers}
    found = [one for one in studies if pseudonyms.get(one.center) == one.patient_key]
    if not found:
        asked = ", ".join(pseudonyms) or "none"
        raise NobodyFoundError(
            f"No study of a patient with this ID was received from centre {asked}: the ID is "
            "compared letter by letter."
        )
    lines: list[str] = []
    for center, pseudonym in pseudonyms.items():
        mine = [study for study in found if study.center == center]
        if mine:
            record(AuditEvent.IDENTITY_ASKED, center=center, patient=pseudonym)
            lines += [f"Centre {center}: patient {pseudonym}", *(f"  {_what(one)}" for one in mine)]
    return lines


def _who(study: StudySummary, archive: Path) -> str:
    files = sorted((archive / study.center / study.study_key).glob("*.dcm"))
    if not files:
        return f"Centre {study.center}: its files are gone."
    header = dcmread(files[0], stop_before_pixels=True, specific_tags=_ASKED)
    patient = _shown(text_as_sent(header, "PatientID")) or "(empty)"
    day = _shown(header.get("StudyDate")) or "of unknown date"
    return f"Centre {study.center}: Patient ID {patient}, study {day} {header.StudyInstanceUID}"


def _what(study: StudySummary) -> str:
    why = f". {study.sentence}" if study.sentence else ""
    return f"study {study.study_key} of patient {study.patient_key}, {study.state}{why}"


def _shown(value: object) -> str:
    """Return a text of a dataset without what would move a terminal's cursor."""
    return "".join(sign for sign in str(value or "") if sign.isprintable())
