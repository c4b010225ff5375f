"""The current figures of the model at one centre: what a patient's structured report tells of its
latest validation.

Each report's folder holds them as ``figures.json``, small beside the report itself, because they
are looked up at every scoring.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dicom_node.durable_files import write_durably
from validation_reports.not_estimable import NotEstimable
from validation_reports.report.summary import Line, calibration_line
from validation_reports.report.validation_report import ValidationReport
from validation_reports.statistics.discrimination import Concordance

FIGURES_NAME = "figures.json"


@dataclass(frozen=True)
class CenterFigures:
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
    """

    center: str
    model_digest: str
    report_id: str
    created_at: datetime
    n: int
    n_events: int
    concordance: Concordance | NotEstimable
    calibration: Line


def center_figures(report: ValidationReport, report_id: str) -> tuple[CenterFigures, ...]:
    """Return the figures of each centre of a report.

    Parameters
    ----------
    report : ValidationReport
        What `build_report` found.
    report_id : str
        Name of its folder.
    """
    return tuple(
        CenterFigures(
            center=result.center,
            model_digest=report.provenance.model_digest,
            report_id=report_id,
            created_at=report.provenance.created_at,
            n=result.n,
            n_events=result.n_events,
            concordance=result.concordance,
            calibration=calibration_line(result),
        )
        for result in report.centers
    )


def write_center_figures(folder: Path, report: ValidationReport) -> None:
    """Write the figures into a report's folder, at once and in full, because scoring processes read
    them meanwhile.
    """
    figures = _ADAPTER.dump_json(center_figures(report, folder.name), indent=1)
    write_durably(folder / FIGURES_NAME, figures)


def latest_figures(reports: Path, center: str, model_digest: str) -> CenterFigures | NotEstimable:
    """Look up what the latest validation of a model at a centre found.

    Parameters
    ----------
    reports : Path
        The folder of the reports; their names begin with the moment of their making.
    center : str
        The centre.
    model_digest : str
        SHA-256 of the frozen bundle; figures of another model say nothing of this one.

    Returns
    -------
    CenterFigures or NotEstimable
        The figures, or why there are none.
    """
    for path in sorted(reports.glob(f"*/{FIGURES_NAME}"), reverse=True):
        try:
            found = _ADAPTER.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return NotEstimable(
                f"The figures of the validation report {path.parent.name} cannot be read, and "
                "older ones may no longer hold: validate the centre again."
            )
        for figures in found:
            if figures.center == center and figures.model_digest == model_digest:
                return figures
    return NotEstimable(f"This model has not been validated at centre {center} yet.")


_ADAPTER = TypeAdapter(tuple[CenterFigures, ...])
