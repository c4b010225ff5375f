"""Which patients of a centre an ad-hoc cohort takes, and in what words the others are left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from feature_store.clinical_records import ClinicalRecord, Histology, Sex, StageGroup
from feature_store.tables.store import ScoreRow

OUTSIDE = "not in the cohort asked for"
"""How every reason of a selection begins."""


@dataclass(frozen=True)
class CohortSelection:
    """What a patient must have to be in the cohort; a criterion that is empty takes everybody.

    Parameters
    ----------
    stages : frozenset of StageGroup
        Groups of the overall stage.
    histologies : frozenset of Histology
        Histologies of the primary tumour.
    sexes : frozenset of Sex
        Sexes.
    scored_from, scored_until : date or None
        First and last day (UTC) on which the study was scored.
    patients : frozenset of str
        Pseudonyms.
    """

    stages: frozenset[StageGroup] = frozenset()
    histologies: frozenset[Histology] = frozenset()
    sexes: frozenset[Sex] = frozenset()
    scored_from: date | None = None
    scored_until: date | None = None
    patients: frozenset[str] = frozenset()

    def reason_against(self, record: ClinicalRecord, score: ScoreRow) -> str | None:
        """Return why a patient is not in the cohort, `None` for one who is."""
        if self.patients and record.patient_key not in self.patients:
            return f"{OUTSIDE}: not among the patients named"
        for what, asked, found in (
            ("stage", self.stages, record.stage_group),
            ("histology", self.histologies, record.histology),
            ("sex", self.sexes, record.sex),
        ):
            if asked and found not in asked:
                return f"{OUTSIDE}: {what} is {found or 'neither known nor in a group'}"
        day = score.scored_at.date()
        if self.scored_from is not None and day < self.scored_from:
            return f"{OUTSIDE}: scored before {self.scored_from}"
        if self.scored_until is not None and day > self.scored_until:
            return f"{OUTSIDE}: scored after {self.scored_until}"
        return None
