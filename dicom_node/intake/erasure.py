"""What the node itself does about people who were erased: files and rows that a back-up has brought
back go again at the next start, before anything is received.
"""

from __future__ import annotations

from dicom_node.archive.archive import Archive
from dicom_node.archive.erased_people import ErasedPeople
from dicom_node.audit import AuditEvent, record
from dicom_node.registry.registry import PersonTraces, Registry


def forget_who_came_back(archive: Archive, registry: Registry, erased: ErasedPeople) -> int:
    """Remove the rows and files of people on the list, and return how many studies there were.

    Parameters
    ----------
    archive : Archive
        The files.
    registry : Registry
        Their index.
    erased : ErasedPeople
        The list.
    """
    if not erased.entries():
        return 0
    studies = 0
    back = {
        (one.center, one.patient_key)
        for one in registry.people.known()
        if erased.has_patient(one.patient_key) or erased.has_study(one.study_key)
    }
    for center, patient in sorted(back):
        traces = registry.people.traces(center, patient)
        forget_files(archive, traces)
        studies += registry.people.forget(traces, names_of(traces))
    for folder in (*archive.instances.glob("*/*"), *archive.quarantined.glob("*/*")):
        if erased.has_study(folder.name):
            archive.forget(folder)
    if studies:
        record(AuditEvent.PERSON_ERASED, studies=studies)
    return studies


def forget_files(archive: Archive, traces: PersonTraces) -> int:
    """Remove what the archive and the quarantine hold of a person, and return how many files."""
    files = 0
    for study in sorted(traces.studies):
        for place in (archive.instances, archive.quarantined):
            folder = place / traces.center / study
            files += len(list(folder.glob("*"))) if folder.is_dir() else 0
            archive.forget(folder)
    for path in sorted(traces.paths):
        files += archive.forget(archive.instances / path)
    return files


def names_of(traces: PersonTraces) -> frozenset[str]:
    """Return every pseudonym and UID that stands for the person or something of the person."""
    return traces.patients | traces.studies | traces.instances | traces.uids | traces.contents
