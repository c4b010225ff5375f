"""A person is erased: entered in the list first, then taken out place by place, at last looked for
in every byte; what dies on the way goes on when it is asked for again.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from dicom_node.archive.archive import Archive
from dicom_node.archive.erased_people import FOLDER, ErasedPeople, ErasedPerson, token
from dicom_node.audit import AuditEvent, record
from dicom_node.errors import NodeError, StudyStateError
from dicom_node.intake.erasure import forget_files
from dicom_node.pseudonym import patient_key
from dicom_node.registry.registry import PersonTraces
from feature_store.tables.table_defects import Damage
from feature_store.wording import counted
from flows.data.clinical_rows import tables_below, take_rows_out
from flows.erasure.ledger import SCHEMA, Ledger, unfinished
from flows.erasure.log_lines import take_lines_out
from flows.erasure.person import Person, person_of, reports_of, who_came_back
from flows.erasure.places import (
    OUTSIDE,
    prefect_databases,
    prefect_elsewhere,
    roots,
    store_elsewhere,
    who_runs,
)
from flows.erasure.prefect_history import forget_runs
from flows.erasure.report_folders import (
    is_in,
    is_noted,
    take_out_of_record,
    take_out_of_report,
)
from flows.erasure.search import Names, names_left, search
from flows.erasure.training import note_in_bundles
from flows.installation import Installation
from flows.software_version import software_version

LONGEST_NAME, LONGEST_REASON = 64, 300
_LONG_ID = 6
_IN_BUNDLES = (
    "bundles that the person's data trained, with digests of pixels by which a validation "
    "recognises training images; their model cards say that a training patient was erased"
)
_log = logging.getLogger(__name__)


class ErasureError(NodeError, RuntimeError):
    """A person is not erased, or not yet: the message says what stands in the way."""


@dataclass(frozen=True)
class Erasure:
    """What an erasure works with.

    Parameters
    ----------
    work : Installation
        The installation.
    key : bytes
        The pseudonym key.
    erased : ErasedPeople
        The list.
    """

    work: Installation
    key: bytes
    erased: ErasedPeople


def erasure_in(work: Installation, key: bytes) -> Erasure:
    """Return what erasures in an installation work with."""
    return Erasure(work, key, ErasedPeople(work.settings.node.folder, key))


def enter(at: Erasure, person: Person, by: str, reason: str) -> ErasedPerson:
    """Enter a person in the list, from which moment on nothing of the person is taken; who is on it
    already is not entered again.

    Raises
    ------
    StudyStateError
        If name or reason is empty or too long.
    ArchiveError
        If the list cannot be written.
    """
    who, why = (" ".join(text.split()) for text in (by, reason))
    for what, text, longest in (("name", who, LONGEST_NAME), ("reason", why, LONGEST_REASON)):
        if not 0 < len(text) <= longest:
            raise StudyStateError(
                f"The {what} of an erasure has {counted(len(text), 'character')}: expected 1 to "
                f"{longest}, no patient's data."
            )
    patients = tuple(token(at.key, "patient", one) for one in person.patients)
    studies = tuple(token(at.key, "study", one) for one in person.studies)
    for entry in at.erased.entries():
        if set(patients) <= set(entry.patients) and set(studies) <= set(entry.studies):
            return entry
    moment = datetime.now(UTC)
    number = f"{moment:%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
    entry = ErasedPerson(number, moment.isoformat(), who, why, person.center, patients, studies)
    at.erased.enter(entry)
    record(AuditEvent.PERSON_ERASED, center=person.center, erasure=entry.id)
    return entry


def erase_person(at: Erasure, person: Person, by: str, reason: str) -> Ledger:
    """Enter a person in the list, take the person out of every place, and certify it; return the
    ledger, which has the certificate.

    Raises
    ------
    NodeError
        If something stands in the way; what was done stays done, and `go_on` goes on.
    """
    entry = enter(at, person, by, reason)
    ledger = Ledger(at.erased.folder, entry.id)
    if ledger.certificate.exists():  # the person came back since
        ledger = Ledger(at.erased.folder, f"{entry.id}.{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
    ledger.begin(person)
    _carry_out(at, ledger)
    return ledger


def go_on(at: Erasure) -> list[Ledger]:
    """Finish erasures that were begun, and erase again who came back with a back-up.

    Raises
    ------
    NodeError
        As `erase_person`.
    """
    finished = unfinished(at.erased)
    for ledger in finished:
        _carry_out(at, ledger)
    for person in who_came_back(at.work, at.key, at.erased):
        again = "a back-up from before the erasure was put back"
        finished.append(erase_person(at, person, "annulus", again))
    return finished


def _carry_out(at: Erasure, ledger: Ledger) -> None:
    if elsewhere := store_elsewhere(at.work):
        raise ErasureError(
            f"{elsewhere} Nothing of the person is taken from now on, and nothing was removed yet."
        )
    if running := who_runs(at.work):
        raise ErasureError(
            f"{' and '.join(running)} would write meanwhile: stop the system (`make down`), and "
            "give the same command again. Nothing of the person is taken from now on."
        )
    if not ledger.steps():
        found = at.work.store.defects()
        if defects := [one for one in found if one.damage is not Damage.OLDER]:
            raise ErasureError(
                f"The feature store is damaged, so that its versions cannot be written again: "
                f"{defects[0].sentence} Nothing of the person is taken from now on, and nothing "
                "was removed yet."
            )
        # what was being worked on when the person was entered in the list has come to its end since
        begun = ledger.person()
        now = [person_of(at.work, at.key, begun.center, one) for one in begun.patients]
        ledger.begin(begun.with_more_of(now))
    person = ledger.person()
    for name, step in _STEPS.items():
        if name in ledger.steps():
            continue
        try:
            ledger.finish_step(name, step(at, ledger, person))
        except (OSError, sqlite3.Error) as error:
            raise ErasureError(
                f"The step “{name}” could not be done ({_why(error)}): mend that, and give "
                "the same command again; what is done stays done."
            ) from error
        _log.info("Erasure %s: the step %s is done.", ledger.id, name)
    _certify(at, ledger, person)


def _why(error: Exception) -> str:
    """Return an error in words, without the path that it may name."""
    told = error.strerror if isinstance(error, OSError) else str(error)
    return told or type(error).__name__


def _registry(at: Erasure, _ledger: Ledger, person: Person) -> list[str]:
    people = at.work.registry.people
    gone = people.forget(_traces(person), person.names)
    people.scrub()
    studies = counted(gone, "study", "studies")
    return [f"{studies} with all that was known; the database was written anew without"]


def _files(at: Erasure, _ledger: Ledger, person: Person) -> list[str]:
    node = at.work.settings.node
    archive = Archive(node.folder, durable=node.durable)
    files = forget_files(archive, _traces(person))
    reports = 0
    for study in person.studies:
        folder = node.folder / "structured_reports" / person.center / study
        reports += len(list(folder.glob("*.dcm"))) if folder.is_dir() else 0
        archive.forget(folder)
    said = [
        f"archive and quarantine: {counted(files, 'file')}",
        f"structured reports: {counted(reports, 'file')}",
    ]
    return said + _unnamed_files(at, archive, person)


def _unnamed_files(at: Erasure, archive: Archive, person: Person) -> list[str]:
    """Remove what names the person elsewhere in the quarantine and among the reports to deliver; in
    the archive, what is not in a folder of the person's studies is another person's.
    """
    names, home = Names(person.names), at.work.settings.node.folder
    places = [home / name for name in ("quarantine", "structured_reports")]
    found = search([place for place in places if place.is_dir()], names).found
    for path in found:
        archive.forget(path)
    at.work.registry.people.forget_reports([str(path) for path in found])
    return [f"{counted(len(found), 'other file')} that named the person"] if found else []


def _store(at: Erasure, _ledger: Ledger, person: Person) -> list[str]:
    return [
        f"{one.table}: {counted(one.rows, 'row')} out of {counted(one.files, 'file')}; "
        f"{counted(one.versions, 'version')} written again, each under the number that it had"
        for one in at.work.store.take_out(person.patients, person.studies)
        if one.versions
    ]


def _reports(at: Erasure, ledger: Ledger, person: Person) -> list[str]:
    folder, number = at.work.settings.reports_folder(), ledger.id.partition(".")[0]
    said = [
        take_out_of_report(report, person.patients, person.outcome, number)
        for report in reports_of(at.work, person)
        if not is_noted(report, number) or is_in(report, person.patients, person.outcome)
    ]
    said += [
        f"exact record of report {record.stem}: the person counted, no pseudonym left"
        for record in sorted(at.work.settings.records_folder().glob("*.json"))
        if take_out_of_record(record, person.patients, folder / record.stem)
    ]
    names = Names(person.names)
    pages = [folder, at.work.settings.node.folder / "expectation_pages"]
    left = search([one for one in pages if one.is_dir()], names).found
    for path in left:
        # pages that `python -m flows expectations` makes again, and PDFs without a report
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    note = f"{counted(len(left), 'page')} that can be made again removed"
    bundles = note_in_bundles(at.work, person.bundles, number)
    noted = f"noted beside {counted(bundles, 'bundle')} that the person was in training"
    return [*said, *([note] if left else []), *([noted] if bundles else [])]


def _tables(at: Erasure, _ledger: Ledger, person: Person) -> list[str]:
    wanted = set(person.patients)
    folder = at.work.settings.clinical_drop_folder(person.center)
    tables, closed = tables_below(folder)
    rows = sum(
        take_rows_out(path, lambda cell: patient_key(at.key, person.center, cell) in wanted)
        for path in tables
    )
    names = Names(person.names)
    lines = sum(take_lines_out(path, names) for path in sorted(folder.rglob("*.txt")))
    return [
        f"{counted(rows + lines, 'row')} of tables in the drop folder",
        *(
            [f"{counted(closed, 'refused table')} there cannot be looked through: check by hand"]
            if closed
            else []
        ),
    ]


def _prefect(at: Erasure, _ledger: Ledger, person: Person) -> list[str]:
    names, said = Names(person.names), []
    for database in prefect_databases(at.work):
        gone = forget_runs(database, names)
        told = ", ".join(f"{table} {number}" for table, number in gone.items()) or "none"
        said.append(f"rows by table: {told}; the database was written anew without")
    return said


def _logs(at: Erasure, _ledger: Ledger, person: Person) -> list[str]:
    names = Names({*person.names, *_long_ids(person)})
    logs = {path for root in roots(at.work) for path in root.rglob("*.log*") if path.is_file()}
    lines = sum(take_lines_out(path, names) for path in sorted(logs) if path.suffix != ".gz")
    return [counted(lines, "line")]


_STEPS: dict[str, Callable[[Erasure, Ledger, Person], list[str]]] = {
    "reports": _reports,
    "registry": _registry,
    "files": _files,
    "feature store": _store,
    "clinical tables": _tables,
    "Prefect": _prefect,
    "logs": _logs,
}
"""In this order; each may be done twice."""


def _traces(person: Person) -> PersonTraces:
    return PersonTraces(
        center=person.center,
        patients=frozenset(person.patients),
        studies=frozenset(person.studies),
        paths=frozenset(person.paths),
    )


def _ids(person: Person) -> Names:
    return Names(_long_ids(person))


def _long_ids(person: Person) -> list[str]:
    """Return the Patient IDs that are looked for in all texts; shorter ones are also something
    else, and are looked for as cells of clinical tables.
    """
    return [one for one in person.patient_ids if len(one) >= _LONG_ID]


def _certify(at: Erasure, ledger: Ledger, person: Person) -> None:
    """Look for the person in every byte, and sign what was found."""
    names, places = Names(person.names), roots(at.work)
    looked = search(places, names, {ledger.unfinished.resolve()}, _ids(person))
    if looked.found or looked.unreadable:
        left = names_left([*looked.found, *looked.unreadable], names, places)
        raise ErasureError(
            f"Files that still name the person: {len(looked.found)}; files that cannot be read: "
            f"{len(looked.unreadable)}; namely {', '.join(left[:10])}"
            f"{' …' if len(left) > 10 else ''}. Remove or mend them, and give the same "
            "command again; there is no certificate before."
        )
    number = ledger.id.partition(".")[0]
    entry = next((one for one in at.erased.entries() if one.id == number), None)
    elsewhere = [prefect_elsewhere(at.work)]
    if not at.erased.beside.is_dir():
        elsewhere.append(
            f"the list of erased people: it is in {FOLDER} of the node's folder alone, as nothing "
            "could be written beside the folder; copy it away, and put it back after any back-up"
        )
    certificate: dict[str, Any] = {
        "schema": SCHEMA,
        "erasure": None if entry is None else asdict(entry),
        "finished_at": datetime.now(UTC).isoformat(),
        "software_version": software_version(),
        "done": ledger.steps(),
        "looked_for": f"{counted(len(person.names), 'pseudonym')}, UIDs and digests in every file; "
        f"{counted(len(_long_ids(person)), 'Patient ID')} of at least {_LONG_ID} characters "
        "outside of DICOM files; each Patient ID as a cell of the centre's clinical tables",
        "searched": {
            "folders": [place.name for place in places],
            "files": looked.files,
            "bytes": looked.bytes,
            "unpacked": looked.opened,
        },
        "found": [],
        "stays": [
            "numbers, curves and counts of reports, which are of all their patients together",
            *([_IN_BUNDLES] if person.bundles else []),
        ],
        "outside": [*OUTSIDE, *(one for one in elsewhere if one)],
    }
    ledger.certify(certificate, at.key)


def certificate_in_words(path: Path, certificate: dict[str, Any]) -> list[str]:
    """Return what a certificate says, for people."""
    searched = certificate["searched"]
    unpacked = ", ".join(f"{number} {kind}" for kind, number in searched["unpacked"].items())
    lines = [f"Certificate {path}"]
    for name, done in certificate["done"].items():
        lines += [f"  {name}: {sentence}" for sentence in done]
    lines.append(
        f"  searched: {counted(searched['files'], 'file')}, {counted(searched['bytes'], 'byte')}, "
        f"unpacked {unpacked or 'nothing'}: nothing of the person was found"
    )
    lines += [f"  stays: {one}" for one in certificate["stays"]]
    lines += [f"  outside, ask there: {one}" for one in certificate["outside"]]
    return lines
