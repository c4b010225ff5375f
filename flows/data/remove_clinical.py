"""Clinical records that came under a wrong key, or by mistake, are removed; who did it and why is
recorded in the table's own history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dicom_node.audit import AuditEvent, record
from feature_store.clinical_records import ClinicalTableError
from feature_store.wording import counted
from flows.installation import Installation

LONGEST_REASON = 300


@dataclass(frozen=True)
class Unwanted:
    """Which records of a centre are to go; exactly one of these says it.

    Parameters
    ----------
    patients : sequence of str
        Pseudonyms.
    without_study : bool
        Those of patients of whom no study was received and no features were imported, as all are
        that came under a wrong key.
    since : datetime or None
        Those that were written at this time or later.
    all_of_center : bool
        All.
    """

    patients: Sequence[str] = ()
    without_study: bool = False
    since: datetime | None = None
    all_of_center: bool = False


def records_to_remove(work: Installation, center: str, unwanted: Unwanted) -> frozenset[str]:
    """Return the patients whose records would go.

    Raises
    ------
    ClinicalTableError
        If not exactly one way says which, or a patient has no record.
    SettingsError
        If there is no such centre.
    """
    center = work.center(center).name
    ways = (unwanted.patients, unwanted.without_study, unwanted.since, unwanted.all_of_center)
    if sum(map(bool, ways)) != 1:
        raise ClinicalTableError(
            "Say in one way which records are to go: by patients, --without-study, --since or "
            "--all."
        )
    written = work.store.clinical_written(center)
    if unknown := sorted(set(unwanted.patients) - written.keys()):
        raise ClinicalTableError(
            f"Centre {center} has no clinical record of patient {unknown[0]}: expected pseudonyms "
            "as `python -m flows query clinical` shows them."
        )
    if unwanted.patients:
        return frozenset(unwanted.patients)
    if unwanted.without_study:
        arrived = {study.patient_key for study in work.registry.studies.summaries(center)}
        arrived |= {patient.patient_key for patient in work.store.imported(center)}
        return frozenset(written.keys() - arrived)
    since = unwanted.since
    return frozenset(key for key, at in written.items() if since is None or at >= since)


def remove_clinical(
    work: Installation, center: str, patients: frozenset[str], by: str, reason: str
) -> str:
    """Remove the records of patients, and say what was done.

    Parameters
    ----------
    work : Installation
        The installation.
    center : str
        The centre.
    patients : frozenset of str
        Pseudonyms, of whom there are records.
    by, reason : str
        Who decides, and why.

    Raises
    ------
    ClinicalTableError
        If name or reason is empty or too long.
    StoreError
        If the table cannot be written.
    """
    name, why = (" ".join(text.split()) for text in (by, reason))
    if not name or not why or len(name) + len(why) > LONGEST_REASON:
        raise ClinicalTableError(
            f"Name and reason of a removal have {len(name)} and {counted(len(why), 'character')}: "
            f"expected both, together at most {LONGEST_REASON}, no patient's data."
        )
    done = f"{_records(len(patients))} of centre {center} removed by {name}: {why}"
    if patients:
        work.store.remove_clinical(center, patients, done)
        record(AuditEvent.CLINICAL_REMOVED, center=center, records=len(patients))
    return f"{done}. Earlier versions, which reports name, keep them."


def would_be_removed(center: str, patients: frozenset[str], kept: int) -> str:
    """Say what a removal would do."""
    return (
        f"{_records(len(patients))} of centre {center} would be removed, {kept} would stay. "
        "Nothing was done: give --confirm."
    )


def removals_in_words(work: Installation) -> list[str]:
    """Return a line for each removal that is recorded."""
    return [f"{at:%Y-%m-%d %H:%M} UTC  {what}" for at, what in work.store.clinical_removals()]


def _records(number: int) -> str:
    return f"{counted(number, 'clinical record')}"
