"""What the node says of a study in the words of the feature store."""

from __future__ import annotations

from dicom_node.registry.registry import StudyFiles
from feature_store.imaging.gtv_choice import ChosenGtv
from feature_store.tables.store import StudyIdentity
from flows.installation import Installation
from flows.runs.account import about


def meant_study(work: Installation, pseudonym: str) -> str:
    """Return the study that a person means, which is then what the run is about.

    Parameters
    ----------
    work : Installation
        The installation.
    pseudonym : str
        The study's, or its patient's where there is one study.

    Raises
    ------
    UnknownStudyError
        If nothing has this pseudonym.
    StudyStateError
        If the patient has several studies.
    """
    found = work.registry.studies.named(pseudonym)
    about(found.center)
    return found.study_key


def identity_of(files: StudyFiles) -> StudyIdentity:
    """Return the pseudonymous identity under which the results of a study are kept."""
    return StudyIdentity(
        center=files.center,
        patient_key=files.patient_key,
        study_key=files.study_key,
        content_digest=files.content_digest,
    )


def chosen_gtv(files: StudyFiles) -> ChosenGtv | None:
    """Return the ROI that was chosen when the study was completed; `None` if none was kept then."""
    choice = files.choice
    return None if choice is None else ChosenGtv(choice.roi_number, choice.older_has_gtv)
