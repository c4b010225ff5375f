"""The flow `expectation-pages` and its command: what was expected of the data, and what came of it,
as pages.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from dicom_node.center import Role
from dicom_node.registry.registry import StudyState
from feature_store.expectations.checks import Check, judged_codes, of_newest_contents
from feature_store.expectations.cohort_rules import cohort_facts
from feature_store.expectations.suites import Finding, check_cohort
from flows.installation import Installation, installation
from flows.refusal import refusable_flow
from flows.software_version import software_version
from validation_reports.expectation_pages.pages import CenterChecks, write_pages

FOLDER = "expectation_pages"


@refusable_flow(name="expectation-pages")
def expectation_pages() -> State[None]:
    """Check each centre's cohort, and write the pages on the expectations."""
    index, findings = write_expectation_pages(installation())
    rows = [
        {"centre": center, "severity": str(one.severity), "what": one.sentence}
        for center, of_center in findings.items()
        for one in of_center
    ]
    create_table_artifact(
        rows or [{"centre": "all", "severity": "none", "what": "every cohort is as expected"}],
        key="expectations",
        description=f"What was expected of the cohorts and is not so. Pages: {index}",
    )
    return Completed(message=f"Pages on the expectations: {index}")


def write_expectation_pages(work: Installation) -> tuple[Path, dict[str, tuple[Finding, ...]]]:
    """Check each centre's cohort and write all pages.

    Returns
    -------
    Path
        The page that leads to the others.
    dict of str to tuple of Finding
        What was found of each external centre's cohort, where a model is pinned.
    """
    settings, now = work.settings, datetime.now(UTC)
    found = {}
    for center in settings.centers():
        if center.role is Role.EXTERNAL and settings.model.digest is not None:
            found[center.name] = check_center_cohort(work, center.name, settings.model.digest)
            work.store.put_check(
                Check(
                    suite="cohort",
                    center=center.name,
                    study=None,
                    codes=judged_codes("cohort"),
                    findings=found[center.name],
                    n=1,
                    checked_at=now,
                    software_version=software_version(),
                    model_digest=settings.model.digest,
                )
            )
    releases = work.registry.releases.recorded()
    centers = [
        CenterChecks(
            center.name,
            of_newest_contents(work.store.checks(center.name)),
            tuple(work.registry.studies.summaries(center.name)),
            tuple(release for release in releases if release.center == center.name),
            work.store.tissues(center.name),
        )
        for center in settings.centers()
    ]
    folder = settings.node.folder / FOLDER
    return write_pages(
        folder, centers, settings.expectations.quarantine, now, software_version()
    ), found


def check_center_cohort(work: Installation, center: str, model_digest: str) -> tuple[Finding, ...]:
    """Hold the cohort of one centre under one model against the expectations."""
    quarantined = [
        study.patient_key
        for study in work.registry.studies.summaries(center)
        if study.state is StudyState.QUARANTINED
    ]
    scores = work.store.scores(model_digest, center)
    first = work.store.study_order(center).first({row.identity: row.scored_at for row in scores})
    return check_cohort(
        cohort_facts(
            center,
            scores,
            work.store.clinical(center),
            quarantined,
            {study.identity for study in first.values()},
        )
    )
