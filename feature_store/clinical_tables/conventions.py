"""What a centre says of its own tables: which column is which, and how dates, numbers and codes are
meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

DAYS_PER_YEAR = 365.25


class Unit(StrEnum):
    """Unit of a time."""

    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"

    @property
    def days(self) -> float:
        """How many days it has."""
        return {
            Unit.DAYS: 1.0,
            Unit.WEEKS: 7.0,
            Unit.MONTHS: DAYS_PER_YEAR / 12,
            Unit.YEARS: DAYS_PER_YEAR,
        }[self]


class Field(StrEnum):
    """What a column of a clinical table says; the value is our name of the column."""

    PATIENT_ID = "patient_id"
    AGE = "age"
    SEX = "sex"
    HISTOLOGY = "histology"
    STAGE = "stage"
    SURVIVAL = "survival_days"
    EVENT = "event"
    START = "radiotherapy_start"
    DEATH = "death_date"
    LAST_CONTACT = "last_contact_date"


SURVIVAL_IN = {f"survival_{unit}": unit for unit in Unit}
"""Our names of the column of survival times, by unit."""
COLUMN_NAMES = tuple(sorted({*Field, *SURVIVAL_IN}))
"""Every name that a mapping may give a column to."""
CODED = (Field.SEX, Field.HISTOLOGY, Field.STAGE, Field.EVENT)
"""Columns whose cells a centre may give a meaning to."""


@dataclass(frozen=True)
class Conventions:
    """How one centre writes its tables, where the table does not say it.

    Parameters
    ----------
    columns : mapping of str to str
        From our name of a column to the name in its header; an empty name says that there is no
        such column.
    codes : mapping of str to mapping
        For columns of `CODED`: from what a cell holds to a word that is understood.
    dates : {"day-first", "month-first"}, optional
        What 03/04/2026 means.
    decimal : {"comma", "point"}, optional
        Which of them parts decimals.
    sheet : str, optional
        Name of the sheet in a workbook.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dates: Literal["day-first", "month-first"] | None = None
    decimal: Literal["comma", "point"] | None = None
    sheet: str | None = None
