"""Clinical records: what is known of a patient, under a pseudonym, and who belongs in a cohort."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from feature_store.errors import FeatureStoreError
from feature_store.wording import counted

MINIMUM_AGE = 18.0
"""Patients must be older than this (paper, patients: inclusion)."""


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
                f"The survival time is {counted(self.survival_days, 'day')}: expected a number "
                "above 0."
            )
        if self.age is not None and not 0 <= self.age <= 120:
            raise ValueError(f"The age is {self.age}: expected 0 to 120 years.")

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
            False,
            f"age is {counted(record.age, 'year')}; included are patients older than "
            f"{MINIMUM_AGE:g}",
        )
    return Eligibility(True, None)
