"""Clinical records: what a centre's table says of its patients, read strictly and under
pseudonyms.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from feature_store.errors import FeatureStoreError

_T = TypeVar("_T")

MINIMUM_AGE = 18.0
"""Patients must be older than this (paper, patients: inclusion)."""
_ABSENT = {"", "na", "nan", "n/a", "none", "null", "unknown", "."}


class ClinicalTableError(FeatureStoreError, ValueError):
    """A clinical table as a whole cannot be read; single rows that cannot are rejected instead."""


class Sex(StrEnum):
    """Sex as in the centre's table."""

    FEMALE = "female"
    MALE = "male"


class Histology(StrEnum):
    """Histology of the primary tumour."""

    ADENOCARCINOMA = "adenocarcinoma"
    SQUAMOUS = "squamous cell carcinoma"
    LARGE_CELL = "large cell"
    NOS = "nos"
    OTHER = "other"


class StageGroup(StrEnum):
    """Overall stage in the groups of the subgroup analysis (paper, statistics)."""

    EARLY = "I-II"
    ADVANCED = "III"


INCLUDED_HISTOLOGIES = frozenset({Histology.ADENOCARCINOMA, Histology.SQUAMOUS})

_COLUMNS: dict[str, tuple[str, ...]] = {
    "patient_id": ("patient_id", "PatientID"),
    "age": ("age",),
    "sex": ("sex", "gender"),
    "histology": ("histology", "Histology"),
    "stage": ("stage", "Overall.Stage"),
    "survival_days": ("survival_days", "Survival.time"),
    "event": ("event", "deadstatus.event"),
    "radiotherapy_start": ("radiotherapy_start",),
}
"""Our name of each column, then the names that are accepted: ours, and those of TCIA
NSCLC-Radiomics.
"""

_OPTIONAL_COLUMNS = frozenset({"radiotherapy_start"})
_CLOCK_ZERO = date(1970, 1, 1)
_SEXES = {"male": Sex.MALE, "m": Sex.MALE, "female": Sex.FEMALE, "f": Sex.FEMALE}
_HISTOLOGIES = {
    "adenocarcinoma": Histology.ADENOCARCINOMA,
    "adeno": Histology.ADENOCARCINOMA,
    "squamous cell carcinoma": Histology.SQUAMOUS,
    "squamous": Histology.SQUAMOUS,
    "large cell": Histology.LARGE_CELL,
    "large cell carcinoma": Histology.LARGE_CELL,
    "nos": Histology.NOS,
}
_STAGES = ("I", "IA", "IB", "II", "IIA", "IIB", "III", "IIIA", "IIIB", "IIIC", "IV", "IVA", "IVB")
_EVENTS = {
    "1": True,
    "true": True,
    "dead": True,
    "0": False,
    "false": False,
    "alive": False,
    "1.0": True,
    "0.0": False,
}


@dataclass(frozen=True)
class ClinicalRecord:
    """One patient's clinical record; what the table leaves empty is `None`.

    Parameters
    ----------
    patient_key : str
        Keyed pseudonym of the patient.
    center : str
        Name of the centre.
    age : float or None
        Age at the start of radiotherapy in years.
    sex : Sex or None
        Sex.
    histology : Histology or None
        Histology of the primary tumour.
    stage : str or None
        Overall stage, upper-case Roman with its letter (``IIIA``).
    survival_days : float
        Days from the start of radiotherapy to death or censoring, above 0.
    event : bool
        `True` where the patient died.
    treatment_start_s : int or None
        Start of the first day of radiotherapy in seconds on the patient's own clock, as of
        `feature_store.imaging.image_marks`.
    confirmed : tuple of str
        Codes of what was implausible in the follow-up of the table, and was confirmed when it was
        imported.

    Raises
    ------
    ValueError
        If the survival time is not a finite number above 0, or the age is not between 0 and 120.
    """

    patient_key: str
    center: str
    age: float | None
    sex: Sex | None
    histology: Histology | None
    stage: str | None
    survival_days: float
    event: bool
    treatment_start_s: int | None = None
    confirmed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.survival_days) and self.survival_days > 0):
            raise ValueError(
                f"the survival time is {self.survival_days} days: expected a number above 0"
            )
        if self.age is not None and not 0 <= self.age <= 120:
            raise ValueError(f"the age is {self.age}: expected 0 to 120 years")

    @property
    def stage_group(self) -> StageGroup | None:
        """Stage I-II or III; `None` when the stage is unknown or IV."""
        if self.stage is None or self.stage.startswith("IV"):
            return None
        return StageGroup.ADVANCED if self.stage.startswith("III") else StageGroup.EARLY


