"""What is known of a centre's cohort before it is analysed: plain facts, from which the
expectations give a verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from feature_store.clinical_records import ClinicalRecord, eligible
from feature_store.score import ScoreRow


@dataclass(frozen=True)
class CohortFacts:
    """Facts of one centre's cohort under one model.

    Parameters
    ----------
    center : str
        The centre.
    n_patients : int
        Patients who can be analysed: scored, with a clinical record that meets the inclusion
        criteria.
    n_events : int
        Deaths among them.
    longest_follow_up_days : float
        Longest survival or follow-up among them; 0 without patients.
    high_risk_share : float or None
        Share of them above the model's cut-off; `None` without patients.
    age_missing_share : float
        Share of them whose age is not recorded.
    without_clinical_share : float
        Share of the scored patients who have no clinical record.
    not_eligible : int
        Scored patients whose clinical record does not meet the inclusion criteria.
    quarantined_share : float
        Share of the patients seen, all of whose studies are quarantined.
    several_contents : int
        Patients of whom more than one study content was scored; the newest counts.
    """

    center: str
    n_patients: int
    n_events: int
    longest_follow_up_days: float
    high_risk_share: float | None
    age_missing_share: float
    without_clinical_share: float
    not_eligible: int
    quarantined_share: float
    several_contents: int


def cohort_facts(
    center: str,
    scores: Sequence[ScoreRow],
    records: Sequence[ClinicalRecord],
    quarantined: Collection[str],
) -> CohortFacts:
    """Collect the facts of a cohort.

    Parameters
    ----------
    center : str
        The centre.
    scores : sequence of ScoreRow
        Its scores by one model.
    records : sequence of ClinicalRecord
        Its clinical table.
    quarantined : collection of str
        Patient keys of its quarantined studies.
    """
    newest = {
        row.identity.patient_key: row for row in sorted(scores, key=lambda row: row.scored_at)
    }
    by_patient = {record.patient_key: record for record in records}
    known = {key: by_patient[key] for key in newest if key in by_patient}
    included = {key: record for key, record in known.items() if eligible(record).eligible}
    n = len(included)
    only_quarantined = set(quarantined) - newest.keys()
    seen = len(newest) + len(only_quarantined)
    return CohortFacts(
        center=center,
        n_patients=n,
        n_events=sum(record.event for record in included.values()),
        longest_follow_up_days=max(
            (record.survival_days for record in included.values()), default=0.0
        ),
        high_risk_share=sum(newest[key].high_risk for key in included) / n if n else None,
        age_missing_share=sum(record.age is None for record in included.values()) / n if n else 0.0,
        without_clinical_share=1 - len(known) / len(newest) if newest else 0.0,
        not_eligible=len(known) - n,
        quarantined_share=len(only_quarantined) / seen if seen else 0.0,
        several_contents=sum(
            count > 1 for count in Counter(row.identity.patient_key for row in scores).values()
        ),
    )
