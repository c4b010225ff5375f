"""What must hold of a centre's cohort before it is analysed: its facts, and the rules on them.

A new defect is a fact, where none says it yet, and one more row of `COHORT_RULES`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from feature_store.clinical_records import ClinicalRecord, analysable
from feature_store.rules import Between, Rule, Severity
from feature_store.score import ScoreRow
from feature_store.study_identity import StudyIdentity
from feature_store.wording import counted

ENOUGH_EVENTS = 100
"""Deaths that an external validation should have (Collins, Ogundimu, Altman 2016,
doi:10.1002/sim.6787).
"""
LEAST_FOLLOW_UP_DAYS = 365


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
        Patients of whom more than one study content was scored.
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
    counting: Collection[StudyIdentity] | None = None,
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
    counting : collection of StudyIdentity, optional
        Of each patient the study content that counts; by default the one that was scored last.
    """
    newest = {
        row.identity.patient_key: row
        for row in sorted(scores, key=lambda row: row.scored_at)
        if counting is None or row.identity in counting
    }
    by_patient = {record.patient_key: record for record in records}
    known = {key: by_patient[key] for key in newest if key in by_patient}
    included = {key: record for key, record in known.items() if analysable(record).eligible}
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


COHORT_RULES = (
    Rule(
        "cohort-patients",
        "n_patients",
        Between(1),
        "at least one patient with a score and a complete clinical record",
        lambda _: (
            "No patient can be analysed, expected at least one with a score and a complete "
            "clinical record."
        ),
    ),
    Rule(
        "cohort-no-events",
        "n_events",
        Between(1),
        "deaths, without which discrimination is not defined",
        lambda f: (
            f"None of the {counted(f.n_patients, 'patient')} died, expected deaths: discrimination "
            "is not defined."
        ),
    ),
    Rule(
        "cohort-events",
        "n_events",
        Between(ENOUGH_EVENTS),
        "at least 100 deaths",
        lambda f: (
            f"{f.n_events} of {counted(f.n_patients, 'patient')} died, expected at least "
            f"{ENOUGH_EVENTS} deaths for an external validation (Collins 2016): intervals will be "
            "wide."
        ),
        Severity.WARNING,
    ),
    Rule(
        "cohort-follow-up",
        "longest_follow_up_days",
        Between(LEAST_FOLLOW_UP_DAYS),
        "a follow-up of a year or longer",
        lambda f: (
            f"The longest follow-up is {counted(f.longest_follow_up_days, 'day')}, expected at "
            f"least {LEAST_FOLLOW_UP_DAYS}: survival at one year cannot be checked."
        ),
        Severity.WARNING,
    ),
    Rule(
        "cohort-one-risk-group",
        "high_risk_share",
        Between(0.05, 0.95),
        "5 to 95 % of the patients in the high-risk group",
        lambda f: (
            f"{f.high_risk_share:.0%} of the patients are in the high-risk group, expected 5 to "
            "95 %: a hazard ratio between the groups says little."
        ),
        Severity.WARNING,
    ),
    Rule(
        "cohort-age-missing",
        "age_missing_share",
        Between(None, 0.05),
        "at most 5 % of the patients without an age",
        lambda f: f"{f.age_missing_share:.0%} of the patients have no age, expected at most 5 %.",
        Severity.WARNING,
    ),
    Rule(
        "cohort-without-clinical",
        "without_clinical_share",
        Between(None, 0.10),
        "at most 10 % of the scored patients without a clinical record",
        lambda f: (
            f"{f.without_clinical_share:.0%} of the scored patients have no clinical record, "
            "expected at most 10 %: import the centre's newest table."
        ),
        Severity.WARNING,
    ),
    Rule(
        "cohort-not-eligible",
        "not_eligible",
        Between(None, 0),
        "only patients who meet the inclusion criteria",
        lambda f: (
            f"{counted(f.not_eligible, 'scored patient')} "
            f"{'does' if f.not_eligible == 1 else 'do'} not meet the inclusion criteria, expected "
            "none: they are left out."
        ),
        Severity.WARNING,
    ),
    Rule(
        "cohort-quarantined",
        "quarantined_share",
        Between(None, 0.10),
        "at most 10 % of the patients with quarantined studies only",
        lambda f: (
            f"All studies of {f.quarantined_share:.0%} of the patients are quarantined, expected "
            "at most 10 %: who is left may not be the centre's patients."
        ),
        Severity.WARNING,
    ),
    Rule(
        "cohort-several-contents",
        "several_contents",
        Between(None, 0),
        "one scored study content per patient",
        lambda f: (
            f"{counted(f.several_contents, 'patient')} "
            f"{'has' if f.several_contents == 1 else 'have'} scores of more than one study "
            "content, expected one each: of several planning CTs the one acquired first counts, of "
            "several contents of one CT the newest."
        ),
        Severity.WARNING,
    ),
)