@dataclass(frozen=True)
class Eligibility:
    """Whether a patient belongs in the cohort, and why not.

    Parameters
    ----------
    eligible : bool
        Whether the patient is included.
    reason : str or None
        Why not; `None` for included patients.
    """

    eligible: bool
    reason: str | None


@dataclass(frozen=True)
class ClinicalTable:
    """A clinical table as read.

    Parameters
    ----------
    records : tuple of ClinicalRecord
        The rows that could be read, in the table's order.
    rejected : tuple of (int, str)
        Line number in the file (the header is line 1) and the sentence that says what is wrong, for
        each other row.
    """

    records: tuple[ClinicalRecord, ...]
    rejected: tuple[tuple[int, str], ...]


def eligible(record: ClinicalRecord) -> Eligibility:
    """Say whether a patient can train a model: meets the paper's inclusion criteria that a
    clinical table can tell (paper, patients).

    Those of `analysable`, and a clinical record that is complete: with sex and stage. An age that
    is not recorded does not exclude: the public training table leaves it empty in 5 of the 203
    included patients.

    Parameters
    ----------
    record : ClinicalRecord
        The patient.

    Returns
    -------
    Eligibility
        The verdict with its reason.
    """
    verdict = analysable(record)
    missing = [name for name in ("sex", "stage") if getattr(record, name) is None]
    if verdict.eligible and missing:
        return Eligibility(
            False, f"the clinical record is not complete: {' and '.join(missing)} not recorded"
        )
    return verdict


def analysable(record: ClinicalRecord) -> Eligibility:
    """Say whether a patient can be validated on: adenocarcinoma or squamous cell carcinoma, older
    than 18 years, with follow-up; who lacks sex or stage is left out only where they are used.

    Parameters
    ----------
    record : ClinicalRecord
        The patient.

    Returns
    -------
    Eligibility
        The verdict with its reason.
    """
    if record.histology is None:
        return Eligibility(
            False,
            "histology is not recorded; included are adenocarcinoma and squamous cell carcinoma",
        )
    if record.histology not in INCLUDED_HISTOLOGIES:
        return Eligibility(
            False,
            f"histology is {record.histology}; included are adenocarcinoma and squamous cell "
            "carcinoma",
        )
    if record.age is not None and record.age <= MINIMUM_AGE:
        return Eligibility(
            False, f"age is {record.age:g} years; included are patients older than {MINIMUM_AGE:g}"
        )
    return Eligibility(True, None)


def read_clinical_csv(
    path: Path,
    center: str,
    pseudonymise: Callable[[str], str],
    clock_shift_s: Callable[[str], int] = lambda _: 0,
) -> ClinicalTable:
    """Read a centre's clinical table.

    Parameters
    ----------
    path : Path
        CSV in UTF-8 with a header: ``patient_id, age, sex, histology, stage, survival_days,
        event``, or the names of TCIA NSCLC-Radiomics (``PatientID``, ``gender``, ``Histology``,
        ``Overall.Stage``, ``Survival.time``, ``deadstatus.event``). There may be a column
        ``radiotherapy_start`` of dates like 2026-01-31. Other columns are ignored. Empty cells and
        ``NA`` are missing values.
    center : str
        Name of the centre.
    pseudonymise : callable
        From Patient ID to patient key; the Patient ID goes no further than this.
    clock_shift_s : callable
        From patient key to the shift of the patient's own clock in seconds, on which alone the
        start of radiotherapy is kept.

    Returns
    -------
    ClinicalTable
        The rows that can be used, and for each other row what is wrong with it. A patient who
        occurs twice is rejected at the second occurrence.

    Raises
    ------
    ClinicalTableError
        If the file cannot be read as CSV, or lacks a column.
    """
    header, rows = _read_rows(path)
    place = _column_places(header)
    records: dict[str, ClinicalRecord] = {}
    first_line: dict[str, int] = {}
    rejected: list[tuple[int, str]] = []
    for line, cells in rows:
        try:
            row = _Row(cells, place, len(header))
            record = _record(row, center, pseudonymise, clock_shift_s)
        except ValueError as error:
            rejected.append((line, f"Line {line}: {error}."))
            continue
        earlier = first_line.setdefault(record.patient_key, line)
        if earlier == line:
            records[record.patient_key] = record
        else:
            rejected.append(
                (line, f"Line {line}: the patient occurs already in line {earlier}: keep one row.")
            )
    _refuse_other_events(place, rows)
    return ClinicalTable(tuple(records.values()), tuple(rejected))


