"""The flow `import-clinical`: a centre's clinical CSV into the feature store, pseudonymised on the
way.

A CSV is named, or left in the centre's drop folder: there it goes to ``imported`` or ``refused``
once it has been read.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
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
    read_clinical_csv,
)
from feature_store.expectations.checks import Check, judged_codes
from feature_store.expectations.follow_up_rules import CONFIRMABLE, confirmed
from feature_store.expectations.suites import (
    Finding,
    Severity,
    check_clinical,
    check_follow_up,
)
from flows.data.follow_up import center_follow_up_facts
from flows.installation import Installation, installation
from flows.refusal import REFUSALS, refusable_flow, refused
from flows.software_version import software_version

IMPORTED, REFUSED_FILES = "imported", "refused"
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
        Path of the CSV file; its columns are described in ``deploy/clinical-table.md``. By default
        every CSV in the centre's drop folder is imported, oldest first.
    confirm : sequence of str
        Codes of what is implausible in the follow-up of a named table and right all the same.
    """
    if unknown := sorted(set(confirm) - CONFIRMABLE):
        raise ClinicalTableError(
            f"{', '.join(unknown)} cannot be confirmed: expected codes out of "
            f"{', '.join(sorted(CONFIRMABLE))}."
        )
    if confirm and not csv:
        raise ClinicalTableError(
            "What is implausible is confirmed for one table, expected its CSV: name the file."
        )
    return _import_named(center, csv, confirm) if csv else _import_dropped(center)


def dropped_files(work: Installation, center: str) -> list[Path]:
    """Return the CSV files that wait in a centre's drop folder and are no longer written to, oldest
    first.
    """
    folder = work.settings.clinical_drop_folder(center)
    written = (
        {path: path.stat().st_mtime for path in folder.glob("*.csv")} if folder.is_dir() else {}
    )
    settled = [path for path, at in written.items() if time.time() - at >= _WRITTEN_BEFORE_S]
    return sorted(settled, key=lambda path: (written[path], path.name))


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
            f"The drop folder of centre {name} holds no CSV file: expected one in {folder}, or "
            "name one with -p csv=..."
        )
    done, refusals = [], []
    for path in files:
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
    key = work.pseudonym_key()
    table = read_clinical_csv(
        csv,
        center,
        lambda patient_id: patient_key(key, center, patient_id),
        lambda patient: clock_shift_s(key, patient),
    )
    kept = {record.patient_key: record for record in work.store.clinical(center)}
    whole = tuple((kept | {record.patient_key: record for record in table.records}).values())
    judged = {
        "clinical": (table.records, check_clinical(table.records)),
        "follow-up": (
            whole,
            confirmed(check_follow_up(center_follow_up_facts(work, whole)), confirm),
        ),
    }
    if not table.records:
        judged.pop("follow-up")
    for suite, (records, found) in judged.items():
        _keep(work, center, suite, records, found)
    findings = [finding for _, found in judged.values() for finding in found]
    critical = " ".join(
        finding.sentence for finding in findings if finding.severity is Severity.CRITICAL
    )
    for sentence in [
        *(sentence for _, sentence in table.rejected),
        *(finding.sentence for finding in findings),
    ]:
        get_run_logger().warning(sentence)
    if critical:
        raise ClinicalTableError(critical)
    in_force = tuple(sorted({finding.code for finding in findings} & set(confirm)))
    work.store.put_clinical(
        ClinicalTable(
            tuple(replace(record, confirmed=in_force) for record in table.records), table.rejected
        )
    )
    return (
        f"{len(table.records)} patients of centre {center} imported "
        f"({_changes(kept, table.records)}), {len(table.rejected)} rows rejected"
    )


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
    if sentence is not None:
        kept.with_suffix(".txt").write_text(sentence + "\n", encoding="utf-8")
