"""Names of columns: what they say, and which they are not."""

from __future__ import annotations

import pytest

from feature_store.clinical_tables.conventions import Field, Unit
from feature_store.clinical_tables.header import meaning_of

UNITS = {
    "survival_days": Unit.DAYS, "Survival.time": Unit.DAYS, "SurvivalDays": Unit.DAYS,
    "Survival (days)": Unit.DAYS, "time of follow up (d)": Unit.DAYS, "OS_MONTHS": Unit.MONTHS,
    "overall survival, months": Unit.MONTHS, "survival in months": Unit.MONTHS,
    "follow-up [wks]": Unit.WEEKS, "overall_survival_years": Unit.YEARS,
}  # fmt: skip
NAMES = {
    "PatientID": Field.PATIENT_ID, "PATIENT_ID": Field.PATIENT_ID, "record_id": Field.PATIENT_ID,
    "Case ID": Field.PATIENT_ID, "Gender": Field.SEX, "Age (years)": Field.AGE,
    "Age at Histological Diagnosis": Field.AGE, "Overall.Stage": Field.STAGE,
    "AJCC_PATHOLOGIC_TUMOR_STAGE": Field.STAGE, "CANCER_TYPE_DETAILED": Field.HISTOLOGY,
    "ICD-O-3": Field.HISTOLOGY, "deadstatus.event": Field.EVENT, "OS_STATUS": Field.EVENT,
    "RT start": Field.START, "Date of death": Field.DEATH,
    "Sex (M/F)": Field.SEX, "Stage (8th ed.)": Field.STAGE, "Death (0=no, 1=yes)": Field.EVENT,
    "Died [Y/N]": Field.EVENT,
    "Date of Last Known Alive": Field.LAST_CONTACT,
}  # fmt: skip
OTHERS = (
    "PFS_MONTHS", "DFS (months)", "time", "days", "months", "days_to_death", "clinical.T.Stage",
    "N.Stage", "Survival months flag", "CS-specific survival months", "date of birth",
    "disease-free survival", "smoking status", "performance status", "Age group",
    "Death (0=yes, 1=no)", "Alive (Y/N)",
    "Age (months)", "DOD", "treatment start", "Survival (Kaplan-Meier)",
)  # fmt: skip


@pytest.mark.parametrize(("name", "unit"), UNITS.items())
def test_the_unit_of_survival_is_in_its_name(name: str, unit: Unit) -> None:
    found = meaning_of(name)
    assert found is not None
    assert (found.field, found.unit, found.origin) == (Field.SURVIVAL, unit, None)


@pytest.mark.parametrize(("name", "field"), NAMES.items())
def test_a_synonym_is_known(name: str, field: Field) -> None:
    found = meaning_of(name)
    assert found is not None
    assert found.field is field


@pytest.mark.parametrize("name", OTHERS)
def test_what_only_resembles_a_column_is_none(name: str) -> None:
    assert meaning_of(name) is None


def test_whether_one_means_dead_is_in_the_name() -> None:
    one = {name: meaning_of(name) for name in ("event", "alive", "vital status", "OS_STATUS")}
    assert [found and found.one for found in one.values()] == [True, False, None, True]