def _refuse_other_events(place: Mapping[str, int], rows: list[tuple[int, list[str]]]) -> None:
    """Refuse events of 1 and 2, of which only those of 1 would be read, as deaths."""
    column = place["event"]
    found = Counter(cells[column].strip() for _, cells in rows if len(cells) > column)
    if found["1"] and found["2"] > 1 and not found["0"]:
        raise ClinicalTableError(
            "The column event holds 1 and 2 and no 0, expected 1 where the patient died and 0 "
            "where follow-up ended before: write it so."
        )


class _Row:
    """The cells of one line by our column names; a missing value is `None`."""

    def __init__(self, cells: list[str], place: Mapping[str, int], expected: int) -> None:
        if len(cells) != expected:
            raise ValueError(f"it has {len(cells)} cells, expected {expected} as in the header")
        self._cells, self._place = cells, place

    def text(self, column: str) -> str | None:
        value = self._cells[self._place[column]].strip()
        return None if value.lower() in _ABSENT else value

    def required(self, column: str) -> str:
        value = self.text(column)
        if value is None:
            raise ValueError(f"{column} is empty, and a patient cannot be used without it")
        return value

    def date(self, column: str) -> date | None:
        value = self.text(column) if column in self._place else None
        try:
            return None if value is None else date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{column} is no date, expected one like 2026-01-31") from None

    def number(self, column: str) -> float | None:
        value = self.text(column)
        return None if value is None else _number(column, value)


def _record(
    row: _Row,
    center: str,
    pseudonymise: Callable[[str], str],
    clock_shift_s: Callable[[str], int],
) -> ClinicalRecord:
    key = pseudonymise(row.required("patient_id"))
    start = row.date("radiotherapy_start")
    histology = row.text("histology")
    stage, sex = row.text("stage"), row.text("sex")
    return ClinicalRecord(
        patient_key=key,
        center=center,
        age=row.number("age"),
        sex=None if sex is None else _one_of("sex", sex.lower(), _SEXES),
        histology=None
        if histology is None
        else _HISTOLOGIES.get(" ".join(histology.lower().split()), Histology.OTHER),
        stage=None
        if stage is None
        else _one_of("stage", stage.upper(), {known: known for known in _STAGES}),
        survival_days=_number("survival_days", row.required("survival_days")),
        event=_one_of("event", row.required("event").lower(), _EVENTS),
        treatment_start_s=None
        if start is None
        else (start - _CLOCK_ZERO).days * 86400 + clock_shift_s(key),
    )


def _number(column: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        # the cell itself is not shown: in a row with shifted cells it may be an identifier
        raise ValueError(
            f"{column} holds text of {len(value)} characters, expected a number"
        ) from None


def _one_of(column: str, value: str, known: Mapping[str, _T]) -> _T:
    try:
        return known[value]
    except KeyError:
        raise ValueError(f"{column} is none of the expected {', '.join(known)}") from None


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            rows = [
                (reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)
            ]
    except OSError as error:
        raise ClinicalTableError(
            f"The clinical table cannot be read: {error.strerror}. Give a file that exists."
        ) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ClinicalTableError(
            f"The clinical table is not CSV in UTF-8 ({error}). Save it as comma-separated values "
            "in UTF-8."
        ) from error
    return [name.strip() for name in header], rows


def _column_places(header: list[str]) -> dict[str, int]:
    place: dict[str, int] = {}
    missing = []
    for column, accepted in _COLUMNS.items():
        found = [index for index, name in enumerate(header) if name in accepted]
        if len(found) > 1:
            raise ClinicalTableError(
                f"The clinical table has {len(found)} columns for {column}: keep one."
            )
        if found:
            place[column] = found[0]
        elif column not in _OPTIONAL_COLUMNS:
            missing.append(" or ".join(accepted))
    if missing:
        raise ClinicalTableError(
            f"The clinical table lacks {len(missing)} columns: {'; '.join(missing)}. Its header "
            f"has {len(header)} columns; add the missing ones, with empty cells where nothing is "
            "known."
        )
    return place
