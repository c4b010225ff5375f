"""One study with its score, as what is returned of it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from feature_store.study_features import StudyFeatures
from flows.installation import Installation
from flows.studies.steps import CheckedStudy
from models.combined.combined_model import Risk
from models.combined.explanation import Explanation

if TYPE_CHECKING:
    from validation_reports.dicom.references import ModelReference


@dataclass(frozen=True)
class ModelAnswer:
    """What the model says of one patient.

    Parameters
    ----------
    risk : Risk
        The score.
    explanation : Explanation
        What the score is made of.
    warnings : tuple of str
        What the model itself warns of.
    scored_at : datetime
        When the patient was first scored.
    """

    risk: Risk
    explanation: Explanation
    warnings: tuple[str, ...]
    scored_at: datetime


@dataclass(frozen=True, eq=False)
class Scored:
    """One study with its score.

    Parameters
    ----------
    checked : CheckedStudy
        The study.
    features : StudyFeatures
        What was measured on it.
    answer : ModelAnswer
        What the model says.
    warnings : sequence of str
        Sentences about the data behind the score, the model's own among them.
    """

    checked: CheckedStudy
    features: StudyFeatures
    answer: ModelAnswer
    warnings: Sequence[str]


def model_reference(work: Installation) -> ModelReference:
    """Return how objects name the pinned model."""
    # highdicom takes seconds to import
    from validation_reports.dicom.references import ModelReference  # noqa: PLC0415

    facts = work.bundle.facts
    return ModelReference(
        name=facts.name,
        version=facts.version,
        digest=work.bundle.digest,
        demonstration=facts.demonstration,
        intended_use=facts.intended_use,
    )
