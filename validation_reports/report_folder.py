"""The files of a report: page, PDF, JSON, every survival curve in full, and what R needs to compute
it again; page and PDF come from the JSON alone.

Last come the few numbers that structured reports of patients quote, so that they are seen only of a
whole report.

Where the PDF cannot be laid out, the other files are still written, and the reason is returned as a
sentence.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from dicom_node.durable_files import write_durably
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.errors import ReportFormatError, ReportNotWrittenError
from validation_reports.page.pdf import write_pdf
from validation_reports.page.render import render_html
from validation_reports.report.curves import curves_csv
from validation_reports.report.file_names import (
    CURVES_NAME,
    JSON_NAME,
    PAGE_NAME,
    PDF_NAME,
    R_FOLDER,
)
from validation_reports.report.latest_performance import write_center_performances
from validation_reports.report.r_check import expected_csv, patients_csv, script
from validation_reports.report.validation_report import ValidationReport, from_json, to_json


def write_report_files(
    folder: Path,
    report: ValidationReport,
    cohorts: Sequence[ScoredCohort],
    *,
    of_rows: ValidationReport | None = None,
    whole_centers: bool = True,
    pdf: bool = True,
) -> str | None:
    """Write a report into a new folder.

    Parameters
    ----------
    folder : Path
        Is made; must not be there.
    report : ValidationReport
        What `build_report` found.
    cohorts : sequence of ScoredCohort
        The patients it was found in, or those that leave; exported without identity for the check
        in R.
    of_rows : ValidationReport, optional
        What these patients give, where the report gives other numbers than they do.
    whole_centers : bool
        Whether they are all patients of their centres; what was found in some of them is not quoted
        to every patient.
    pdf : bool
        Whether a PDF is laid out, which takes longer than everything else.

    Returns
    -------
    str or None
        Why there is no PDF, if one was asked for and there is none.

    Raises
    ------
    FileExistsError
        If the folder is there.
    ReportNotWrittenError
        If the disk does not take all of it; nothing of it is left then.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise
    except OSError as error:
        raise not_written(error) from error
    try:
        return _write(
            folder, report, cohorts, of_rows=of_rows, whole_centers=whole_centers, pdf=pdf
        )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)  # nobody takes a part of a report for one
        raise not_written(error) from error


def not_written(error: OSError) -> ReportNotWrittenError:
    """Return the error of this package that stands for one of the file system."""
    return ReportNotWrittenError(
        f"The validation report cannot be written ({error.strerror or type(error).__name__}), and "
        "nothing of it is kept: make space on the disk of the reports, or let their folder be "
        "written, and validate again."
    )


def _write(
    folder: Path,
    report: ValidationReport,
    cohorts: Sequence[ScoredCohort],
    *,
    of_rows: ValidationReport | None,
    whole_centers: bool,
    pdf: bool,
) -> str | None:
    write_durably(folder / JSON_NAME, to_json(report).encode())
    check = folder / R_FOLDER
    check.mkdir()
    write_durably(check / "patients.csv", patients_csv(cohorts).encode())
    expected = expected_csv(of_rows or report, report)
    if not cohorts:  # of no row there is no number
        expected = expected.splitlines(keepends=True)[0]
    write_durably(check / "expected.csv", expected.encode())
    write_durably(check / "recompute.R", script().encode())
    write_durably(folder / CURVES_NAME, curves_csv(cohorts, report.horizons).encode())
    without_pdf = _render(folder, report, pdf=pdf)
    if whole_centers:
        write_center_performances(folder, report)
    return without_pdf


def render_again(stored: Path, *, pdf: bool = True) -> str | None:
    """Write page and PDF anew beside a stored ``report.json``, from it alone.

    Parameters
    ----------
    stored : Path
        The JSON file, or the folder that holds it.
    pdf : bool
        Whether a PDF is laid out.

    Returns
    -------
    str or None
        Why there is no PDF, if one was asked for and there is none.

    Raises
    ------
    ReportFormatError
        If the file cannot be read as a report.
    """
    path = stored / JSON_NAME if stored.is_dir() else stored
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportFormatError(
            f"The stored report {path.name} cannot be read: give a report.json."
        ) from error
    return _render(path.parent, from_json(text), pdf=pdf)


def _render(folder: Path, report: ValidationReport, *, pdf: bool) -> str | None:
    page = render_html(report)
    write_durably(folder / PAGE_NAME, page.encode())
    return write_pdf(page, folder / PDF_NAME) if pdf else None
