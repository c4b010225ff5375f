"""Several tables of features of the same patients, as PyRadiomics' batch command writes them, into
features by patient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_store.feature_tables.diagnostics import origin_settings
from feature_store.feature_tables.imported_features import FeatureTableError, ImportedFeatures
from feature_store.feature_tables.one_table import OneTable, read_table
from feature_store.feature_tables.origin_settings import OriginSettings
from feature_store.imaging.regions import Region
from feature_store.wording import counted

_TOLD = 5


@dataclass(frozen=True)
class FeatureReading:
    """What was read from tables of features.

    Parameters
    ----------
    patients : tuple of ImportedFeatures
        By patient key.
    settings : OriginSettings
        How all of them were made.
    remarks : tuple of str
        Sentences on what was taken for what.
    rejected : tuple of str
        Why lines or patients are not used, a sentence each, without identity.
    """

    patients: tuple[ImportedFeatures, ...]
    settings: OriginSettings
    remarks: tuple[str, ...]
    rejected: tuple[str, ...]


def read_feature_tables(
    tables: Sequence[tuple[Path, Region | None]],
    center: str,
    pseudonymise: Callable[[str], str],
    stated: Mapping[str, str],
    patient_column: str | None = None,
) -> FeatureReading:
    """Read tables of features of the same patients.

    Parameters
    ----------
    tables : sequence of (Path, Region or None)
        Delimited text with a header, one line for each patient and region: of a region that is
        named here, or that a column names. Several tables of one region are put side by side.
    center : str
        Name of the centre.
    pseudonymise : callable
        From Patient ID to patient key; the Patient ID goes no further than this.
    stated : mapping of str to str
        What the tables do not say of how the features were made, by the names of
        `feature_store.feature_tables.origin_settings.NAMES`.
    patient_column : str, optional
        The column of the Patient IDs, where its name does not tell.

    Raises
    ------
    FeatureTableError
        If a table cannot be read as a whole, or no patient can be used.
    """
    read = [_told_apart(number, tables, patient_column) for number in range(len(tables))]
    names, values = _joined(read)
    said = _one_way(read)
    features = {name for of_region in names.values() for name in of_region}
    settings = origin_settings(said, stated, features)
    remarks = [remark for table in read for remark in table.remarks]
    rejected = [sentence for table in read for sentence in table.rejected]
    patients = {patient for _, patient in values}
    whole = [
        patient
        for patient in patients
        if all(values.get((region, patient), {}).keys() == names[region] for region in names)
    ]
    if lacking := len(patients) - len(whole):
        regions = " and ".join(map(str, sorted(names)))
        rejected.append(
            f"{counted(lacking, 'patient')} of the table{'s' * (len(read) != 1)} "
            f"{'does' if lacking == 1 else 'do'} not have all features of {regions} and "
            f"{'is' if lacking == 1 else 'are'} left out."
        )
    if not whole:
        raise FeatureTableError(" ".join(["No patient can be used.", *rejected[:_TOLD]]))
    remarks += _unlike_regions(names)
    found = [
        ImportedFeatures(
            center,
            pseudonymise(patient),
            settings,
            {region: values[region, patient] for region in names},
        )
        for patient in whole
    ]
    return FeatureReading(
        tuple(sorted(found, key=lambda one: one.patient_key)),
        settings,
        tuple(dict.fromkeys(remarks)),
        tuple(rejected),
    )


def _told_apart(
    number: int, tables: Sequence[tuple[Path, Region | None]], patient_column: str | None
) -> OneTable:
    """Read one of the tables; what is wrong is told of it by its place among them."""
    try:
        return read_table(*tables[number], patient_column)
    except FeatureTableError as error:
        if len(tables) == 1:
            raise
        raise FeatureTableError(f"Table {number + 1} of {len(tables)}: {error}") from error


def _joined(
    read: Sequence[OneTable],
) -> tuple[dict[Region, set[str]], dict[tuple[Region, str], dict[str, float]]]:
    """Return the features of each region, and the values by region and Patient ID."""
    names: dict[Region, set[str]] = {}
    values: dict[tuple[Region, str], dict[str, float]] = {}
    for table in read:
        for region in {region for region, _ in table.values}:
            known = names.setdefault(region, set())
            if twice := known & set(table.names):
                raise FeatureTableError(
                    f"{counted(len(twice), 'feature')} of the region {region} "
                    f"{'stand' if len(twice) != 1 else 'stands'} in two tables, such as "
                    f"{min(twice)}, expected in one: say of which region each table is "
                    "(REGION=FILE), or leave one out."
                )
            known.update(table.names)
        for key, of_line in table.values.items():
            values.setdefault(key, {}).update(zip(table.names, of_line, strict=True))
    return names, values


def _one_way(read: Sequence[OneTable]) -> Mapping[str, str]:
    """Return what the tables say of how their features were made, which must be one way."""
    said: dict[str, str] = {}
    for table in read:
        for name, value in table.said.items():
            if said.setdefault(name, value) != value:
                raise FeatureTableError(
                    f"The tables say of {name} {said[name]} and {value}, expected features that "
                    "were made in one way: make all of them with one parameter file."
                )
    return said


def _unlike_regions(names: Mapping[Region, set[str]]) -> list[str]:
    """Say where regions have other features than the first."""
    first, *others = sorted(names)
    return [
        f"Of the regions {first} and {other} {counted(len(unlike), 'feature')} "
        f"{'is' if len(unlike) == 1 else 'are'} in one only: they were perhaps made with two "
        "parameter files."
        for other in others
        if (unlike := names[first] ^ names[other])
    ]
