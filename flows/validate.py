"""The flows `validate-cohort` and `validate-center`: scores and outcomes in, a validation report out."""

from __future__ import annotations

import importlib.metadata
import re
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel, ConfigDict, Field

from dicom_node.errors import NodeError
from dicom_node.registry import StudyState
from dicom_node.settings import SettingsError
from feature_store.errors import FeatureStoreError
from flows.center_report import queue_center_report
from flows.installation import Installation, installation
from flows.model_inputs import training_patients, with_model_inputs
from flows.settings import software_version
from models.errors import ModelError
from validation_reports.center_rows import center_rows
from validation_reports.cohort_assembly import assemble_cohort
from validation_reports.errors import ValidationReportError
from validation_reports.report_files import write_report_files
from validation_reports.scored_cohort import ScoredCohort
from validation_reports.validation_report import Provenance, ValidationReport, build_report

RECORDED_PACKAGES = ("numpy", "scipy", "pandas", "numba", "matplotlib", "deltalake")


class CohortQuery(BaseModel):
    """Whom to validate on."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="ad-hoc", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="Name of the report.")
    centers: list[str] = Field(min_length=1, description="Centres, as the settings file names them.")
    seed: int = Field(default=20260101, ge=0, description="Seed of everything random.")


@flow(name="validate-cohort", flow_run_name="{cohort.name}")
def validate_cohort(cohort: CohortQuery) -> State[None]:
    """Validate the pinned model on one or more centres, each alone and all together; the report stays here.

    Parameters
    ----------
    cohort : CohortQuery
        Name of the report and the centres.
    """
    return _validated(cohort)


def _validated(cohort: CohortQuery, *, to_pacs: bool = False) -> State[None]:
    work = installation()
    try:
        centers = [work.center(name).name for name in dict.fromkeys(cohort.centers)]
        cohorts = [gather_cohort(work, center) for center in centers]
        training = training_patients(work)
        report = build_report(cohorts, provenance(work, cohort), horizons=work.bundle.model.horizons, training=training)
        folder = write_report(work, cohort, report, cohorts)
        sent = f"; {deliver_report(work, report, folder)}" if to_pacs else ""
    except (SettingsError, ModelError, FeatureStoreError, NodeError, ValidationReportError) as error:
        get_run_logger().error(str(error))
        return Failed(name="Refused", message=str(error))
    return Completed(message=f"{sum(item.n for item in cohorts)} patients analysed; report in {folder.name}{sent}")


@flow(name="validate-center", flow_run_name="{center}")
def validate_center(center: str) -> State[None]:
    """Validate the pinned model on one centre; the report also goes to its PACS, where the settings say under which ID.

    Parameters
    ----------
    center : str
        The centre, as the settings file names it.
    """
    return _validated(CohortQuery(name=f"center-{center}", centers=[center]), to_pacs=True)


@task(name="gather cohort", cache_policy=NO_CACHE)
def gather_cohort(work: Installation, center: str) -> ScoredCohort:
    """Join the scores, clinical records and quarantines of one centre."""
    studies = work.registry.studies(center)
    quarantined = {
        study.patient_key: study.sentence or "no reason recorded"
        for study in studies
        if study.state is StudyState.QUARANTINED
    }
    cohort = assemble_cohort(
        center,
        work.store.scores(work.bundle.digest, center),
        work.store.clinical(center),
        quarantined,
        work.bundle.model.horizons,
        {study.patient_key: str(study.state) for study in reversed(studies) if study.patient_key not in quarantined},
    )
    get_run_logger().info("%s: %d patients analysed, %d left out", center, cohort.n, len(cohort.excluded))
    return with_model_inputs(work, cohort)


@task(name="write report", cache_policy=NO_CACHE)
def write_report(
    work: Installation, cohort: CohortQuery, report: ValidationReport, cohorts: list[ScoredCohort]
) -> Path:
    """Write page, PDF, JSON and R check into a new folder, and show the main numbers in the Prefect UI."""
    moment = report.provenance.created_at.strftime("%Y%m%dT%H%M%S%fZ")
    folder = work.settings.reports_folder() / f"{moment}-{cohort.name}"
    if without_pdf := write_report_files(folder, report, cohorts):
        get_run_logger().warning(without_pdf)
    slug = re.sub(r"[^a-z0-9]+", "-", cohort.name.lower()).strip("-")
    create_table_artifact(
        center_rows(report), key=f"validation-{slug}", description=f"Validation of {report.provenance.model_name}"
    )
    create_markdown_artifact(
        f"Full report: `{folder / 'report.html'}`", key=f"validation-{slug}-report", description="Where the report is"
    )
    return folder


def deliver_report(work: Installation, report: ValidationReport, folder: Path) -> str:
    """Queue the report for its centre's PACS, and say in the log what became of it."""
    try:
        sentence = queue_center_report(work, report, folder)
    except (SettingsError, NodeError, ValidationReportError) as error:
        raise ValidationReportError(f"report in {folder.name}, but it cannot go to the PACS: {error}") from error
    get_run_logger().info(sentence)
    return sentence


def provenance(work: Installation, cohort: CohortQuery) -> Provenance:
    """Return where the numbers of a report come from."""
    return Provenance(
        model_digest=work.bundle.digest,
        model_name=f"{work.bundle.facts.name} {work.bundle.facts.version}",
        demonstration=work.bundle.facts.demonstration,
        store_versions=work.store.versions(),
        query=cohort.model_dump_json(),
        seed=cohort.seed,
        package_versions={name: importlib.metadata.version(name) for name in RECORDED_PACKAGES},
        software_version=software_version(),
        created_at=datetime.now(UTC),
    )
