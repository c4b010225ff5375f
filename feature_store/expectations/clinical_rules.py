"""What must hold of a centre's clinical table: rules whose sentences count the patients who do not
meet them.

A new defect is one more row of `CLINICAL_RULES`.
"""

from __future__ import annotations

from feature_store.clinical_records import INCLUDED_HISTOLOGIES, MINIMUM_AGE
from feature_store.rules import Between, OneOf, Present, Rows, Rule, Severity, Unique
from feature_store.wording import counted


def _patients(n: int, one: str = "has", several: str = "have") -> str:
    return f"{counted(n, 'patient')} {one if n == 1 else several}"


CLINICAL_RULES = (
    Rule(
        "no-patients",
        "patient_key",
        Rows(1),
        "at least one patient",
        lambda _: "The clinical table has no usable row, expected at least one patient.",
    ),
    Rule(
        "repeated-patient",
        "patient_key",
        Unique(),
        "one row per patient",
        lambda n: (
            f"{n} row{' repeats' if n == 1 else 's repeat'} a patient, expected one row each. Keep "
            "one of them."
        ),
    ),
    Rule(
        "age-missing",
        "age",
        Present(),
        "an age for each patient",
        lambda n: f"{_patients(n)} no age, expected one for each.",
        Severity.WARNING,
    ),
    Rule(
        "age",
        "age",
        Between(MINIMUM_AGE, strict=True),
        "patients older than 18 years",
        lambda n: (
            f"{_patients(n, 'is', 'are')} not older than {MINIMUM_AGE:g} years, expected all."
        ),
        Severity.WARNING,
    ),
    Rule(
        "histology-missing",
        "histology",
        Present(),
        "a histology for each patient",
        lambda n: f"{_patients(n)} no histology, expected one for each.",
        Severity.WARNING,
    ),
    Rule(
        "histology",
        "histology",
        OneOf(tuple(sorted(INCLUDED_HISTOLOGIES))),
        "adenocarcinoma or squamous cell carcinoma",
        lambda n: (
            f"{_patients(n)} another histology, expected adenocarcinoma or squamous cell carcinoma."
        ),
        Severity.WARNING,
    ),
    Rule(
        "sex-missing",
        "sex",
        Present(),
        "a sex for each patient",
        lambda n: f"{_patients(n)} no sex, expected one for each.",
        Severity.WARNING,
    ),
    Rule(
        "stage-missing",
        "stage",
        Present(),
        "a stage for each patient",
        lambda n: f"{_patients(n)} no stage, expected one for each.",
        Severity.WARNING,
    ),
)
