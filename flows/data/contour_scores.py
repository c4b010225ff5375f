"""What the store holds of scores over contours: a patient's range, and a cohort's scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from feature_store.score import ContourScores
from feature_store.study_identity import StudyIdentity
from flows.installation import Installation
from models.combined.certainty import ScoreRange
from validation_reports.cohort.contour_cohort import ContourCohort
from validation_reports.cohort.scored_cohort import ScoredCohort


def range_of(row: ContourScores) -> ScoreRange | None:
    """Return the range that a row of the store tells; `None` if too few contours were measured."""
    if row.p10 is None or row.p90 is None or row.other_group is None:
        return None
    return ScoreRange(
        asked=len(row.linear_predictors),
        contours=len(row.linear_predictors) - row.linear_predictors.count(None),
        p10=row.p10,
        p90=row.p90,
        other_group=row.other_group,
    )


def with_contour_scores(work: Installation, cohort: ScoredCohort) -> ScoredCohort:
    """Return the cohort with its patients' scores over contours by the pinned model, as far as they
    are in the store.

    Parameters
    ----------
    work : Installation
        Store and pinned model.
    cohort : ScoredCohort
        A centre's patients.
    """
    kept = work.store.contour_scores(work.bundle.digest, cohort.center)
    found = contour_cohort(kept, cohort)
    return cohort if found is None else replace(cohort, contours=found)


def contour_cohort(
    kept: Mapping[StudyIdentity, ContourScores], cohort: ScoredCohort
) -> ContourCohort | None:
    """Return the scores over contours of a cohort's patients; `None` where none are kept.

    Contours of other settings than most patients' are not compared with theirs, and count as not
    known.

    Parameters
    ----------
    kept : mapping of StudyIdentity to ContourScores
        What the store holds.
    cohort : ScoredCohort
        The patients, with their studies.
    """
    rows = {
        place: kept[study]
        for place, study in enumerate(cohort.studies)
        if study in kept and range_of(kept[study]) is not None
    }
    if not rows:
        return None
    ((settings, _),) = Counter(row.settings for row in rows.values()).most_common(1)
    scores = np.full((cohort.n, settings[0]), np.nan)
    other_group = np.full(cohort.n, np.nan)
    for place, row in rows.items():
        if row.settings == settings:
            own = cohort.linear_predictor[place]
            scores[place] = [own if one is None else one for one in row.linear_predictors]
            other_group[place] = row.other_group
    return ContourCohort(scores, other_group)
