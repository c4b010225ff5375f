"""What a run of `score-study` shows in the Prefect UI: its score, under the pseudonym."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import PrefectException

from feature_store.imaging.regions import Region
from flows.studies.page import DEMONSTRATION
from flows.studies.scored import Scored, regions_shown
from flows.studies.steps import StudyRun
from validation_reports.page.region_pictures import axial_png
from validation_reports.page.score_markdown import score_markdown


def show_score(run: StudyRun, scored: Scored, warnings: Sequence[str]) -> None:
    """Leave picture, score and warnings with the run; a server that does not take them costs
    nothing else.

    The artifact has no key, so that the server keeps it once, and it goes with its run.
    """
    work, study = run.work, scored.checked.study
    shown = regions_shown(work, scored)
    rings = [found.mask.whole() for region, found in shown.items() if region is not Region.GTV]
    markdown = score_markdown(
        run.files.patient_key,
        DEMONSTRATION if work.bundle.facts.demonstration else "",
        scored.answer.risk,
        work.bundle.model.cutoff,
        axial_png(scored.checked.planes, study.gtv_mask, rings),
        warnings,
    )
    try:
        create_markdown_artifact(markdown, description=f"Score of {run.files.patient_key}")
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning(
            f"The run shows no page: the server does not take it ({type(error).__name__})."
        )
