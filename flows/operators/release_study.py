"""The flow `release-study`: an operator decides that a quarantined study is scored all the same."""

from __future__ import annotations

from prefect.client.schemas.objects import State
from prefect.states import Completed

from dicom_node.errors import StudyStateError
from dicom_node.registry.registry import Release, StudyState
from feature_store.expectations.suites import RELEASABLE, Finding, Severity
from flows.data.identity import identity_of, meant_study
from flows.installation import Installation, installation
from flows.refusal import refusable_flow


@refusable_flow(name="release-study", flow_run_name="{study_key}")
def release_study(study_key: str, reason: str, released_by: str) -> State[None]:
    """Release a quarantined study, so that it is scored with what was found as warnings. The
    release is recorded.

    Parameters
    ----------
    study_key : str
        The study's pseudonym, or its patient's where there is one study.
    reason : str
        Why, in up to 300 characters; it stands in the structured report. No patient's data.
    released_by : str
        Who decides.
    """
    release = release_quarantined(installation(), study_key, reason, released_by)
    return Completed(name="Released", message=release_in_words(release))


def release_quarantined(
    work: Installation, study_key: str, reason: str, released_by: str
) -> Release:
    """Release a study that expectations alone keep in quarantine.

    Raises
    ------
    StudyStateError
        If it is not quarantined, or for something that nobody can waive: data from which no
        features can be computed.
    UnknownStudyError
        If there is no such study.
    """
    study_key = meant_study(work, study_key)
    study = next(
        (one for one in work.registry.studies.summaries() if one.study_key == study_key), None
    )
    if study is not None and study.state is not StudyState.QUARANTINED:
        raise StudyStateError(
            f"Study {study_key} is {study.state}: only a complete study that is quarantined can be "
            "released."
        )
    files = work.registry.outbox.files(study_key)
    found = [
        finding
        for check in work.store.checks(files.center, identity_of(files))
        for finding in check.findings
        if finding.severity is Severity.CRITICAL
    ]
    sentence = (study.sentence if study is not None else None) or "No reason is recorded."
    return work.registry.releases.release(
        study_key, released_by, reason, _waived(study_key, sentence, found)
    )


def _waived(study_key: str, sentence: str, found: list[Finding]) -> dict[str, str]:
    """Return code and sentence of what is waived; refuse what cannot be."""
    lasting = [finding for finding in found if finding.code not in RELEASABLE]
    quarantining = [finding for finding in found if finding.sentence in sentence]
    if lasting or not quarantining:
        raise StudyStateError(
            f"Study {study_key} cannot be released: no features can be computed from data like "
            "this, whoever decides. "
            f"{' '.join(one.sentence for one in lasting) or sentence}"
        )
    return {finding.code: finding.sentence for finding in quarantining}


def release_in_words(release: Release) -> str:
    """Return a release as a sentence."""
    return (
        f"Study {release.study_key} of centre {release.center} was released by "
        f"{release.released_by} at {release.released_at:%Y-%m-%d %H:%M} UTC ({release.reason}), "
        "despite: "
        f"{' '.join(release.waived.values())}"
    )
