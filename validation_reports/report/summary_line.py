"""A line of the summary, which is read alone where a score tells how its model did."""

from __future__ import annotations

from dataclasses import dataclass

from validation_reports.statistics.margins import Verdict


@dataclass(frozen=True)
class Line:
    """One line of the summary: the question, the verdict and the answer with its numbers."""

    question: str
    verdict: Verdict
    answer: str
