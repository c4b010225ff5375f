"""Scores, clinical records and verdicts of one centre, joined into the cohort that is analysed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from feature_store.clinical_records import ClinicalRecord, analysable
from feature_store.tables.store import ScoreRow
from feature_store.tables.study_order import FirstStudy, StudyOrder
from feature_store.wording import counted
from models.combined.applicability import OUTSIDE
from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.cohort.selection import CohortSelection
from validation_reports.errors import CohortError

_EVERYBODY = CohortSelection()
_NO_ORDER = StudyOrder()
_DAY_S = 86400
FIRST_CT = "the patient has more than one planning CT; the one acquired first counts"
FIRST_READ = (
    "the patient has more than one planning CT, of which it is not known which was acquired first; "
    "the one that came first counts"
)
CT_AFTER_START = "the planning CT was acquired after the start of radiotherapy"
NO_CLINICAL_ROW = "scored, but the centre's clinical table has no row for this patient"
_FINISHED = ("scored", "extracted")
"""States of a study that another model, or none, was done with."""

NOT_ARRIVED = "in the clinical table, but no study of this patient has arrived"
QUARANTINED = "quarantined: "
UNFINISHED = "arrived, but not scored yet: the study is "
NOT_SCORED = "in the clinical table, but the pinned model has scored no study of this patient"


def assemble_cohort(
    center: str,
    scores: Sequence[ScoreRow],
    records: Sequence[ClinicalRecord],
    quarantined: Mapping[str, str],
    horizons: Sequence[int],
    baseline: BaselineHazard | None = None,
    selection: CohortSelection = _EVERYBODY,
    unfinished: Mapping[str, str] | None = None,
    order: StudyOrder = _NO_ORDER,
    refused: Mapping[str, str] | None = None,
    warnings: Mapping[str, Collection[str]] | None = None,
) -> ScoredCohort:
    """Join what is known of a centre's patients; whoever is left out is named with the reason.

    Parameters
    ----------
    center : str
        The centre.
    scores : sequence of ScoreRow
        Scores by one model; of several for a patient that of the CT which was acquired first
        counts, and of its contents the one that was read last.
    records : sequence of ClinicalRecord
        The centre's clinical table.
    quarantined : mapping of str to str
        Sentence of the quarantine by patient key.
    horizons : sequence of int
        Days at which predicted survival is wanted.
    baseline : BaselineHazard, optional
        The model's, for horizons that the scores were not computed for.
    selection : CohortSelection, optional
        Whom the cohort takes of those who could be analysed.
    unfinished : mapping of str to str, optional
        State of the study by patient key, of whoever arrived and was not quarantined; without it
        nobody knows who has arrived.
    order : StudyOrder, optional
        What is known of the order of the patients' studies; without it, that of scoring.
    refused : mapping of str to str, optional
        Reason by patient key of whoever must not be analysed although scored.
    warnings : mapping of str to collection of str, optional
        By sentence, the patient keys whom it concerns, beside the warnings of the scores.

    Returns
    -------
    ScoredCohort
        Sorted by patient key.

    Raises
    ------
    CohortError
        If nobody is left to analyse.
    """
    by_content = {score.identity: score for score in scores}
    first = {
        key: study
        for (_, key), study in order.first(
            {identity: score.scored_at for identity, score in by_content.items()}
        ).items()
    }
    score_of = {key: by_content[study.identity] for key, study in first.items()}
    record_of = {record.patient_key: record for record in records}
    excluded = _excluded(score_of, record_of, quarantined, unfinished, refused or {}, selection)
    included = sorted((score_of.keys() & record_of.keys()) - excluded.keys())
    if not included:
        raise _nobody_left(center, Counter(excluded.values()))
    chosen = [(score_of[key], record_of[key]) for key in included]
    return ScoredCohort(
        center=center,
        patient_keys=tuple(included),
        survival=Survival(
            np.array([record.survival_days for _, record in chosen], dtype=np.float64),
            np.array([record.event for _, record in chosen], dtype=np.bool_),
        ),
        linear_predictor=np.array(
            [score.linear_predictor for score, _ in chosen], dtype=np.float64
        ),
        high_risk=np.array([score.high_risk for score, _ in chosen], dtype=np.bool_),
        predicted_survival={
            days: np.array(
                [_survival(score, days, baseline) for score, _ in chosen], dtype=np.float64
            )
            for days in horizons
        },
        covariates=pd.DataFrame(
            [(record.age, record.sex, record.histology, record.stage) for _, record in chosen],
            columns=["age", "sex", "histology", "stage"],
        ),
        excluded=tuple(sorted(excluded.items())),
        warnings=Counter(
            warning
            for score, record in chosen
            for warning in (
                *map(_of_anybody, score.warnings),
                *_of_studies(first[record.patient_key], order, record),
                *(one for one, keys in (warnings or {}).items() if record.patient_key in keys),
            )
        ),
        studies=tuple(score.identity for score, _ in chosen),
    )


def _excluded(
    score_of: Mapping[str, ScoreRow],
    record_of: Mapping[str, ClinicalRecord],
    quarantined: Mapping[str, str],
    unfinished: Mapping[str, str] | None,
    refused: Mapping[str, str],
    selection: CohortSelection,
) -> dict[str, str]:
    """Return whoever is left out, with the first reason that holds."""
    excluded = {
        key: f"{QUARANTINED}{why}" for key, why in quarantined.items() if key not in score_of
    }
    known = score_of.keys() | record_of.keys() | (unfinished or {}).keys()
    for key in sorted(known - excluded.keys()):
        reason: str | None
        if key not in score_of:
            reason = _not_scored(key, unfinished)
        elif key not in record_of:
            reason = NO_CLINICAL_ROW
        else:
            record = record_of[key]
            reason = refused.get(key) or analysable(record).reason
            reason = reason or selection.reason_against(record, score_of[key])
        if reason is not None:
            excluded[key] = reason
    return excluded


def _nobody_left(center: str, reasons: Counter[str]) -> CohortError:
    found = "; ".join(f"{count} x {why}" for why, count in reasons.most_common())
    return CohortError(
        f"No patient of centre {center} can be analysed, expected at least one with a score and a "
        "clinical row: " + (found or "it has no patients at all") + f". {_advice(reasons)}"
    )


def _advice(reasons: Counter[str]) -> str:
    if reasons[NO_CLINICAL_ROW] and reasons[NOT_ARRIVED] + reasons[NOT_SCORED]:
        return (
            "The clinical table may write Patient IDs otherwise than the PACS, such as without the "
            "zeros before a number: `python -m flows import-clinical CENTER TABLE --check` tells."
        )
    return "Push its studies, import its clinical table, or validate another centre."


def _of_anybody(warning: str) -> str:
    """Return a warning without what it says of the one patient, so that it can be counted."""
    head, outside, _ = warning.partition(OUTSIDE)
    return f"{head}{outside}." if outside else warning


def _of_studies(study: FirstStudy, order: StudyOrder, record: ClinicalRecord) -> list[str]:
    """Return what must be said of the CT that counts."""
    said = []
    if study.n_cts > 1:
        said.append(FIRST_CT if study.order_known else FIRST_READ)
    acquired, start = order.acquired_s.get(study.identity), record.treatment_start_s
    if acquired is not None and start is not None and acquired >= start + _DAY_S:
        said.append(CT_AFTER_START)
    return said


def _survival(score: ScoreRow, days: int, baseline: BaselineHazard | None) -> float:
    if days in score.survival:
        return score.survival[days]
    found = math.nan if baseline is None else float(baseline.survival(days, score.linear_predictor))
    if math.isnan(found):
        reach = (
            ""
            if baseline is None
            else f", and its baseline hazard ends at {counted(round(baseline.last_day), 'day')}"
        )
        raise CohortError(
            f"The model predicts no survival at {days} days: it was frozen for "
            f"{', '.join(map(str, score.survival))} days{reach}. Ask for one of these."
        )
    return found


def _not_scored(key: str, unfinished: Mapping[str, str] | None) -> str:
    if unfinished is None or unfinished.get(key) in _FINISHED:
        return NOT_SCORED
    return UNFINISHED + unfinished[key] if key in unfinished else NOT_ARRIVED
