"""The steps that every study goes through, as Prefect tasks around the pure functions of the other
packages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar, cast

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed
from pydicom.dataset import Dataset

from dicom_node.center import ReturnedObject
from dicom_node.pseudonym import clock_shift_s, image_key, person_key
from dicom_node.registry.registry import StudyFiles
from dicom_node.settings import SettingsError
from feature_store.cores import both
from feature_store.errors import StudyDefect
from feature_store.expectations.checks import Check, judged_codes
from feature_store.expectations.study_rules import study_facts
from feature_store.expectations.suites import (
    Finding,
    Severity,
    check_contours,
    check_regions,
    check_study,
    check_voxels,
    waive,
)
from feature_store.imaging.contour_combination import OverlappingContours
from feature_store.imaging.contour_rules import in_words
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.image_marks import ImageMarks, image_marks, pixel_digests
from feature_store.imaging.voxel_rules import voxel_facts
from feature_store.radiomic_features.extractor import extract
from feature_store.study_features import (
    ExtractionEngine,
    LoadedStudy,
    StudyFeatures,
    compute_features,
    load_study,
    region_facts,
)
from feature_store.tables.rows import acquisition_record
from feature_store.tables.store import FeatureStore
from flows.data.archived_study import read_archived
from flows.data.identity import chosen_gtv, identity_of
from flows.installation import Installation
from flows.software_version import software_version
from validation_reports.page.region_pictures import CtPlanes

QUARANTINED = "Quarantined"
"""Name of the final state of a study that cannot be right, and of the step that found it."""


class MeasuredOnce:
    """A study that can be taken once: its voxels, a fifth of the memory that features need, are let
    go of when they are harmonised.

    Parameters
    ----------
    study : LoadedStudy
        The study.
    """

    def __init__(self, study: LoadedStudy) -> None:
        self._study: LoadedStudy | None = study

    def take(self) -> LoadedStudy:
        """Return the study, and forget it.

        Raises
        ------
        LookupError
            If it was taken before.
        """
        study, self._study = self._study, None
        if study is None:
            raise LookupError("The voxels of the study were taken before.")
        return study


@dataclass(frozen=True, eq=False)
class CheckedStudy:
    """A study that may be worked on.

    Parameters
    ----------
    study : LoadedStudy
        The CT's grid, structure set and the mask of the GTV; with the CT's voxels, above the floor,
        where more than features is made of them.
    measured : MeasuredOnce
        The study with its voxels, as features are made of it.
    planes : CtPlanes
        What is drawn of the CT.
    findings : tuple of Finding
        What was not as the paper's protocol has it; warnings only.
    ct_datasets : tuple of Dataset
        The CT instances without their pixels, in the order of the volume's slices.
    rtstruct : Dataset
        The RTSTRUCT without its ROIs.
    marks : ImageMarks
        By what the CT and the person are recognised.
    """

    study: LoadedStudy
    measured: MeasuredOnce
    planes: CtPlanes
    findings: tuple[Finding, ...]
    ct_datasets: tuple[Dataset, ...]
    rtstruct: Dataset
    marks: ImageMarks


class StudyRun:
    """What every step of a run works with; no dataclass, whose hundred files Prefect would search
    for earlier results.

    Parameters
    ----------
    work : Installation
        Settings, registry and frozen model.
    store : FeatureStore
        Where the results go.
    files : StudyFiles
        The study.
    """

    def __init__(self, work: Installation, store: FeatureStore, files: StudyFiles) -> None:
        self.work = work
        self.store = store
        self.files = files
        self.identity = identity_of(files)


P = ParamSpec("P")
R = TypeVar("R")


def study_task(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a step a Prefect task that shows a `StudyDefect` as the state *Quarantined*, without
    traceback.
    """

    def decorate(step: Callable[P, R]) -> Callable[P, R]:
        @task(name=name, cache_policy=NO_CACHE)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                return step(*args, **kwargs)
            except StudyDefect as defect:
                return Failed(name=QUARANTINED, message=str(defect))

        @wraps(step)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            state = run(*args, return_state=True, **kwargs)
            if state.name == QUARANTINED:
                raise StudyDefect("study", state.message or "")
            return cast("R", state.result())

        return call

    return decorate


def engine_called(name: Literal["crops", "pyradiomics"]) -> ExtractionEngine:
    """Return the extraction engine by the name that the settings give it; their values are
    equal.
    """
    if name == "crops":
        return extract
    # with SimpleITK, 90 MB that the other one does without
    from feature_store.radiomic_features.pyradiomics_engine import (  # noqa: PLC0415
        extract_with_pyradiomics,
    )

    return extract_with_pyradiomics


def how_completed(files: StudyFiles) -> tuple[Finding, ...]:
    """Return what is unusual about how the study was completed, as warnings."""
    return tuple(Finding(Severity.WARNING, one.code, one.sentence) for one in files.warnings)


