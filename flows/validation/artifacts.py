"""What runs leave in the Prefect UI: tables, pictures, links and progress; never a patient's
identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.installation import Installation
from validation_reports.page.pictures import pictures_markdown
from validation_reports.report.file_names import PAGE_NAME
from validation_reports.report.main_numbers import center_rows
from validation_reports.report.validation_report import ValidationReport


@contextmanager
def progress(key: str, steps: int) -> Iterator[Callable[[], None]]:
    """Show how far a run is.

    Parameters
    ----------
    key : str
        Key of the artifact.
    steps : int
        Number of equal steps.

    Yields
    ------
    callable
        To be called at the end of each step.
    """
    artifact = cast(
        UUID,
        create_progress_artifact(0.0, key=f"{key}-progress", description="Progress in per cent"),
    )
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        update_progress_artifact(artifact, progress=100 * min(done, steps) / steps)

    yield step


def show_report(work: Installation, slug: str, report: ValidationReport, folder_name: str) -> None:
    """Show the main numbers, the pictures and where the whole report is.

    Parameters
    ----------
    work : Installation
        Its settings say whether reports can be read in a browser.
    slug : str
        Names the artifacts: lower-case letters, digits, hyphens.
    report : ValidationReport
        What was found.
    folder_name : str
        The report's folder within the folder of reports.
    """
    model = report.provenance.model_name
    # Without a key: of what has one, the server keeps its newest version a second time.
    pictures = create_markdown_artifact(
        pictures_markdown(report), description=f"Survival and calibration, {model}"
    )
    create_table_artifact(
        center_rows(report),
        key=f"validation-{slug}",
        description=f"Validation of {model}. [Its pictures](/artifacts/artifact/{pictures})",
    )
    if url := work.settings.validation.reports_url:
        create_link_artifact(
            f"{url.rstrip('/')}/{folder_name}/{PAGE_NAME}",
            link_text=f"Report {folder_name}",
            key=f"validation-{slug}-report",
            description="The full report",
        )
    else:
        create_markdown_artifact(
            f"The full report is `{folder_name}/{PAGE_NAME}` in the folder of reports; with "
            "`reports_url` in the `[validation]` table of the settings this would be a link.",
            key=f"validation-{slug}-report",
            description="Where the full report is",
        )
