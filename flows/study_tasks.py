"""The steps that every study goes through, as Prefect tasks around the pure functions of the other packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed
from prefect.utilities.annotations import quote

from dicom_node.part10 import read_part10
from dicom_node.registry import StudyFiles
from feature_store.acquisition_rows import acquisition_record
from feature_store.clinical import ClinicalRecord
from feature_store.contours import read_structure_set
from feature_store.ct_volume import read_ct_headers
from feature_store.errors import StudyDefect, UnreadableInstance
from feature_store.expectations import Finding, Severity, check_regions, check_study, waive
from feature_store.radiomic_features.extractor import extract
from feature_store.radiomic_features.pyradiomics_engine import extract_with_pyradiomics
from feature_store.store import FeatureStore, StudyIdentity
from feature_store.study_facts import StudyFacts, study_facts, with_regions
from feature_store.study_features import LoadedStudy, StudyFeatures, compute_features, load_study
from feature_store.suite_record import keep, new_record
from flows.installation import Installation
from flows.settings import software_version

QUARANTINED = "Quarantined"
"""Name of the final state of a study that cannot be right, and of the step that found it."""

ENGINES = {"crops": extract, "pyradiomics": extract_with_pyradiomics}
"""The extraction engines by the name that the settings give them; their values are equal."""


@dataclass(frozen=True)
class CheckedStudy:
    """A study that may be worked on.

    Parameters
    ----------
    study : LoadedStudy
        CT volume, structure set and the mask of the GTV.
    facts : StudyFacts
        What the expectations looked at.
    findings : tuple of Finding
        What was not as the paper's protocol has it; warnings only.
    """

    study: LoadedStudy
    facts: StudyFacts
    findings: tuple[Finding, ...]


def identity_of(files: StudyFiles) -> StudyIdentity:
    """Return the pseudonymous identity under which the results of a study are kept."""
    return StudyIdentity(
        center=files.center,
        patient_key=files.patient_key,
        study_key=files.study_key,
        content_digest=files.content_digest,
    )


P = ParamSpec("P")
R = TypeVar("R")


def study_task(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a step a Prefect task that shows a `StudyDefect` as the state *Quarantined*, without traceback."""

    def decorate(step: Callable[P, R]) -> Callable[P, R]:
        @task(name=name, cache_policy=NO_CACHE)
        def run(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            try:
                return step(*args, **kwargs)
            except StudyDefect as defect:
                return Failed(name=QUARANTINED, message=str(defect))

        @wraps(step)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            # Quoted, or Prefect would look through volumes and lists of files for the results of other tasks.
            state = run(quote(args), quote(kwargs), return_state=True)
            if state.name == QUARANTINED:
                raise StudyDefect("study", state.message or "")
            return cast("R", state.result())

        return call

    return decorate


@study_task("check and load")
def check_and_load(work: Installation, store: FeatureStore, files: StudyFiles) -> CheckedStudy:
    """Verify the files, hold the study against the expectations, and load it; what is found goes to `store`.

    Raises
    ------
    StudyDefect
        If the files changed on disk, cannot be read, or a critical expectation is not met.
    """
    _verify(files)
    ct: list[Path] = [instance.path for instance in files.ct]
    pattern = work.center(files.center).gtv_pattern
    headers, structure_set = read_ct_headers(ct), read_structure_set(files.rtstruct.path)
    store.put_acquisition(identity_of(files), acquisition_record(headers.acquisition))
    facts = study_facts(headers, structure_set, pattern, clinical_record(work, files))
    findings = _kept(work, store, files, "study", check_study(facts, work.settings.expectations.quarantine))
    return CheckedStudy(load_study(ct, files.rtstruct.path, pattern), facts, findings)


@study_task("extract features")
def extract_features(
    work: Installation, store: FeatureStore, files: StudyFiles, checked: CheckedStudy
) -> tuple[StudyFeatures, tuple[Finding, ...]]:
    """Harmonise, make the regions, extract their radiomics, and keep all in `store`.

    Raises
    ------
    StudyDefect
        If a region is degenerate or a feature is not finite.
    """
    settings = work.settings
    features = compute_features(
        checked.study, settings.extraction(), settings.features.ring_widths_mm, engine=ENGINES[settings.features.engine]
    )
    facts = with_regions(checked.facts, features.gtv_voxels, features.ring_cut_by_field_of_view)
    findings = _kept(work, store, files, "regions", check_regions(facts, work.settings.expectations.quarantine))
    store.put_radiomics(identity_of(files), features.vectors)
    store.put_deep_input(identity_of(files), features.deep_input)
    return features, findings


def clinical_record(work: Installation, files: StudyFiles) -> ClinicalRecord | None:
    """Return the clinical record of the study's patient, if its centre has sent one."""
    return work.store.clinical_record(files.center, files.patient_key)


def _verify(files: StudyFiles) -> None:
    for instance in (files.rtstruct, *files.ct):
        if not instance.path.is_file() or read_part10(instance.path).content_sha256 != instance.content_sha256:
            kind = "the RTSTRUCT" if instance is files.rtstruct else "a CT slice"
            raise UnreadableInstance(
                "changed-on-disk",
                f"The file of {kind} in the archive is not the one that was received: its SHA-256 is expected to be "
                f"{instance.content_sha256[:16]}… and is not. Check the disk, remove the file and push the study anew.",
            )


def _kept(
    work: Installation, store: FeatureStore, files: StudyFiles, suite: str, findings: tuple[Finding, ...]
) -> tuple[Finding, ...]:
    """Keep what was found, of which an operator's release may have waived some; what is critical ends the study."""
    waivers = {
        code: f"Scored all the same: released by {release.released_by}, {release.reason}."
        for release in work.registry.releases(files.study_key, files.content_digest)
        for code in release.waived
    }
    findings = waive(findings, waivers)
    study = identity_of(files)
    store.put_findings(study, findings)
    keep(
        work.settings.node.folder,
        new_record(suite, files.center, findings, datetime.now(UTC), software_version(), study),
    )
    critical = [finding for finding in findings if finding.severity is Severity.CRITICAL]
    if critical:
        raise StudyDefect(critical[0].code, " ".join(finding.sentence for finding in critical))
    for finding in findings:
        get_run_logger().warning(finding.sentence)
    return findings