@study_task("check and load")
def check_and_load(run: StudyRun) -> CheckedStudy:
    """Read and verify the files, hold the study against the expectations, and load it; what is
    found goes to the store.

    Raises
    ------
    StudyDefect
        If the files changed on disk, cannot be read, or a critical expectation is not met.
    """
    files, work = run.files, run.work
    pattern, quarantine = (
        work.center(files.center).gtv_pattern,
        work.settings.expectations.quarantine,
    )
    with _refusals_kept(run, "study"):
        reading = read_archived(files)
    headers, structure_set = reading.ct.headers, reading.rtstruct.structure_set
    run.store.put_acquisition(run.identity, acquisition_record(headers.acquisition))
    clinical = run.store.clinical_record(files.center, files.patient_key)
    if files.choice is not None:
        get_run_logger().info(files.choice.in_words)
    chosen = chosen_gtv(files)
    facts = study_facts(headers, structure_set, pattern, clinical, chosen)
    found = (*check_study(facts, quarantine), *how_completed(files))
    findings = _judged(run, "study", found)
    with _refusals_kept(run, "study", findings):
        overlapping = OverlappingContours(work.settings.features.overlapping_contours)
        study = load_study(reading, pattern, overlapping, chosen)
    floor_hu = work.settings.extraction().hu_floor
    voxels, marks = both(
        lambda: voxel_facts(study.volume, study.drawn, floor_hu),
        lambda: _marks(run, reading.ct.datasets, study.volume),
    )
    run.store.put_images(run.identity, marks)
    get_run_logger().info(in_words(study.contours))
    findings += _judged(run, "contours", check_contours(study.contours, quarantine))
    findings += _judged(run, "voxels", check_voxels(voxels, quarantine))
    # From here on all look at values above the floor: one CT is kept, not two.
    study = replace(study, volume=study.volume.with_floor(floor_hu))
    planes = CtPlanes.through(study.volume, study.drawn)
    in_order = tuple(reading.ct.datasets[one.number] for one in headers.slices)
    return CheckedStudy(
        study if _voxels_are_used_again(run) else replace(study, volume=planes.grid),
        MeasuredOnce(study),
        planes,
        findings,
        in_order,
        reading.rtstruct.dataset,
        marks,
    )


def _voxels_are_used_again(run: StudyRun) -> bool:
    """Say whether more than features is made of the CT: scores of other contours, or a map."""
    returned = run.work.center(run.files.center).returns
    return run.work.settings.certainty.contours > 0 or ReturnedObject.MAP in returned


@study_task("extract features")
def extract_features(
    run: StudyRun, checked: CheckedStudy
) -> tuple[StudyFeatures, tuple[Finding, ...]]:
    """Harmonise, make the regions, extract their radiomics, and keep all in the store.

    Raises
    ------
    StudyDefect
        If a region is degenerate or a feature is not finite.
    """
    settings = run.work.settings
    with _refusals_kept(run, "regions"):
        features = compute_features(
            checked.measured.take(),
            settings.extraction(),
            settings.features.ring_widths_mm,
            engine=engine_called(settings.features.engine),
            last_use=not _voxels_are_used_again(run),
        )
    findings = _judged(
        run, "regions", check_regions(region_facts(features), settings.expectations.quarantine)
    )
    for region, shares in features.tissues.items():
        get_run_logger().info("The region %s holds %s.", region, shares.in_words())
    run.store.write_checks()  # the last suite has been judged
    run.store.put_radiomics(run.identity, features.vectors, features.tissues)
    run.store.put_deep_input(run.identity, features.deep_input)
    return features, findings


def _marks(run: StudyRun, datasets: Sequence[Dataset], volume: CtVolume) -> ImageMarks:
    try:
        key = run.work.pseudonym_key()
    except SettingsError as error:
        get_run_logger().warning(
            f"The order of this study and its images cannot be marked. {error}"
        )
        return ImageMarks(None, (), pixel_digests(volume))
    shift = clock_shift_s(key, run.files.patient_key)
    return image_marks(
        datasets,
        volume,
        lambda uid: image_key(key, uid),
        shift,
        lambda *names: person_key(key, *names),
    )


def _judged(run: StudyRun, suite: str, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Keep what was found, of which an operator's release may have waived some; what is critical
    ends the study.
    """
    waivers = {
        code: f"Scored all the same: released by {release.released_by}, {release.reason}."
        for release in run.work.registry.releases.recorded(
            run.files.study_key, run.files.content_digest
        )
        for code in release.waived
    }
    findings = waive(findings, waivers)
    _keep(run, suite, findings, judged_codes(suite))
    critical = [finding for finding in findings if finding.severity is Severity.CRITICAL]
    if critical:
        raise StudyDefect(critical[0].code, " ".join(finding.sentence for finding in critical))
    for finding in findings:
        get_run_logger().warning(finding.sentence)
    return findings


@contextmanager
def _refusals_kept(
    run: StudyRun, suite: str, judged: tuple[Finding, ...] | None = None
) -> Iterator[None]:
    """Keep what loading refuses as a finding beside what the suite found, if it was judged."""
    try:
        yield
    except StudyDefect as defect:
        refusal = Finding(Severity.CRITICAL, defect.code, defect.sentence)
        codes = () if judged is None else judged_codes(suite)
        _keep(run, suite, (refusal, *(judged or ())), codes)
        raise


def _keep(run: StudyRun, suite: str, findings: tuple[Finding, ...], codes: tuple[str, ...]) -> None:
    run.store.put_check(
        Check(
            suite=suite,
            center=run.files.center,
            study=run.identity,
            codes=tuple(dict.fromkeys([*codes, *(finding.code for finding in findings)])),
            findings=findings,
            n=1,
            checked_at=datetime.now(UTC),
            software_version=software_version(),
        )
    )
