"""Whoever was erased is not worked on and not imported, whatever back-up was put back."""

from __future__ import annotations

from dicom_node.archive.erased_people import ErasedPeople
from feature_store.wording import counted, were
from flows.installation import Installation


def erased_people(work: Installation) -> ErasedPeople:
    """Return the list of erased people of an installation.

    Raises
    ------
    SettingsError
        If the pseudonym key is not set.
    """
    return ErasedPeople(work.settings.node.folder, work.pseudonym_key())


def refuse_work_on(work: Installation, study_key: str) -> None:
    """Refuse to work on a study of somebody who was erased.

    Raises
    ------
    StudyStateError
        If it is one.
    SettingsError
        If somebody was erased here and the pseudonym key is not set, so that nobody knows who.
    """
    if ErasedPeople(work.settings.node.folder, b"").entries():
        erased_people(work).refuse_work_on(study_key)


def came_back(work: Installation) -> str | None:
    """Return a sentence if something of people who were erased is here again; `None` if not.

    Raises
    ------
    SettingsError
        If somebody was erased here and the pseudonym key is not set.
    """
    if not ErasedPeople(work.settings.node.folder, b"").entries():
        return None
    erased = erased_people(work)
    known = {one.patient_key for one in work.registry.people.known()}
    known |= {patient for _, patient, _ in work.store.people()}
    back = sum(erased.has_patient(one) for one in known)
    if not back:
        return None
    whom = f"{counted(back, 'person', 'people')} who {were(back)}"
    return (
        f"A back-up from before has brought back data of {whom} erased here: they are "
        "not worked on. Stop the system (`make down`) and run `python -m flows erase --again`, "
        "which removes them."
    )
