"""Which column of a clinical table says what, by the names of its header."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feature_store.clinical_records import ClinicalTableError
from feature_store.clinical_tables.conventions import (
    SURVIVAL_IN,
    Conventions,
    Field,
    Unit,
)
from feature_store.wording import counted

_NAMES: dict[Field, tuple[str, ...]] = {
    # ours first, then those of TCIA NSCLC-Radiomics and NSCLC Radiogenomics, REDCap and cBioPortal
    Field.PATIENT_ID: (
        "patient id", "patient identifier", "record id", "study id", "subject id", "case id",
        "patient", "pat id", "participant id", "patient number", "patient no", "mrn",
        "case submitter id",
    ),
    Field.AGE: (
        "age", "age years", "age in years", "age at diagnosis", "age at histological diagnosis",
        "age at treatment", "age at rt", "age at radiotherapy", "age at start of radiotherapy",
        "age at inclusion", "patient age", "age at index", "age yrs", "age y", "diagnosis age",
    ),
    Field.SEX: ("sex", "gender", "patient sex", "sex at birth", "birth sex", "patient gender"),
    Field.HISTOLOGY: (
        "histology", "histological type", "histologic type", "histology type", "tumor histology",
        "tumour histology", "histological diagnosis", "cancer type detailed", "oncotree code",
        "histology code", "morphology", "morphology code", "icd o 3", "icdo 3", "icdo3", "icd o3",
        "icd o 3 morphology", "icd o 3 histology", "histology icd o 3", "histological subtype",
        "histologic diagnosis", "primary histology", "histology nsclc", "primary diagnosis",
        "histologic type icd o 3",
    ),
    Field.STAGE: (
        "stage", "overall stage", "clinical stage", "tumor stage", "tumour stage", "stage group",
        "stage grouping", "ajcc stage", "uicc stage", "tnm stage", "disease stage",
        "ajcc clinical stage", "ajcc pathologic stage", "ajcc pathologic tumor stage",
        "ajcc stage group", "clinical stage group", "stage at diagnosis", "cancer stage",
        "pathological stage", "pathologic stage", "pathologic tumor stage", "ajcc tumor stage",
    ),
    Field.EVENT: (
        "event", "deadstatus event", "dead status", "deadstatus", "death", "dead", "deceased",
        "died", "os status", "os event", "death event", "event death", "overall survival status",
        "vital status", "survival status", "status", "patient status", "alive", "life status",
        "patient s vital status", "vitalstatus", "death status", "status os", "event os",
        "vital status recode",
    ),
    Field.START: (
        "radiotherapy start", "radiotherapy start date", "rt start", "rt start date",
        "start of radiotherapy", "start of rt", "date of rt start", "date rt start",
        "date of start of radiotherapy", "radiation start", "radiation start date", "start rt",
        "date of radiotherapy start", "start date rt", "start date of radiotherapy", "rt start dt",
        "date start rt", "first fraction", "date of first fraction", "first fraction date",
        "start date radiotherapy",
    ),
    Field.DEATH: ("death date", "date of death", "date death", "deceased date", "death dt"),
    Field.LAST_CONTACT: (
        "last contact date", "date of last contact", "last contact", "last follow up date",
        "date of last follow up", "last followup date", "date of last followup", "last fu date",
        "date of last fu", "date last follow up", "date last followup", "date last contact",
        "date of last known alive", "last known alive date", "last seen", "last seen alive",
        "date last seen", "date last known alive", "last follow up", "last fu", "last followup",
        "last contact dt", "last visit date", "date of last visit",
    ),
}  # fmt: skip
_BY_NAME = {name: field for field, names in _NAMES.items() for name in names}

_ONE_IS_ALIVE = frozenset({"alive"})
_ONE_IS_OPEN = frozenset(
    {
        "vital status", "vitalstatus", "survival status", "status", "patient status",
        "life status", "patient s vital status", "vital status recode",
    }
)  # fmt: skip
"""NAACCR's vital status is 1 for alive, others' is 1 for dead: here 1 and yes mean nothing."""

_IN_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]\s*$")
_WITH_ANY_BRACKETS = frozenset({Field.PATIENT_ID, Field.SEX, Field.STAGE, Field.HISTOLOGY})
_ONE_SAID = frozenset(
    {
        "y n", "yes no", "0 1", "0 no 1 yes", "1 yes 0 no", "1 dead 0 alive", "0 alive 1 dead",
        "1 died", "1 dead", "1 yes", "1 death", "1 deceased", "0 no 1 death", "0 censored 1 dead",
    }
)  # fmt: skip
"""What stands in brackets behind the name of an event that 1 and yes mean."""

_UNITS = {
    **dict.fromkeys(("day", "days", "d"), Unit.DAYS),
    **dict.fromkeys(("week", "weeks", "wk", "wks"), Unit.WEEKS),
    **dict.fromkeys(("month", "months", "mo", "mos", "mth", "mths"), Unit.MONTHS),
    **dict.fromkeys(("year", "years", "yr", "yrs", "y"), Unit.YEARS),
}
_OF_SURVIVAL = frozenset({"survival", "os", "follow", "up", "followup", "fu", "overall", "fup"})
_BESIDE_SURVIVAL = frozenset(
    {
        "time", "in", "of", "the", "from", "since", "start", "rt", "radiotherapy", "treatment",
        "to", "or", "death", "last", "contact", "until", "duration", "total", "length", "censoring",
        "and",
    }
)  # fmt: skip
_OTHER_ORIGINS = frozenset(
    {
        "diagnosis", "diag", "dx", "surgery", "operation", "resection", "birth", "randomisation",
        "randomization", "enrolment", "enrollment", "biopsy", "relapse", "recurrence", "end",
        "completion",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Meaning:
    """What a name says of its column.

    Parameters
    ----------
    field : Field
        What is in it.
    unit : Unit or None
        Of survival times; `None` where the name does not say it.
    origin : str or None
        Of survival times, what they count from where that is not radiotherapy.
    one : bool or None
        Of events, whether 1 and yes mean that the patient died; `None` where that is open.
    """

    field: Field
    unit: Unit | None = None
    origin: str | None = None
    one: bool | None = None


@dataclass(frozen=True)
class Column:
    """One column that is read.

    Parameters
    ----------
    name : str
        Its name in the header.
    place : int
        Its place in the header.
    meaning : Meaning
        What it says.
    """

    name: str
    place: int
    meaning: Meaning


def words_of(name: str) -> str:
    """Return a name of a column as lower-case words: ``Survival.time``, ``SurvivalTime`` and
    ``SURVIVAL_TIME`` as ``survival time``.
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return " ".join(re.findall(r"[^\W_]+", parted.lower()))


