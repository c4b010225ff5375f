"""The flow `import-features`: radiomic features that were made elsewhere into the feature store,
under pseudonyms and marked as such.

The tables stay where they are, and nothing of them is kept but the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed

from dicom_node.pseudonym import patient_key
from feature_store.feature_tables.imported_features import FeatureTableError, ImportedFeatures
from feature_store.feature_tables.one_table import region_named
from feature_store.feature_tables.origin_settings import NAMES
from feature_store.feature_tables.reading import read_feature_tables
from feature_store.imaging.regions import Region
from feature_store.wording import counted
from flows.data.erased import erased_people
from flows.installation import Installation, installation
from flows.refusal import refusable_flow
from flows.runs.account import about, warn

_TOLD = 20


@refusable_flow(name="import-features", flow_run_name="{center}")
def import_features(
    center: str,
    tables: Sequence[str],
    stated: Sequence[str] = (),
    patient_column: str | None = None,
) -> State[None]:
    """Read PyRadiomics' tables of one centre.

    Parameters
    ----------
    center : str
        The centre's name in the settings file.
    tables : sequence of str
        Paths of the tables, each after its region (``gtv=FILE``), or alone where a column names the
        regions.
    stated : sequence of str
        What the tables do not say of how the features were made, ``NAME=VALUE`` each.
    patient_column : str, optional
        The column of the Patient IDs, where its name does not tell.
    """
    work = installation()
    name = work.center(center).name
    about(name)
    key = work.pseudonym_key()
    reading = read_feature_tables(
        [region_and_file(table) for table in tables],
        name,
        lambda patient: patient_key(key, name, patient),
        statements(stated),
        patient_column,
    )
    for sentence in reading.remarks:
        get_run_logger().info("%s", sentence)
    for sentence in reading.rejected[:_TOLD]:
        warn(sentence)
    if (more := len(reading.rejected) - _TOLD) > 0:
        warn(f"{counted(more, 'more line')} of the tables cannot be used.")
    if unknown := reading.settings.unknown:
        warn(
            f"Nobody says of these features {', '.join(unknown)}: models that are trained on them "
            "or score them say so."
        )
    kept, left_out = _of_whom_nothing_is_measured(work, name, reading.patients)
    if not kept:
        raise FeatureTableError(f"No features of centre {name} were imported. {left_out}")
    before = {one.identity for one in work.store.imported(name)}
    work.store.put_imported(kept)
    if left_out:
        warn(left_out)
    new = sum(one.identity not in before for one in kept)
    regions = " and ".join(map(str, kept[0].by_region))
    return Completed(
        message=f"{counted(len(kept[0].columns), 'feature')} of {regions} of "
        f"{counted(len(kept), 'patient')} of centre {name} imported, made elsewhere "
        f"({reading.settings.in_words}): {new} new or changed, {len(kept) - new} as before"
    )


def region_and_file(table: str) -> tuple[Path, Region | None]:
    """Read ``gtv=FILE``, or ``FILE`` alone."""
    before, equals, path = table.partition("=")
    region = region_named(before) if equals else None
    return (Path(path), region) if region is not None else (Path(table), None)


def statements(stated: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=VALUE`` of each statement.

    Raises
    ------
    FeatureTableError
        If one is none, or comes twice.
    """
    found: dict[str, str] = {}
    for statement in stated:
        name, equals, value = (part.strip() for part in statement.partition("="))
        if not equals or not value or name not in NAMES or name in found:
            raise FeatureTableError(
                f"{statement[:60]!r} does not state once how the features were made, expected "
                f"NAME=VALUE with one of {', '.join(NAMES)}."
            )
        found[name] = value
    return found


def _of_whom_nothing_is_measured(
    work: Installation, center: str, patients: Sequence[ImportedFeatures]
) -> tuple[tuple[ImportedFeatures, ...], str]:
    """Leave out who was erased, and whose images are measured here; say how many that are."""
    erased = erased_people(work)
    rows = work.store.rows("radiomics", {"center": center}, ["patient_key"]).to_pylist()
    measured = {row["patient_key"] for row in rows}
    allowed = [one for one in patients if not erased.has_patient(one.patient_key)]
    kept = tuple(one for one in allowed if one.patient_key not in measured)
    told = []
    if gone := len(patients) - len(allowed):
        told.append(
            f"{counted(gone, 'patient')} of the table {'was' if gone == 1 else 'were'} "
            f"erased here and {'is' if gone == 1 else 'are'} left out."
        )
    if here := len(allowed) - len(kept):
        told.append(
            f"The images of {counted(here, 'patient')} are measured here, and those "
            f"features count: {'the patient is' if here == 1 else 'these patients are'} left out "
            "of the table."
        )
    return kept, " ".join(told)
