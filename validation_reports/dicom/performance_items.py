"""Content items that tell how well the model does at a centre: estimates with their intervals
(PS3.16 annex A).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from highdicom import sr
from pydicom.sr.coding import Code

from validation_reports.dicom import codes as concept
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.latest_performance import CenterPerformance

_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_PLAIN = str.maketrans({"–": "-", "—": "-", "−": "-", "≥": ">=", "×": "x", "…": "..."})
_HAS_PROPERTIES = sr.RelationshipTypeValues.HAS_PROPERTIES


class Estimate(Protocol):
    """A number with its interval."""

    @property
    def estimate(self) -> float:
        """The point estimate."""

    @property
    def lower(self) -> float:
        """The lower limit of the confidence interval."""

    @property
    def upper(self) -> float:
        """The upper limit of the confidence interval."""


def container(name: Code, items: Sequence[sr.ContentItem]) -> sr.ContainerContentItem:
    """Return a container that its parent contains."""
    found = sr.ContainerContentItem(name, relationship_type=_CONTAINS)
    found.ContentSequence = sr.ContentSequence(items)
    return found


def text(name: Code, value: str) -> sr.TextContentItem:
    """Return a text item that its parent contains."""
    return sr.TextContentItem(name, plain(value), _CONTAINS)


def plain(value: str) -> str:
    """Write the dashes and signs of a page in ASCII, so that a report needs no other character set
    for them.
    """
    return value.translate(_PLAIN)


def count_item(name: Code, n: int) -> sr.NumContentItem:
    """Return a number of patients."""
    item = sr.NumContentItem(name, n, concept.PATIENTS, relationship_type=_CONTAINS)
    item.MeasuredValueSequence[0].NumericValue = str(n)  # the library writes 80 as 80.0
    return item


def estimate_item(name: Code, found: Estimate | NotEstimable, confidence: float) -> sr.ContentItem:
    """Return an estimate with limits and confidence as its properties, or the sentence that says
    why there is none.

    Parameters
    ----------
    name : Code
        What is estimated.
    found : Estimate or NotEstimable
        The number, without unit.
    confidence : float
        Of the interval, between 0 and 1.
    """
    if isinstance(found, NotEstimable):
        return text(concept.NOT_ESTIMABLE, f"{name.meaning}: {found.sentence}")
    item = sr.NumContentItem(
        name, _six_digits(found.estimate), concept.NO_UNITS, relationship_type=_CONTAINS
    )
    limits = (
        (concept.LOWER_LIMIT, _six_digits(found.lower), concept.NO_UNITS),
        (concept.UPPER_LIMIT, _six_digits(found.upper), concept.NO_UNITS),
        (concept.CONFIDENCE, _six_digits(100 * confidence), concept.PERCENT),
    )
    item.ContentSequence = sr.ContentSequence(
        [
            sr.NumContentItem(code, value, unit, relationship_type=_HAS_PROPERTIES)
            for code, value, unit in limits
        ]
    )
    return item


def performance_container(found: CenterPerformance | NotEstimable) -> sr.ContainerContentItem:
    """Return what the latest validation at the centre found, or why nothing is told of it.

    Parameters
    ----------
    found : CenterPerformance or NotEstimable
        From `latest_performance`.
    """
    if isinstance(found, NotEstimable):
        return container(concept.PERFORMANCE, [text(concept.NO_PERFORMANCE, found.sentence)])
    c = found.concordance
    return container(
        concept.PERFORMANCE,
        [
            estimate_item(
                concept.CONCORDANCE, c, 0.95 if isinstance(c, NotEstimable) else c.confidence
            ),
            text(concept.CALIBRATION_VERDICT, found.calibration_words),
            count_item(concept.PATIENTS_ANALYSED, found.n),
            count_item(concept.DEATHS, found.n_events),
            sr.DateContentItem(concept.VALIDATION_DATE, found.created_at.date(), _CONTAINS),
            text(concept.REPORT_ID, found.report_id),
        ],
    )


def _six_digits(value: float) -> float:
    """Round to what a decimal string of 16 characters holds and a reader can use (PS3.5 section
    6.2, DS).
    """
    return float(f"{value:.6g}")
