"""Which columns a clinical table must have."""

from __future__ import annotations

from collections.abc import Mapping

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.conventions import Conventions, Field
from feature_store.clinical_tables.header import Column, meaning_of
from feature_store.clinical_tables.sheet import Sheet
from feature_store.wording import counted

_EXPECTED = {
    Field.PATIENT_ID: "patient_id (PatientID, record_id …)",
    Field.AGE: "age",
    Field.SEX: "sex (gender)",
    Field.HISTOLOGY: "histology",
    Field.STAGE: "stage (Overall.Stage)",
    Field.SURVIVAL: "survival_days (Survival.time, OS_MONTHS …) or dates of start of radiotherapy, "
    "death and last contact",
    Field.EVENT: "event (deadstatus.event, OS_STATUS …)",
}
_MAY_LACK = (Field.AGE, Field.SEX, Field.HISTOLOGY, Field.STAGE)
"""Columns that a centre may say its tables do not have."""


def refuse_missing(
    sheet: Sheet, columns: Mapping[Field, tuple[Column, ...]], conventions: Conventions
) -> None:
    """Refuse a table that lacks a column, unless the centre says that its tables do not have it.

    Parameters
    ----------
    sheet : Sheet
        The table.
    columns : mapping of Field to tuple of Column
        What is there.
    conventions : Conventions
        What the centre says of its tables.

    Raises
    ------
    ClinicalTableError
        With the columns that are missing.
    """
    dated = Field.START in columns and (Field.DEATH in columns or Field.LAST_CONTACT in columns)
    given = {*columns, *(field for field in _MAY_LACK if conventions.columns.get(field) == "")}
    if dated:
        given.add(Field.SURVIVAL)
        if Field.DEATH in columns and Field.LAST_CONTACT in columns:
            given.add(Field.EVENT)
    missing = [words for field, words in _EXPECTED.items() if field not in given]
    if not missing:
        return
    if len(sheet.header) == 1:
        raise ClinicalTableError(
            f"The header of the clinical table in line {sheet.header_line} is one cell: expected "
            "names separated by commas, semicolons, tabs or vertical bars, and quotes around "
            "single cells only. Save the table again as CSV."
        )
    others = [name for name in sheet.header if name and meaning_of(name) is None]
    listed = (
        f" Its other columns are {', '.join(others[:12])}{' …' * (len(others) > 12)}."
        if others and len(columns) >= 2
        else ""
    )
    raise ClinicalTableError(
        f"The clinical table lacks {counted(len(missing), 'column')}: "
        f"{'; '.join(missing)}. Its header in line {sheet.header_line} has {len(sheet.header)} "
        f"column{'s' * (len(sheet.header) != 1)}.{listed} Add the missing ones, with empty cells "
        "where nothing is known, or say in the [clinical] table of the settings file which column "
        "is which."
    )
