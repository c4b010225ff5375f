"""One study with its score, as what is returned of it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from feature_store.imaging.regions import Region
from feature_store.imaging.regions_on_ct import RegionOnCt
from feature_store.study_features import StudyFeatures, regions_on_ct
from flows.data.model_features import model_regions
from flows.installation import Installation
from flows.studies.steps import CheckedStudy
from models.combined.certainty import ScoreRange
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
    over_contours : ScoreRange or None
        Where the score lies over other contours; `None` where that is not known.
    """

    checked: CheckedStudy
    features: StudyFeatures
    answer: ModelAnswer
    warnings: Sequence[str]
    over_contours: ScoreRange | None = None


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


def regions_shown(work: Installation, scored: Scored) -> dict[Region, RegionOnCt]:
    """Return the GTV and the rings that the model reads on the CT's grid."""
    wanted = {Region.GTV, *model_regions(work.bundle)}
    found = regions_on_ct(
        scored.checked.study, scored.features, work.settings.extraction().spacing_mm
    )
    return {region: shown for region, shown in found.items() if region in wanted}
