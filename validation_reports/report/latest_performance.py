"""How the model did in the latest validation at a centre: what a patient's structured report tells
of it.

Each report's folder holds this as ``figures.json``, small beside the report itself, because it is
looked up at every scoring.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from dicom_node.durable_files import write_durably
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.summary_line import Line
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.margins import Margins, Verdict

if TYPE_CHECKING:
    from validation_reports.report.validation_report import ValidationReport

PERFORMANCE_NAME = "figures.json"
"""As it is called in every report so far."""


@dataclass(frozen=True)
class CenterPerformance:
    """What the latest validation at one centre found.

    Parameters
    ----------
    center : str
        The centre.
    model_digest : str
        SHA-256 of the frozen bundle.
    report_id : str
        Name of the report's folder.
    created_at : datetime
        Time-zone-aware moment of the report.
    n, n_events : int
        Patients analysed and deaths.
    concordance : Concordance or NotEstimable
        Harrell's C.
    calibration : Line
        Whether the predicted risks are right there, as the report's first screen says it.
    margins : Margins or None
        Within which they count as right; `None` in files of before, whose verdicts had none.
    """

    center: str
    model_digest: str
    report_id: str
    created_at: datetime
    n: int
    n_events: int
    concordance: Concordance | NotEstimable
    calibration: Line
    margins: Margins | None = None

    @property
    def calibration_words(self) -> str:
        """Verdict and answer in one sentence; a verdict that was given without margins is none."""
        if self.margins is None:
            return (
                f"{Verdict.UNKNOWN}: {self.calibration.answer} This was judged before margins were "
                "stated: validate the centre again."
            )
        return f"{self.calibration.verdict}: {self.calibration.answer}"


def center_performances(report: ValidationReport, report_id: str) -> tuple[CenterPerformance, ...]:
    """Return how the model did at each centre of a report.

    Parameters
    ----------
    report : ValidationReport
        What `build_report` found.
    report_id : str
        Name of its folder.
    """
    # forty modules of statistics, which nobody needs who reads what was found
    from validation_reports.report.summary import calibration_line  # noqa: PLC0415

    return tuple(
        CenterPerformance(
            center=result.center,
            model_digest=report.provenance.model_digest,
            report_id=report_id,
            created_at=report.provenance.created_at,
            n=result.n,
            n_events=result.n_events,
            concordance=result.concordance,
            calibration=calibration_line(result, report.margins),
            margins=report.margins,
        )
        for result in report.centers
    )


def write_center_performances(folder: Path, report: ValidationReport) -> None:
    """Write what was found into a report's folder, at once and in full, because scoring processes
    read it meanwhile.
    """
    found = _adapter().dump_json(center_performances(report, folder.name), indent=1)
    write_durably(folder / PERFORMANCE_NAME, found)


def latest_performance(
    reports: Path, center: str, model_digest: str
) -> CenterPerformance | NotEstimable:
    """Look up what the latest validation of a model at a centre found.

    Parameters
    ----------
    reports : Path
        The folder of the reports; their names begin with the moment of their making.
    center : str
        The centre.
    model_digest : str
        SHA-256 of the frozen bundle; what was found of another model says nothing of this one.

    Returns
    -------
    CenterPerformance or NotEstimable
        What was found, or why nothing is known.
    """
    for path in sorted(reports.glob(f"*/{PERFORMANCE_NAME}"), reverse=True):
        found = performances_in(path.parent)
        if found is None:
            return NotEstimable(
                f"The numbers of the validation report {path.parent.name} cannot be read, and "
                "older ones may no longer hold: validate the centre again."
            )
        for performance in found:
            if performance.center == center and performance.model_digest == model_digest:
                return performance
    return NotEstimable(f"This model has not been validated at centre {center} yet.")


def performances_in(report: Path) -> tuple[CenterPerformance, ...] | None:
    """Return what a report's folder says of each centre; `None` where that cannot be read."""
    try:
        return _adapter().validate_json((report / PERFORMANCE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None


@cache
def _adapter() -> TypeAdapter[tuple[CenterPerformance, ...]]:
    """Make the adapter when a report is written or read: every scoring process imports this."""
    return TypeAdapter(tuple[CenterPerformance, ...])
