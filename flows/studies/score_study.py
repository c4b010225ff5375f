"""The flows `extract-study` and `score-study`: one complete study, from its files to its verdict.

Both end in a state whose message is the verdict in a sentence: *Extracted*, *Scored*, *Quarantined*
(the study cannot be right; mend it and push it again) or *Held* (nothing is wrong with the study;
the dispatcher tries again).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from prefect import get_run_logger, runtime
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.states import Completed

from dicom_node.center import ReturnedObject, Role
from dicom_node.errors import StudyStateError, UnknownStudyError
from dicom_node.registry.registry import StudyFiles, StudyState
from feature_store.cores import both
from feature_store.errors import StudyDefect
from feature_store.expectations.suites import Finding
from feature_store.imaging.image_marks import ImageMarks
from feature_store.study_features import StudyFeatures
from feature_store.tables.store import ScoreRow
from feature_store.wording import counted
from flows.data.elsewhere import refuse_measuring
from flows.data.erased import refuse_work_on
from flows.data.identity import meant_study
from flows.data.model_features import study_features
from flows.installation import Installation, installation
from flows.refusal import REFUSALS, refusable_flow, refused
from flows.runs.account import with_warnings
from flows.software_version import software_version
from flows.studies.certainty import certainty
from flows.studies.returned_objects import write_returned
from flows.studies.run_page import show_score
from flows.studies.scored import ModelAnswer, Scored
from flows.studies.steps import (
    QUARANTINED,
    CheckedStudy,
    StudyRun,
    check_and_load,
    extract_features,
    study_task,
)
from models.bundle.frozen_bundle import FrozenBundle
from models.combined.combined_model import Risk, one_patient
from models.combined.explanation import explain
from models.network.weights import DEEP_COLUMNS
from validation_reports.cohort.trained_on import TrainedOn
from validation_reports.wording import percent

FINISHED = frozenset({"Extracted", "Already extracted", "Scored", "Already scored", QUARANTINED})
"""Names of the final states after which the dispatcher has nothing left to do for a study."""


def _run_name() -> str:
    study_key = str(runtime.flow_run.parameters["study_key"])
    try:
        study = installation().registry.studies.named(study_key)
    except UnknownStudyError:
        return "unknown study"  # what was typed may name a patient
    except StudyStateError:
        return study_key
    return f"{study.center} · {study.patient_key}"


@refusable_flow(name="extract-study", flow_run_name=_run_name)
def extract_study(study_key: str, content_digest: str | None = None) -> State[None]:
    """Extract the features of one complete study of a training centre.

    Parameters
    ----------
    study_key : str
        The study's pseudonym, or its patient's where there is one study.
    content_digest : str, optional
        Which content of the study, by its SHA-256 digest; by default the newest.
    """
    return _concluded(_extract, study_key, content_digest)


@refusable_flow(name="score-study", flow_run_name=_run_name)
def score_study(study_key: str, content_digest: str | None = None) -> State[None]:
    """Score one complete study with the pinned frozen model and queue its structured report for
    delivery.

    Parameters
    ----------
    study_key : str
        The study's pseudonym, or its patient's where there is one study.
    content_digest : str, optional
        Which content of the study, by its SHA-256 digest; by default the newest.
    """
    return _concluded(_score, study_key, content_digest)


def score_content(study_key: str) -> State[None]:
    """Score the newest content of a study within another run, and return how that ended."""
    return _concluded(_score, study_key, None)


def _concluded(
    conclude: Callable[[Installation, StudyFiles], State[None]],
    study_key: str,
    content_digest: str | None,
) -> State[None]:
    try:
        work = installation()
        study_key = meant_study(work, study_key)
        refuse_work_on(work, study_key)
        files = work.registry.outbox.files(study_key, content_digest)
        # A step that inherits a tag asks the server for a slot under it, which costs a tenth of a
        # second and more.
        with TagsContext(current_tags=set()):
            return conclude(work, files)
    except (UnknownStudyError, StudyStateError) as error:
        return refused(str(error))
    except REFUSALS as error:
        return refused(str(error), name="Held")


def _extract(work: Installation, files: StudyFiles) -> State[None]:
    if work.center(files.center).role is not Role.TRAINING:
        return refused(
            f"Centre {files.center} is external: its studies are scored, use score-study."
        )
    if work.registry.results.find(files.study_key, files.content_digest, None) is not None:
        return Completed(
            name="Already extracted", message="This content of the study has been extracted before."
        )
    try:
        with work.store.writing_beside() as store:
            run = StudyRun(work, store, files)
            checked = check_and_load(run)
            _, region_findings = extract_features(run, checked)
    except StudyDefect as defect:
        return _quarantine(work, files, None, defect)
    warnings = _told(checked.findings, region_findings)
    sentence = f"Features extracted{_warned(warnings)}."
    work.registry.outbox.finish(
        files.study_key, files.content_digest, None, StudyState.EXTRACTED, sentence, None
    )
    return Completed(name="Extracted", message=with_warnings("Features extracted", warnings))


def _score(work: Installation, files: StudyFiles) -> State[None]:
    if work.center(files.center).role is not Role.EXTERNAL:
        return refused(
            f"Centre {files.center} trains the model: its studies are extracted, not scored."
        )
    refuse_measuring(work.bundle)
    model_digest = work.bundle.digest
    if work.registry.results.find(files.study_key, files.content_digest, model_digest) is not None:
        return Completed(
            name="Already scored", message="This model has scored this content of the study before."
        )
    try:
        with work.store.writing_beside() as store:
            run = StudyRun(work, store, files)
            checked = check_and_load(run)
            features, region_findings = extract_features(run, checked)
            warnings = _told(checked.findings, region_findings)
            answer = score(run, checked, features, warnings)
            warnings += answer.warnings
            over_contours = certainty(run, checked, answer)
            scored = Scored(checked, features, answer, warnings, over_contours)
            written = write_returned(run, scored)
    except StudyDefect as defect:
        return _quarantine(work, files, model_digest, defect)
    found = _risk_in_words(answer.risk)
    sentence = f"{found}{_warned(warnings)}"
    taken = {kind: written[kind] for kind in work.center(files.center).returns if kind in written}
    work.registry.outbox.finish(
        files.study_key,
        files.content_digest,
        model_digest,
        StudyState.SCORED,
        sentence,
        structured_report=taken.pop(ReturnedObject.SR, None),
        beside=taken,
    )
    show_score(run, scored, warnings)
    return Completed(name="Scored", message=with_warnings(found, warnings))


@study_task("score")
def score(
    run: StudyRun, checked: CheckedStudy, features: StudyFeatures, warnings: Sequence[str]
) -> ModelAnswer:
    """Compute the deep features and the risk, and keep both in the store; the time of a first try
    stays.

    Raises
    ------
    StudyDefect
        If the network gives no finite features.
    """
    bundle, files = run.work.bundle, run.files
    columns, earlier = both(
        lambda: study_features(bundle, features),
        lambda: run.store.score(files.study_key, files.content_digest, bundle.digest, files.center),
    )
    engine = ""
    if bundle.network is not None:
        engine = bundle.deep_feature_extractor.engine
        deep = np.array([columns[name] for name in DEEP_COLUMNS])
        if lacking := int((~np.isfinite(deep)).sum()):
            raise StudyDefect(
                "undefined-deep-features",
                f"{lacking} of {counted(deep.size, 'deep feature')} "
                f"{'has' if lacking == 1 else 'have'} no finite value. Check the values of the CT "
                "around the GTV.",
            )
        run.store.put_deep(run.identity, deep, bundle.network.digest)
    table = one_patient(columns)
    (risk,) = bundle.model.score(table)
    of_model = warnings_of_model(bundle, table, checked.marks)
    for sentence in of_model:
        get_run_logger().warning(sentence)
    is_same = earlier is not None and (
        earlier.roi_number == checked.study.gtv.number
        and math.isclose(earlier.linear_predictor, risk.linear_predictor, abs_tol=5e-4)
    )
    scored_at = earlier.scored_at if earlier and is_same else datetime.now(UTC)
    run.store.put_score(
        ScoreRow(
            identity=run.identity,
            model_digest=bundle.digest,
            linear_predictor=risk.linear_predictor,
            high_risk=risk.high_risk,
            survival=risk.survival,
            roi_number=checked.study.gtv.number,
            warnings=(*warnings, *of_model),
            software_version=software_version(),
            scored_at=scored_at,
            engine=engine,
        )
    )
    (explanation,) = explain(bundle.model, table)
    return ModelAnswer(risk, explanation, of_model, scored_at)


def warnings_of_model(
    bundle: FrozenBundle, table: pd.DataFrame, marks: ImageMarks
) -> tuple[str, ...]:
    """Return what a model says of the only patient of `table`: that it was trained on the patient,
    or knows no such patients.
    """
    leak = TrainedOn(bundle.digests, bundle.evidence.images).leak(marks)
    places = bundle.applicability.places(table) if bundle.applicability is not None else ()
    return (
        *((leak.warning,) if leak is not None else ()),
        *(place.sentence for place in places if place.outside),
    )


def _quarantine(
    work: Installation, files: StudyFiles, model_digest: str | None, defect: StudyDefect
) -> State[None]:
    sentence = str(defect)
    work.registry.outbox.finish(
        files.study_key,
        files.content_digest,
        model_digest,
        StudyState.QUARANTINED,
        sentence,
        structured_report=None,
    )
    return refused(sentence, name=QUARANTINED)


def _risk_in_words(risk: Risk) -> str:
    survival = ", ".join(
        f"{percent(alive)} at {days} days" for days, alive in sorted(risk.survival.items())
    )
    group = "high" if risk.high_risk else "low"
    return (
        f"{group} risk, linear predictor {risk.linear_predictor:+.3f}, predicted survival "
        f"{survival}"
    )


def _told(findings: Iterable[Finding], of_regions: Iterable[Finding]) -> tuple[str, ...]:
    """Return the sentences of all findings; what the regions were found to be says more than what
    was foreseen of them under the same code.
    """
    return tuple({one.code: one.sentence for one in (*findings, *of_regions)}.values())


def _warned(warnings: Sequence[object]) -> str:
    return f"; {counted(len(warnings), 'warning')}" if warnings else ""
