"""The flow `import-clinical`: a centre's clinical table into the feature store, under pseudonyms.

A table is named, or left in the centre's drop folder: there it goes to ``imported`` or ``refused``
once it has been read.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed

from dicom_node.pseudonym import clock_shift_s, patient_key
from feature_store.clinical_records import (
    ClinicalRecord,
    ClinicalTable,
    ClinicalTableError,
)
from feature_store.clinical_tables.other_spellings import spelt_otherwise
from feature_store.clinical_tables.preview import preview_lines
from feature_store.clinical_tables.reading import TableReading, read_clinical_table
from feature_store.clinical_tables.rejected_rows import (
    REJECTED_ENDING,
    rejected_rows_file,
    write_rejected_rows,
)
from feature_store.expectations.checks import Check, judged_codes
from feature_store.expectations.follow_up_rules import CONFIRMABLE, confirmed
from feature_store.expectations.suites import (
    Finding,
    Severity,
    check_clinical,
    check_follow_up,
)
from feature_store.wording import counted
from flows.data.clinical_rows import take_rows_out
from flows.data.erased import erased_people
from flows.data.follow_up import center_follow_up_facts
from flows.installation import Installation, installation
from flows.refusal import REFUSALS, refusable_flow, refused
from flows.runs.account import about, warn
from flows.software_version import software_version

IMPORTED, REFUSED_FILES = "imported", "refused"
_TABLE_ENDINGS = {".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}
_WRITTEN_BEFORE_S = 2.0
"""A file that was written to more recently may still be growing."""


@refusable_flow(name="import-clinical", flow_run_name="{center}")
def import_clinical(
    center: str, csv: str | None = None, confirm: Sequence[str] = ()
) -> State[None]:
    """Read the clinical table of one centre.

    Parameters
    ----------
    center : str
        The centre's name in the settings file.
    csv : str, optional
        Path of the table, delimited text or an Excel workbook
        (``deploy/guide/clinical-table.md``). By default every table in the centre's drop folder is
        imported, oldest first.
    confirm : sequence of str
        Codes of what is implausible in the follow-up of a named table and right all the same.
    """
    about(installation().center(center).name)
    if unknown := sorted(set(confirm) - CONFIRMABLE):
        raise ClinicalTableError(
            f"{', '.join(unknown)} cannot be confirmed: expected codes out of "
            f"{', '.join(sorted(CONFIRMABLE))}."
        )
    if confirm and not csv:
        raise ClinicalTableError(
            "What is implausible is confirmed for one table, expected its file: name the file."
        )
    return _import_named(center, csv, confirm) if csv else _import_dropped(center)


def dropped_files(work: Installation, center: str) -> list[Path]:
    """Return the tables that wait in a centre's drop folder and are no longer written to, oldest
    first.
    """
    folder = work.settings.clinical_drop_folder(center)
    written = (
        {path: path.stat().st_mtime for path in folder.iterdir() if _is_table(path)}
        if folder.is_dir()
        else {}
    )
    settled = [path for path, at in written.items() if time.time() - at >= _WRITTEN_BEFORE_S]
    return sorted(settled, key=lambda path: (written[path], path.name))


def _is_table(path: Path) -> bool:
    """Say whether a file of a drop folder is a table, and none of ours or of an open Excel."""
    return (
        path.suffix.lower() in _TABLE_ENDINGS
        and not path.name.startswith((".", "~$"))
        and not path.name.endswith(REJECTED_ENDING)
        and path.is_file()
    )


def _import_named(center: str, csv: str, confirm: Sequence[str]) -> State[None]:
    work = installation()
    return Completed(message=_import(work, work.center(center).name, Path(csv), confirm))


def _import_dropped(center: str) -> State[None]:
    work = installation()
    name = work.center(center).name
    files = dropped_files(work, name)
    if not files:
        folder = work.settings.clinical_drop_folder(name)
        raise ClinicalTableError(
            f"The drop folder of centre {name} holds no table: expected one in {folder}, or "
            "name one with -p csv=..."
        )
    done, refusals = [], []
    key, erased = work.pseudonym_key(), erased_people(work)
    for path in files:
        if erased.entries():
            with suppress(ValueError):  # the import says that it cannot be opened
                take_rows_out(path, lambda cell: erased.has_patient(patient_key(key, name, cell)))
        try:
            done.append(_import(work, name, path))
        except REFUSALS as error:
            refusals.append(str(error))
            _put_away(path, REFUSED_FILES, str(error))
        else:
            _put_away(path, IMPORTED, None)
    words = "; ".join([*done, *refusals])
    return refused(words) if refusals else Completed(message=words)


def _import(
    work: Installation, center: str, csv: Path, confirm: Collection[str] = frozenset()
) -> str:
    reading, left_out = _without_erased(work, _read(work, center, csv))
    table, rejected_file = reading.table, _written_beside(csv, reading)
    kept = {record.patient_key: record for record in work.store.clinical(center)}
    judged = _judged(work, center, reading, confirm)
    for suite, (records, found) in judged.items():
        _keep(work, center, suite, records, found)
    findings = [finding for _, found in judged.values() for finding in found]
    for sentence in [*reading.sheet.remarks, *(sentence for _, sentence in table.rejected)]:
        get_run_logger().warning("%s", sentence)
    if critical := _critical(table, findings):
        raise ClinicalTableError(critical)
    for sentence in [*reading.warnings, *(finding.sentence for finding in findings)]:
        warn(sentence)
    in_force = tuple(sorted({finding.code for finding in findings} & set(confirm)))
    work.store.put_clinical(
        ClinicalTable(
            tuple(replace(record, confirmed=in_force) for record in table.records), table.rejected
        )
    )
    n, wrong = len(table.records), len(table.rejected)
    return (
        f"{counted(n, 'patient')} of centre {center} imported "
        f"({_changes(kept, table.records)}), {counted(wrong, 'row')} rejected"
        + (f": {rejected_file}" if wrong else "")
        + (f", {counted(left_out, 'row')} of erased people left out" if left_out else "")
    )


def check_table(
    work: Installation, center: str, csv: Path, confirm: Collection[str] = ()
) -> tuple[list[str], bool]:
    """Say what an import would read of a table, and keep nothing.

    Parameters
    ----------
    work : Installation
        What is known of the centre's patients already is judged with the table.
    center : str
        The centre.
    csv : Path
        The table.
    confirm : collection of str
        Codes of what is implausible and would be confirmed.

    Returns
    -------
    lines : list of str
        What was taken for what, counts, first rows and what is wrong, without identity.
    accepted : bool
        Whether an import would keep it.

    Raises
    ------
    ClinicalTableError
        If the table as a whole cannot be read.
    """
    reading = _read(work, work.center(center).name, csv)
    judged = _judged(work, center, reading, confirm)
    findings = [finding for _, found in judged.values() for finding in found]
    refusal = _critical(reading.table, findings)
    warned = [one.sentence for one in findings if one.severity is not Severity.CRITICAL]
    ending = f"It would be refused: {refusal}" if refusal else "It would be imported."
    return [*preview_lines(reading), *warned, "", f"{ending} Nothing was kept."], not refusal


def _read(work: Installation, center: str, csv: Path) -> TableReading:
    key = work.pseudonym_key()
    reading = read_clinical_table(
        csv,
        center,
        lambda patient_id: patient_key(key, center, patient_id),
        lambda patient: clock_shift_s(key, patient),
        work.settings.clinical_conventions(center),
    )
    arrived = {study.patient_key for study in work.registry.studies.summaries(center)}
    alike = spelt_otherwise(
        reading, lambda one: patient_key(key, center, one) in arrived, len(arrived)
    )
    return replace(reading, warnings=(*reading.warnings, *alike))


def _without_erased(work: Installation, reading: TableReading) -> tuple[TableReading, int]:
    """Leave out who was erased; return also how many that are."""
    erased = erased_people(work)
    records = reading.table.records
    allowed = tuple(one for one in records if not erased.has_patient(one.patient_key))
    table = ClinicalTable(allowed, reading.table.rejected)
    return replace(reading, table=table), len(records) - len(allowed)


def _written_beside(csv: Path, reading: TableReading) -> str:
    """Write the rejected rows beside their table; say where they are, wherever it is moved to."""
    try:
        write_rejected_rows(csv, reading)
    except OSError as error:
        return f"they could not be written beside the table ({error.strerror})"
    return f"they are beside the table, in a file that ends with {REJECTED_ENDING}"


def _judged(
    work: Installation, center: str, reading: TableReading, confirm: Collection[str]
) -> dict[str, tuple[tuple[ClinicalRecord, ...], tuple[Finding, ...]]]:
    """Return by suite what was looked at and what was found; the follow-up is judged together with
    that of the patients who are there already.
    """
    table = reading.table
    kept = {record.patient_key: record for record in work.store.clinical(center)}
    whole = tuple((kept | {record.patient_key: record for record in table.records}).values())
    facts = center_follow_up_facts(work, whole, reading.lost)
    judged = {
        "clinical": (table.records, check_clinical(table.records)),
        "follow-up": (whole, confirmed(check_follow_up(facts), confirm)),
    }
    if not table.records:
        judged.pop("follow-up")
    return judged


def _critical(table: ClinicalTable, findings: Sequence[Finding]) -> str:
    """Return why a table is refused; where no row is usable, with what is wrong in the first."""
    sentences = [one.sentence for one in findings if one.severity is Severity.CRITICAL]
    if not table.records and table.rejected:
        sentences.append(table.rejected[0][1])
    return " ".join(sentences)


def _changes(kept: Mapping[str, ClinicalRecord], records: Sequence[ClinicalRecord]) -> str:
    """Say how many records are new, other than before, and as before."""
    new = sum(record.patient_key not in kept for record in records)
    same = sum(
        replace(kept[record.patient_key], confirmed=()) == replace(record, confirmed=())
        for record in records
        if record.patient_key in kept
    )
    return f"{new} new, {len(records) - new - same} changed, {same} unchanged"


def _keep(
    work: Installation,
    center: str,
    suite: str,
    records: Sequence[ClinicalRecord],
    findings: tuple[Finding, ...],
) -> None:
    work.store.put_check(
        Check(
            suite=suite,
            center=center,
            study=None,
            codes=judged_codes(suite),
            findings=findings,
            n=len(records),
            checked_at=datetime.now(UTC),
            software_version=software_version(),
        )
    )


def _put_away(path: Path, folder: str, sentence: str | None) -> None:
    """Move a file that has been read beside its folder; a refused one with the reason in a text
    file.
    """
    kept = path.parent / folder / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{path.name}"
    kept.parent.mkdir(exist_ok=True)
    path.rename(kept)
    if (rejected := rejected_rows_file(path)).exists():
        rejected.rename(rejected_rows_file(kept))
    if sentence is not None:
        reason = kept.with_name(f"{kept.stem}{'.reason' * (kept.suffix == '.txt')}.txt")
        reason.write_text(sentence + "\n", encoding="utf-8")
