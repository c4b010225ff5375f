"""The flow `certainty-cohort`: how far scores move over other contours, where they were computed
without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from dicom_node.errors import StudyStateError, UnknownStudyError
from dicom_node.settings import SettingsError
from feature_store.errors import StudyDefect
from feature_store.imaging.contour_combination import OverlappingContours
from feature_store.score import ScoreRow
from feature_store.study_features import load_study
from feature_store.wording import counted
from flows.data.archived_study import read_archived
from flows.data.contour_scores import range_of
from flows.data.erased import refuse_work_on
from flows.data.identity import chosen_gtv, identity_of
from flows.installation import Installation, installation
from flows.refusal import refusable_flow, refused
from flows.runs.account import about
from flows.runs.parameters import Centers
from flows.studies.certainty import scores_over_contours
from flows.studies.score_cohort import task_runner
from models.combined.certainty import LEAST_MEASURED

RECOMMENDED = 20
"""Contours a study, where the settings name no number: two of them lie beyond each percentile."""
KNOWN, UNCERTAIN, UNKNOWN = "certain", "uncertain", "not known"
Contours = Annotated[int, Field(ge=LEAST_MEASURED, le=200)]


@refusable_flow(name="certainty-cohort", flow_run_name="scores without other contours")
def certainty_cohort(
    centers: Centers | None = None, contours: Contours | None = None
) -> State[None]:
    """Compute how far each score by the pinned model moves over other contours, where that was not
    done yet; reports, portal and queries have it then, and what was returned to the PACS stays.

    Parameters
    ----------
    centers : list of str, optional
        External centres, as the settings file names them; by default all external ones.
    contours : int, optional
        Contours of each study; by default as many as the settings ask for, else 20.
    """
    work = installation()
    external = work.settings.external_centers()
    names = [work.center(name).name for name in centers] if centers else list(external)
    if training := sorted(set(names) - set(external)):
        raise SettingsError(f"Centre {training[0]} trains the model: its studies have no score.")
    about(*names)
    number = contours or work.settings.certainty.contours or RECOMMENDED
    missing = [study for name in names for study in scored_without_contours(work, name)]
    if not missing:
        return Completed(
            message=f"every score of {', '.join(names) or 'no centre'} by bundle "
            f"{work.bundle.digest[:12]} has been computed over other contours"
        )
    size = work.settings.prefect.cohort_chunk
    chunks = [missing[first : first + size] for first in range(0, len(missing), size)]
    runner = task_runner(work.settings.prefect)
    get_run_logger().info(
        "%s in %s over %s.",
        counted(len(missing), "study", "studies"),
        counted(len(chunks), "chunk"),
        type(runner).__name__,
    )
    verdicts = certainty_chunks.with_options(task_runner=runner)(chunks, number)
    counts = Counter(name for name, _ in verdicts)
    words = f"{counted(len(missing), 'study', 'studies')}: " + ", ".join(
        f"{count} {name}" for name, count in sorted(counts.items())
    )
    unknown = [sentence for name, sentence in verdicts if name == UNKNOWN]
    if unknown:
        return refused(f"{words}. The first that is not known: {unknown[0]}")
    return Completed(message=words)


def scored_without_contours(work: Installation, center: str) -> list[tuple[str, str]]:
    """Return study and content of each score of a centre by the pinned model that was not computed
    over other contours; contents that newer ones have replaced are left out.
    """
    digest = work.bundle.digest
    done = work.store.contour_scores(digest, center).keys()
    replaced = work.store.replaced(center)
    return [
        (row.identity.study_key, row.identity.content_digest)
        for row in work.store.scores(digest, center)
        if row.identity not in done | replaced and not row.identity.is_of_table
    ]


@flow(name="certainty-chunks", flow_run_name="chunks of studies")
def certainty_chunks(chunks: list[list[tuple[str, str]]], contours: int) -> list[tuple[str, str]]:
    """Look at chunks of studies side by side, as the flow's task runner has it."""
    found = [certainty_chunk.submit(chunk, contours) for chunk in chunks]
    return [verdict for future in found for verdict in future.result()]


@task(name="certainty chunk", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=[10, 60])
def certainty_chunk(studies: Iterable[tuple[str, str]], contours: int) -> list[tuple[str, str]]:
    """Look at some studies one after the other; return verdict and sentence of each."""
    work = installation()
    return [certainty_of_study(work, *study, contours) for study in studies]


def certainty_of_study(
    work: Installation, study_key: str, content_digest: str, contours: int
) -> tuple[str, str]:
    """Compute and keep how far the score of a study content moves; return verdict and sentence."""
    score = work.store.score(study_key, content_digest, work.bundle.digest)
    if score is None:
        return UNKNOWN, f"The score of study {study_key} is gone."
    try:
        return _computed(work, score, contours)
    except (StudyDefect, UnknownStudyError, StudyStateError) as error:
        return UNKNOWN, f"Study {study_key}: {error}"


def _computed(work: Installation, score: ScoreRow, contours: int) -> tuple[str, str]:
    study_key = score.identity.study_key
    refuse_work_on(work, study_key)
    files = work.registry.outbox.files(study_key, score.identity.content_digest)
    study = load_study(
        read_archived(files),
        work.center(files.center).gtv_pattern,
        OverlappingContours(work.settings.features.overlapping_contours),
        chosen_gtv(files),
    )
    row = scores_over_contours(
        work,
        identity_of(files),
        study,
        contours=contours,
        high_risk=score.high_risk,
        computed_at=datetime.now(UTC),
    )
    work.store.put_contour_scores(row)
    found = range_of(row)
    if found is None:
        return UNKNOWN, f"Too few contours of study {study_key} could be measured."
    return (UNCERTAIN if found.is_uncertain else KNOWN), ""
