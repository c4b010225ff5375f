"""Who is to be erased, and where the person is found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicom_node.archive.erased_people import ErasedPeople
from dicom_node.datasets.text_as_sent import text_as_sent
from dicom_node.errors import NodeError
from dicom_node.intake.erasure import names_of
from dicom_node.pseudonym import image_key, patient_key
from feature_store.wording import counted
from flows.data.clinical_rows import rows_of_person, tables_below
from flows.erasure.places import prefect_databases, prefect_elsewhere, store_elsewhere
from flows.erasure.prefect_history import rows_about
from flows.erasure.report_folders import (
    Outcome,
    is_in,
    outcome_of,
    reports_below,
    was_read_for,
)
from flows.erasure.search import Names
from flows.erasure.training import bundles_trained_on
from flows.installation import Installation
from validation_reports.report.file_names import JSON_NAME


@dataclass(frozen=True)
class Person:
    """One person, by everything that names the person here; only ever in memory, and in the file of
    an erasure that is not finished.

    Parameters
    ----------
    center : str
        The centre.
    patients, studies : tuple of str
        Pseudonyms.
    patient_ids : tuple of str
        Patient IDs (0010,0020), as far as they are known.
    names : tuple of str
        Every pseudonym, UID and digest that is looked for.
    paths : tuple of str
        Files of the archive, relative to it.
    outcome : Outcome
        By which reports' rows are recognised.
    bundles : tuple of str
        Digests of the bundles that the person's data trained.
    """

    center: str
    patients: tuple[str, ...]
    studies: tuple[str, ...]
    patient_ids: tuple[str, ...]
    names: tuple[str, ...]
    paths: tuple[str, ...]
    outcome: Outcome
    bundles: tuple[str, ...]

    def with_more_of(self, others: Iterable[Person]) -> Person:
        """Return the person with what others, who are the same, are named by too."""
        found = self
        for other in others:
            more: dict[str, Any] = {
                one.name: tuple(sorted({*getattr(found, one.name), *getattr(other, one.name)}))
                for one in fields(Person)
                if one.name not in {"center", "outcome"}
            }
            outcome = Outcome(
                self.center,
                tuple(sorted({*found.outcome.linear_predictors, *other.outcome.linear_predictors})),
                tuple(sorted({*found.outcome.follow_ups, *other.outcome.follow_ups})),
            )
            found = replace(found, outcome=outcome, **more)
        return found


class UnknownPersonError(NodeError, LookupError):
    """Nothing is known here of whom is meant."""


def find_person(work: Installation, key: bytes, patient: str, center: str | None) -> Person:
    """Find a person by a pseudonym, or by Patient ID and centre.

    Parameters
    ----------
    work : Installation
        The installation.
    key : bytes
        The pseudonym key.
    patient : str
        The pseudonym, that of one of the person's studies, or with `center` also the Patient ID.
    center : str or None
        The centre.

    Raises
    ------
    UnknownPersonError
        If nothing is known of the person.
    """
    known = work.registry.people.known()
    rows = work.store.people()
    pseudonyms = {one.patient_key for one in known} | {one for _, one, _ in rows}
    studies = {one.study_key: one.patient_key for one in known}
    studies |= {study: who for _, who, study in rows if study}
    patient = studies.get(patient, patient)
    if patient in pseudonyms:
        wanted, patient_id = patient, None
    elif center is not None:
        wanted, patient_id = patient_key(key, work.center(center).name, patient), patient
    else:
        raise UnknownPersonError(
            "No patient and no study is known under this pseudonym: expected one as runs and "
            "`python -m dicom_node status` show it, or the Patient ID together with --center."
        )
    found_at = {one.center for one in known if one.patient_key == wanted}
    found_at |= {where for where, one, _ in rows if one == wanted}
    tables = 0 if center is None else _rows_in_tables(work, key, center, [wanted])
    if wanted not in pseudonyms and not tables:
        raise UnknownPersonError(
            f"Nothing is known of this patient at centre {center}: neither a study nor a clinical "
            "row; check the Patient ID as the centre's PACS writes it."
        )
    return person_of(work, key, min(found_at or {str(center)}), wanted, patient_id)


def person_of(
    work: Installation, key: bytes, center: str, patient: str, patient_id: str | None = None
) -> Person:
    """Return everything that names a person whose pseudonym is known."""
    traces = work.registry.people.traces(center, patient)
    patients = sorted(traces.patients)
    rows = {study for _, who, study in work.store.people() if who in traces.patients and study}
    studies = sorted(traces.studies | rows)
    ids, uids = _said_by_files(work, center, studies, traces.reports)
    uids -= traces.shared_uids
    if patient_id is not None:
        ids.add(patient_id.strip())
    scores = work.store.rows_in_any_version("scores", patients)
    records = work.store.rows_in_any_version("clinical", patients)
    contents = {str(row["content_digest"]) for row in scores}
    images = {image_key(key, uid) for uid in traces.uids}
    return Person(
        center=center,
        patients=tuple(patients),
        studies=tuple(studies),
        patient_ids=tuple(sorted(ids)),
        names=tuple(sorted(names_of(traces) | {*studies, *uids, *contents, *images})),
        paths=tuple(sorted(traces.paths)),
        outcome=outcome_of(center, scores, records),
        bundles=bundles_trained_on(work, center, patients),
    )


def who_came_back(work: Installation, key: bytes, erased: ErasedPeople) -> list[Person]:
    """Return the people on the list of whom something is here again."""
    found: dict[str, str] = {}
    for one in work.registry.people.known():
        if erased.has_patient(one.patient_key) or erased.has_study(one.study_key):
            found[one.patient_key] = one.center
    for center, patient, study in work.store.people():
        if erased.has_patient(patient) or (study and erased.has_study(study)):
            found.setdefault(patient, center)
    return [person_of(work, key, center, patient) for patient, center in sorted(found.items())]


def found_in_words(work: Installation, key: bytes, person: Person) -> list[str]:
    """Return where a person is found, a sentence each."""
    said = []
    if person.studies:
        files = sum(1 for folder in _study_folders(work, person) for _ in folder.glob("*.dcm"))
        many = len(person.studies)
        studies = counted(many, "study", "studies")
        said.append(f"{studies} of centre {person.center}, with {counted(files, 'DICOM file')}.")
    rows = work.store.rows_of(person.patients, person.studies)
    if rows:
        tables = ", ".join(f"{name} {number}" for name, number in rows.items())
        said.append(f"Rows in the feature store, over all versions: {tables}.")
    reports = [one.name for one in reports_of(work, person)]
    if reports:
        said.append(f"{counted(len(reports), 'report')}: {', '.join(reports)}.")
    tables_rows = _rows_in_tables(work, key, person.center, person.patients)
    if tables_rows:
        said.append(f"{counted(tables_rows, 'row')} of clinical tables in the drop folder.")
    names = Names(person.names)
    runs = sum(rows_about(one, names) for one in prefect_databases(work))
    if runs:
        said.append(f"{counted(runs, 'run')} in the Prefect server's database.")
    if person.bundles:
        said.append(
            f"The training of {counted(len(person.bundles), 'bundle')} "
            f"({', '.join(one[:12] for one in person.bundles)}): bundles stay as they are, and "
            "their model cards will say so."
        )
    elsewhere = filter(None, (store_elsewhere(work), prefect_elsewhere(work)))
    said += [f"Not looked through. {one}" for one in elsewhere]
    shared = work.registry.people.traces(person.center, person.patients[0]).elsewhere
    for center, patient in sorted({(one.center, one.patient_key) for one in shared}):
        said.append(
            f"The same images are also here as patient {patient} of centre {center}: who is "
            "erased there must be named too."
        )
    return said


def reports_of(work: Installation, person: Person) -> list[Path]:
    """Return the folders of the reports that name a person, have a row of one, or were computed
    from one.
    """
    return [
        one
        for one in reports_below(work.settings.reports_folder())
        if is_in(one, person.patients, person.outcome)
        or was_read_for(one / JSON_NAME, work.store, person.center, person.patients)
    ]


def _rows_in_tables(work: Installation, key: bytes, center: str, patients: Iterable[str]) -> int:
    wanted = set(patients)
    folder = work.settings.clinical_drop_folder(center)
    return sum(
        rows_of_person(path, lambda cell: patient_key(key, center, cell) in wanted)
        for path in tables_below(folder)[0]
    )


def _study_folders(work: Installation, person: Person) -> list[Path]:
    home = work.settings.node.folder
    return [
        home / place / person.center / study
        for place in ("archive", "quarantine", "structured_reports")
        for study in person.studies
    ]


def _said_by_files(
    work: Installation, center: str, studies: Iterable[str], reports: Iterable[str]
) -> tuple[set[str], set[str]]:
    """Return the Patient IDs and the UIDs that a study's files and its reports have."""
    home = work.settings.node.folder
    files = [Path(one) for one in reports]
    for study in studies:
        for place in ("archive", "quarantine", "structured_reports"):
            files += sorted((home / place / center / study).glob("*.dcm"))
    ids, uids = set(), set()
    for path in files:
        try:
            header = dcmread(path, stop_before_pixels=True, force=True)
        except (OSError, InvalidDicomError, ValueError, EOFError):
            continue  # what cannot be read goes with its folder
        ids.add(text_as_sent(header, "PatientID").strip())
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            uids.add(str(header.get(name, "") or ""))
    return ids - {""}, uids - {""}
