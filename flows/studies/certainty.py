"""How far a study's score moves over contours as other readers might have drawn them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from prefect import get_run_logger

from feature_store.errors import StudyDefect
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.radiomic_features.settings import ExtractionSettings
from feature_store.score import ContourScores
from feature_store.study_features import (
    ContourFeatures,
    LoadedStudy,
    measure_contours,
    perturbed_contours,
)
from feature_store.study_identity import StudyIdentity
from feature_store.wording import counted
from flows.data.contour_scores import range_of
from flows.installation import Installation
from flows.software_version import software_version
from flows.studies.scored import ModelAnswer
from flows.studies.steps import CheckedStudy, StudyRun, study_task
from models.bundle.frozen_bundle import FrozenBundle
from models.combined.certainty import LEAST_MEASURED, ScoreRange, score_range
from models.combined.combined_model import DEEP_BLOCK, one_patient
from models.combined.signature import block_of
from models.network.weights import DEEP_COLUMNS


def certainty(run: StudyRun, checked: CheckedStudy, answer: ModelAnswer) -> ScoreRange | None:
    """Score the contours that the settings ask for, and keep that in the store; `None` where they
    ask for none, which is no step of a run, or too few could be measured.
    """
    return _certainty(run, checked, answer) if run.work.settings.certainty.contours else None


@study_task("certainty")
def _certainty(run: StudyRun, checked: CheckedStudy, answer: ModelAnswer) -> ScoreRange | None:
    row = scores_over_contours(
        run.work,
        run.identity,
        checked.study,
        contours=run.work.settings.certainty.contours,
        high_risk=answer.risk.high_risk,
        computed_at=answer.scored_at,
    )
    run.store.put_contour_scores(row)
    return range_of(row)


def scores_over_contours(
    work: Installation,
    identity: StudyIdentity,
    study: LoadedStudy,
    *,
    contours: int,
    high_risk: bool,
    computed_at: datetime,
) -> ContourScores:
    """Score a study over perturbed contours; the same study content gives the same.

    Parameters
    ----------
    work : Installation
        Settings and pinned model.
    identity : StudyIdentity
        Which study and content; its digest is the seed.
    study : LoadedStudy
        The CT and the drawn GTV.
    contours : int
        How many.
    high_risk : bool
        The group of the drawn contour.
    computed_at : datetime
        When, timezone-aware.
    """
    bundle, settings, asked = work.bundle, work.settings.extraction(), work.settings.certainty
    drawn = perturbed_contours(
        study, settings, contours, identity.content_digest, asked.perturbation()
    )
    try:
        scored = score_contours(bundle, study, settings, drawn)
    except StudyDefect as defect:  # the drawn contour's own score stands all the same
        scored = ContourAnswers((None,) * contours, (str(defect),))
    if scored.defects:
        get_run_logger().warning(
            "Of %s, %d could not be measured. %s",
            counted(contours, "perturbed contour"),
            scored.linear_predictors.count(None),
            scored.defects[0],
        )
    found = score_range(scored.linear_predictors, high_risk=high_risk, cutoff=bundle.model.cutoff)
    if found is None:
        get_run_logger().warning(
            "How far the score moves with another contour is not known: fewer than %s "
            "could be measured.",
            counted(LEAST_MEASURED, "contour"),
        )
    return ContourScores(
        identity=identity,
        model_digest=bundle.digest,
        linear_predictors=scored.linear_predictors,
        p10=None if found is None else found.p10,
        p90=None if found is None else found.p90,
        other_group=None if found is None else found.other_group,
        sd_mm=asked.sd_mm,
        correlation_mm=asked.correlation_mm,
        cut_mm=asked.cut_mm,
        software_version=software_version(),
        computed_at=computed_at,
    )


@dataclass(frozen=True)
class ContourAnswers:
    """What a model says of contours.

    Parameters
    ----------
    linear_predictors : tuple of float or None
        In their order; `None` where one could not be measured.
    defects : tuple of str
        Why, a sentence for each.
    """

    linear_predictors: tuple[float | None, ...]
    defects: tuple[str, ...]


def score_contours(
    bundle: FrozenBundle,
    study: LoadedStudy,
    settings: ExtractionSettings,
    contours: Sequence[BoxedMask],
) -> ContourAnswers:
    """Score contours of one study, measuring what the model reads and nothing else.

    Parameters
    ----------
    bundle : FrozenBundle
        The model.
    study : LoadedStudy
        The CT.
    settings : ExtractionSettings
        How features are made.
    contours : sequence of BoxedMask
        On the grid that `feature_store.study_features.prepared` returns.

    Raises
    ------
    StudyDefect
        If the CT cannot be harmonised or filtered.
    """
    model = bundle.model
    columns = [name for name in model.features if block_of(name) != DEEP_BLOCK]
    scores: list[float | None] = []
    defects = []
    for measured in measure_contours(study, settings, contours, columns):
        if isinstance(measured, StudyDefect):
            scores.append(None)
            defects.append(str(measured))
            continue
        (score,) = model.linear_predictor(one_patient(_read(bundle, measured)))
        scores.append(float(score) if np.isfinite(score) else None)
    return ContourAnswers(tuple(scores), tuple(defects))


def _read(bundle: FrozenBundle, measured: ContourFeatures) -> dict[str, float]:
    """Return what a bundle reads of one contour, by feature column."""
    values = dict(measured.values)
    if bundle.network is not None:
        (deep,) = bundle.deep_feature_extractor.extract(measured.deep_input[np.newaxis])
        values.update(zip(DEEP_COLUMNS, deep.tolist(), strict=True))
    return values