def meaning_of(name: str) -> Meaning | None:
    """Return what a column of that name says; `None` where nothing is known."""
    if name.strip().lower() == "survival.time":  # TCIA NSCLC-Radiomics, which counts days
        return Meaning(Field.SURVIVAL, Unit.DAYS)
    words = words_of(name)
    field = _BY_NAME.get(words) or _BY_NAME.get(words.replace("patientid", "patient id"))
    if field is Field.EVENT:
        return Meaning(field, one=None if words in _ONE_IS_OPEN else words not in _ONE_IS_ALIVE)
    if field is not None:
        return Meaning(field)
    return _survival(words.split()) or _without_brackets(name)


def _without_brackets(name: str) -> Meaning | None:
    """Return what a name says without its last brackets, as far as they cannot change it."""
    found = _IN_BRACKETS.search(name)
    meaning = meaning_of(name[: found.start()]) if found and found.start() else None
    if found is None or meaning is None:
        return None
    if meaning.field in _WITH_ANY_BRACKETS:
        return meaning
    said = meaning.field is Field.EVENT and words_of(found[1]) in _ONE_SAID
    return meaning if said and meaning.one else None


def _survival(words: Sequence[str]) -> Meaning | None:
    units = {_UNITS[word] for word in words if word in _UNITS}
    rest = {word for word in words if word not in _UNITS and word not in _BESIDE_SURVIVAL}
    origins = sorted(rest & _OTHER_ORIGINS)
    core = rest - _OTHER_ORIGINS
    if not core or not core <= _OF_SURVIVAL or core in ({"up"}, {"overall"}):
        return None
    if len(units) > 1:
        return None
    return Meaning(Field.SURVIVAL, next(iter(units), None), origins[0] if origins else None)


def columns_of(
    header: Sequence[str], conventions: Conventions
) -> Mapping[Field, tuple[Column, ...]]:
    """Return for each field the columns that say it: those that the centre named, else by name.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    conventions : Conventions
        What the centre says of its tables.

    Raises
    ------
    ClinicalTableError
        If a column that the centre named is not there or there twice, a name stands twice, or a
        survival time tells no unit or counts from something else than radiotherapy.
    """
    found: dict[Field, list[Column]] = {}
    named: dict[Field, list[Column]] = {}
    for ours, name in conventions.columns.items():
        field, unit = _field(ours)
        columns = named.setdefault(field, [])
        if name:
            # nothing says what numbers under a name of the centre's own mean, beside its codes
            known = meaning_of(name)
            one = known.one if known and known.field is field else True
            columns.append(Column(name, _place(header, name), Meaning(field, unit, None, one)))
    taken = {column.place for columns in named.values() for column in columns}
    for place, name in enumerate(header):
        meaning = meaning_of(name)
        if meaning is not None and meaning.field not in named and place not in taken:
            found.setdefault(meaning.field, []).append(Column(name, place, meaning))
    if Field.SURVIVAL in found:
        found[Field.SURVIVAL] = _with_unit(found[Field.SURVIVAL])
    return {field: tuple(columns) for field, columns in {**found, **named}.items() if columns}


def _field(ours: str) -> tuple[Field, Unit | None]:
    if ours in SURVIVAL_IN:
        return Field.SURVIVAL, SURVIVAL_IN[ours]
    return Field(ours), None


def _place(header: Sequence[str], name: str) -> int:
    places = [place for place, one in enumerate(header) if one == " ".join(name.split())]
    if len(places) != 1:
        raise ClinicalTableError(
            f"The clinical table has {counted(len(places), 'column') if places else 'no column'} "
            f"{name}, expected the one that the [clinical] table of the settings file names: mend "
            "the name there or in the table."
        )
    return places[0]


def unit_named(cell: str) -> Unit | None:
    """Return the unit that a cell names, as in a second header line of units."""
    return _UNITS.get(" ".join(words_of(cell).split()))


def _with_unit(columns: list[Column]) -> list[Column]:
    """Return the columns of survival times that tell their unit; refuse when none does."""
    clear = [one for one in columns if one.meaning.unit and not one.meaning.origin]
    if clear:
        return clear
    for column in columns:
        if column.meaning.origin:
            raise ClinicalTableError(
                f"The column {column.name} counts from another day than the start of radiotherapy "
                f"({column.meaning.origin}), expected survival from the start of radiotherapy: "
                "compute it from there, or give the dates."
            )
    raise ClinicalTableError(
        f"The column {columns[0].name} does not tell its unit: call it survival_days, "
        "survival_weeks, survival_months or survival_years, or name it so in the [clinical] table "
        "of the settings file."
    )
