"""From where a validation looks: now, at a time, or as an earlier report did, which can so be made
again.

A report names the versions of the store that it read. Who was quarantined or had not been scored at
that time is in no version: that is taken from the reasons that the report gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from flows.installation import Installation
from flows.named_versions import VersionsError, versions_at, versions_named_in
from flows.validation.cohort_query import CohortQuery
from validation_reports.cohort.assembly import NOT_SCORED, QUARANTINED, UNFINISHED
from validation_reports.errors import CohortError
from validation_reports.report.file_names import JSON_NAME


@dataclass(frozen=True)
class Arrivals:
    """Who of a centre had arrived and was not scored.

    Parameters
    ----------
    quarantined : mapping of str to str
        Sentence of the quarantine by patient key.
    unfinished : mapping of str to str
        State of the study by patient key.
    """

    quarantined: Mapping[str, str] = field(default_factory=dict)
    unfinished: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AsOf:
    """What a validation reads.

    Parameters
    ----------
    versions : mapping of str to int
        Version of each table of the store.
    arrivals : mapping of str to Arrivals, optional
        By centre, as a report has it; by default as the registry has it now.
    """

    versions: Mapping[str, int]
    arrivals: Mapping[str, Arrivals] | None = None


def as_of(work: Installation, what: str) -> AsOf:
    """Return what a validation reads that looks from an earlier moment.

    Parameters
    ----------
    work : Installation
        The installation.
    what : str
        A report's folder, its name among the reports, or its ``report.json``; or a time with its
        zone, which goes by what each version of the store says of its own time.

    Raises
    ------
    CohortError
        If it is neither, or the report cannot be read.
    """
    try:
        file = report_file(work, what)
        if file is None:
            return AsOf(versions_at(work.store, what))
        versions = versions_named_in(file)
    except VersionsError as error:
        raise CohortError(str(error)) from error
    made = _read(file)
    return AsOf(versions, {one.center: arrivals_in(one.excluded) for one in made.centers})


def report_file(work: Installation, what: str) -> Path | None:
    """Return the record of the report that is meant, or its ``report.json`` where that is exact;
    `None` where nothing of that name is there.
    """
    records = work.settings.records_folder()
    for place in (Path(what), work.settings.reports_folder() / what):
        for file in (place / JSON_NAME, place):
            if file.is_file():
                record = records / f"{file.absolute().parent.name}.json"
                return record if file.name == JSON_NAME and record.is_file() else file
    record = records / f"{Path(what).name}.json"
    return record if record.is_file() else None


def query_again(file: Path) -> CohortQuery:
    """Return the query that makes a report again: its own, with its model and its seed.

    Raises
    ------
    CohortError
        If the file is no report that a query was kept of.
    """
    made = _read(file).provenance
    try:
        query = CohortQuery.model_validate_json(made.query)
    except ValueError as error:
        raise CohortError(f"{file} does not say how its patients were chosen: {error}") from error
    return query.model_copy(
        update={"as_of": str(file.absolute()), "model_digest": made.model_digest}
    )


class _Provenance(BaseModel):
    query: str
    model_digest: str


class _Center(BaseModel):
    center: str
    excluded: tuple[tuple[str, tuple[str, ...]], ...]


class _Report(BaseModel):
    """What is needed of a report to make it again, and is the same in every schema of reports."""

    provenance: _Provenance
    centers: tuple[_Center, ...]
    disclosed: str = ""


def _read(file: Path) -> _Report:
    try:
        found = _Report.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CohortError(f"{file} cannot be read as a report: {error}") from error
    if found.disclosed:
        raise CohortError(
            f"{file} holds what may leave with a report, and does not name who was left out: "
            "expected its exact record, which stays in report_records in the node's folder of the "
            "installation that made it. Make it again there, or bring that file here and name it."
        )
    return found


def arrivals_in(excluded: tuple[tuple[str, tuple[str, ...]], ...]) -> Arrivals:
    """Return who had arrived, by the reasons for which a report leaves patients out."""
    quarantined, unfinished = {}, {}
    for reason, keys in excluded:
        for key in keys:
            if reason.startswith(QUARANTINED):
                quarantined[key] = reason.removeprefix(QUARANTINED)
            elif reason.startswith(UNFINISHED):
                unfinished[key] = reason.removeprefix(UNFINISHED)
            elif reason == NOT_SCORED:
                unfinished[key] = "scored"  # by another model
    return Arrivals(quarantined, unfinished)
