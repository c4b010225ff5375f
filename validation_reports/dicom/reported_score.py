"""What a structured report says was scored, read back from it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from validation_reports.dicom import codes as concept

_SHOWN: Final = 5e-4
"""Half of the last decimal of a score as it is shown: nearer ones are told alike."""


@dataclass(frozen=True)
class ReportedScore:
    """What is told of a score.

    Parameters
    ----------
    roi_number : str
        ROI Number of the contour.
    linear_predictor : float
        The score.
    high_risk : bool
        The group.
    warnings : collection of str
        Sentences about the data behind the score.
    """

    roi_number: str
    linear_predictor: float
    high_risk: bool
    warnings: Collection[str]

    def is_told_like(self, other: ReportedScore) -> bool:
        """Say whether a report on one of them tells the other."""
        return (
            (self.roi_number, self.high_risk) == (other.roi_number, other.high_risk)
            and math.isclose(
                self.linear_predictor, other.linear_predictor, rel_tol=0.0, abs_tol=_SHOWN
            )
            and set(self.warnings) == set(other.warnings)
        )


def reported_score(report: Dataset) -> ReportedScore | None:
    """Return what a report says was scored; `None` where it does not say so in our codes."""
    roi = score = group = None
    warnings = []
    for item in _items(report):
        code = _code(item, "ConceptNameCodeSequence")
        if code == concept.ROI_NUMBER.value:
            roi = str(item.get("TextValue", ""))
        elif code == concept.WARNING.value:
            warnings.append(str(item.get("TextValue", "")))
        elif code == concept.RISK_GROUP.value:
            group = _code(item, "ConceptCodeSequence")
        elif code == concept.RISK_SCORE.value and item.get("MeasuredValueSequence"):
            score = float(item.MeasuredValueSequence[0].NumericValue)
    if roi is None or score is None or group is None:
        return None
    return ReportedScore(roi, score, group == concept.HIGH.value, warnings)


def _items(item: Dataset) -> list[Dataset]:
    """Return all content items below one, in their order."""
    found: list[Dataset] = []
    for one in item.get("ContentSequence") or ():
        found += [one, *_items(one)]
    return found


def _code(item: Dataset, keyword: str) -> str:
    sequence = item.get(keyword)
    return str(sequence[0].get("CodeValue", "")) if sequence else ""
