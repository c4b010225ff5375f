"""The flows `validate-cohort`, `validate-center`, `pool-centers`: scores and outcomes in, a
validation report out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from dicom_node.center import Role
from dicom_node.durable_files import write_durably
from dicom_node.errors import NodeError
from dicom_node.registry.registry import StudyState
from dicom_node.settings import SettingsError
from feature_store.clinical_records import ClinicalTableError
from feature_store.study_identity import StudyIdentity
from feature_store.wording import are, counted
from flows.data.contour_scores import with_contour_scores
from flows.data.follow_up import center_follow_up_facts, refuse_follow_up
from flows.data.model_features import training_patients, with_model_inputs
from flows.data.replaced import note_replaced
from flows.installation import Installation, installation
from flows.refusal import refusable_flow
from flows.runs.account import about, warn
from flows.software_version import package_versions, software_version
from flows.validation.aligned_cohort import with_aligned_features
from flows.validation.artifacts import progress, show_report
from flows.validation.as_of import Arrivals, AsOf, as_of
from flows.validation.cohort_query import CohortQuery
from flows.validation.report_to_pacs import queue_center_report
from validation_reports.cohort.assembly import assemble_cohort
from validation_reports.cohort.same_images import SameImages, same_images
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.cohort.trained_on import TrainedOn
from validation_reports.disclosure.what_leaves import Disclosure, Leaving, what_leaves
from validation_reports.errors import (
    CohortError,
    ReportNotWrittenError,
    ValidationReportError,
)
from validation_reports.report.validation_report import (
    Provenance,
    ValidationReport,
    build_report,
    to_json,
)
from validation_reports.report_folder import not_written, write_report_files
from validation_reports.statistics.margins import Margins

REPORT_PACKAGES = ("numpy", "scipy", "pandas", "numba", "lifelines", "matplotlib", "deltalake")
POOL = "all-centers"


@refusable_flow(name="validate-cohort", flow_run_name="{cohort.name}")
def validate_cohort(cohort: CohortQuery) -> State[None]:
    """Validate the pinned model on one or more centres, each alone and all together; the report
    stays here.

    Parameters
    ----------
    cohort : CohortQuery
        Name of the report, the centres, and whom of their patients to take.
    """
    return _validate(cohort)


@refusable_flow(name="validate-center", flow_run_name="{center}")
def validate_center(center: str) -> State[None]:
    """Validate the pinned model on one centre; the report also goes to its PACS, where the settings
    say under which ID.

    Parameters
    ----------
    center : str
        The centre, as the settings file names it.
    """
    installation().center(center)
    return _validate(CohortQuery(name=f"center-{center}", centers=[center]), to_pacs=True)


@refusable_flow(name="pool-centers", flow_run_name=POOL)
def pool_centers() -> State[None]:
    """Validate the pinned model on every external centre of the settings, each alone and all
    together.
    """
    centers = installation().settings.external_centers()
    if not centers:
        raise SettingsError("The settings file has no external centre: add a [center.NAME] table.")
    return _validate(CohortQuery(name=POOL, centers=list(centers)))


def _validate(cohort: CohortQuery, *, to_pacs: bool = False) -> State[None]:
    work = installation().with_model(cohort.model_digest)
    view = None if cohort.as_of is None else as_of(work, cohort.as_of)
    if view is None:
        note_replaced(work)
    work = work.reading_now() if view is None else work.reading(view.versions)
    centers = [work.center(name).name for name in dict.fromkeys(cohort.centers)]
    about(*centers)
    refuse_training_centers(work, centers)
    cohort = with_known_patients(work, cohort, centers)
    images = find_same_images(work, centers)
    with progress(f"validation-{_slug(cohort)}", len(centers) + 2) as step:
        cohorts, empty = [], []
        for center in centers:
            try:
                cohorts.append(gather_cohort(work, cohort, center, images[center], view))
            except (CohortError, ClinicalTableError) as error:
                empty.append(str(error))
            step()
        if not cohorts:
            raise CohortError(" ".join(empty))
        for sentence in empty:
            warn(sentence)
        if cohort.combat:
            cohorts = [with_aligned_features(work, gathered) for gathered in cohorts]
        report = build_report(
            cohorts,
            provenance(work, cohort),
            horizons=horizons_of(work, cohort),
            training=training_patients(work),
            margins=Margins(*work.settings.validation.margins),
            decision_thresholds=work.settings.validation.decision_thresholds,
        )
        step()
        leaving = what_leaves(report, cohorts, Disclosure(work.settings.validation.disclose))
        folder = write_report(work, cohort, report, leaving)
        sent = f"; {deliver_report(work, leaving.report, folder)}" if to_pacs else ""
        step()
    analysed = f"{counted(sum(item.n for item in cohorts), 'patient')} analysed"
    return Completed(message=f"{analysed}; report in {folder.name}{sent}")


def refuse_training_centers(work: Installation, centers: list[str]) -> None:
    """Refuse to validate a model on a centre that trains; a comparison of bundles shows it as
    apparent.
    """
    training = [name for name in centers if work.center(name).role is Role.TRAINING]
    if training:
        raise CohortError(
            f"Centre {training[0]} is a training centre, expected external ones: on the patients "
            "that trained it a model looks better than it is. Validate other centres; "
            "`python -m flows compare` shows a training centre beside them, as apparent."
        )


def find_same_images(work: Installation, centers: list[str]) -> dict[str, SameImages]:
    """Find whose images trained the pinned model, or are at another centre too."""
    scored: dict[str, list[StudyIdentity]] = {}
    replaced = work.store.replaced(None)
    for row in work.store.scores(work.bundle.digest, None):
        if row.identity in replaced:
            continue
        scored.setdefault(row.identity.center, []).append(row.identity)
    marks = work.store.images(None)
    trained = work.bundle.facts.training_center
    of_training = {
        center.name for center in work.settings.centers() if center.role is Role.TRAINING
    }
    here = {study: mark for study, mark in marks.items() if study.center in of_training & {trained}}
    known = TrainedOn(work.bundle.digests, work.bundle.evidence.images, here)
    return same_images(centers, scored, marks, known)


def with_known_patients(work: Installation, cohort: CohortQuery, centers: list[str]) -> CohortQuery:
    """Return the query with the patients behind the studies that it names.

    Raises
    ------
    CohortError
        If a pseudonym is of nobody at these centres: a mistyped one must not make the cohort
        smaller in silence.
    """
    if not cohort.patients:
        return cohort
    studies = [study for center in centers for study in work.registry.studies.summaries(center)]
    known = {record.patient_key for center in centers for record in work.store.clinical(center)}
    known |= {study.patient_key for study in studies}
    behind = {study.study_key: study.patient_key for study in studies}
    meant = [behind.get(key, key) for key in cohort.patients]
    unknown = [key for key in meant if key not in known]
    if unknown:
        raise CohortError(
            f"{len(unknown)} of the {counted(len(cohort.patients), 'patient')} named "
            f"{are(len(unknown))} at none of the centres {', '.join(centers)}, the first is "
            f"{unknown[0]}: expected pseudonyms as runs and reports show them."
        )
    return cohort.model_copy(update={"patients": list(dict.fromkeys(meant))})


def horizons_of(work: Installation, cohort: CohortQuery) -> tuple[int, ...]:
    """Return the days that the report looks at, those of the model unless the query names
    others.
    """
    return tuple(sorted(set(cohort.horizons_days))) or work.bundle.model.horizons


@task(name="gather cohort", cache_policy=NO_CACHE)
def gather_cohort(
    work: Installation,
    query: CohortQuery,
    center: str,
    images: SameImages,
    view: AsOf | None = None,
) -> ScoredCohort:
    """Join the scores, clinical records and quarantines of one centre."""
    records = work.store.clinical(center)
    if records:
        refuse_follow_up(center, records, center_follow_up_facts(work, records))
    arrivals = (
        arrivals_now(work, center)
        if view is None or view.arrivals is None
        else view.arrivals.get(center, Arrivals())
    )
    cohort = assemble_cohort(
        center,
        work.store.scores(work.bundle.digest, center),
        records,
        arrivals.quarantined,
        horizons_of(work, query),
        work.bundle.model.baseline,
        query.selection(),
        arrivals.unfinished,
        work.store.study_order(center),
        images.refused,
        images.warnings,
    )
    get_run_logger().info(
        "Centre %s: patients analysed %d, left out %d.", center, cohort.n, len(cohort.excluded)
    )
    return with_contour_scores(work, with_model_inputs(work, cohort))


def arrivals_now(work: Installation, center: str) -> Arrivals:
    """Return who of a centre has arrived, as the registry has it now."""
    studies = work.registry.studies.summaries(center)
    quarantined = {
        study.patient_key: study.sentence or "no reason recorded"
        for study in studies
        if study.state is StudyState.QUARANTINED
    }
    unfinished = {
        study.patient_key: str(study.state)
        for study in reversed(studies)
        if study.patient_key not in quarantined
    }
    return Arrivals(quarantined, unfinished)


@task(name="write report", cache_policy=NO_CACHE)
def write_report(
    work: Installation, cohort: CohortQuery, report: ValidationReport, leaving: Leaving
) -> Path:
    """Write page, PDF, JSON and R check into a new folder, and show the main numbers in the Prefect
    UI; the record of what was found stays inside.
    """
    moment = report.provenance.created_at.strftime("%Y%m%dT%H%M%S%fZ")
    folder = work.settings.reports_folder() / f"{moment}-{cohort.name}"
    record = work.settings.records_folder() / f"{folder.name}.json"
    try:
        write_durably(record, to_json(report).encode())
    except OSError as error:
        raise not_written(error) from error
    try:
        without_pdf = write_report_files(
            folder,
            leaving.report,
            leaving.cohorts,
            of_rows=leaving.of_rows,
            whole_centers=cohort.takes_whole_centers,
            pdf=work.settings.validation.pdf,
        )
    except ReportNotWrittenError:
        record.unlink(missing_ok=True)  # of a report that there is not
        raise
    if without_pdf:
        warn(without_pdf)
    show_report(work, _slug(cohort), leaving.report, folder.name)
    return folder


def _slug(cohort: CohortQuery) -> str:
    return re.sub(r"[^a-z0-9]+", "-", cohort.name.lower()).strip("-")


def deliver_report(work: Installation, report: ValidationReport, folder: Path) -> str:
    """Queue the report for its centre's PACS, and say in the log what became of it."""
    try:
        sentence = queue_center_report(work, report, folder)
    except (SettingsError, NodeError, ValidationReportError) as error:
        raise ValidationReportError(
            f"The report is in {folder.name}, but cannot go to the PACS. {error}"
        ) from error
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
        package_versions=package_versions(REPORT_PACKAGES),
        software_version=software_version(),
        created_at=datetime.now(UTC),
    )
