"""The flow `score-cohort`: what the pinned model has not scored yet, in chunks over threads,
processes or Dask.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from dicom_node.settings import SettingsError
from feature_store.wording import counted
from flows.installation import Installation, installation
from flows.refusal import refusable_flow, refused
from flows.runs.account import about, warn
from flows.runs.parameters import Centers
from flows.settings import PrefectTable
from flows.studies.score_imported import score_imported
from flows.studies.score_study import FINISHED, score_content

RETRY_AFTER_S = (10, 60)
"""A chunk whose process dies is tried again; the studies of it that are scored are not scored
twice.
"""


@refusable_flow(name="score-cohort", flow_run_name="missing scores")
def score_cohort(centers: Centers | None = None) -> State[None]:
    """Score every study that the pinned model has not scored yet; studies that wait in the outbox
    are left to it.

    Parameters
    ----------
    centers : list of str, optional
        External centres, as the settings file names them; by default all external ones.
    """
    work = installation()
    names = (
        [work.center(name).name for name in centers]
        if centers
        else list(work.settings.external_centers())
    )
    if training := sorted(set(names) - set(work.settings.external_centers())):
        raise SettingsError(
            f"Centre {training[0]} trains the model: its studies are extracted, not scored."
        )
    about(*names)
    digest = work.bundle.digest
    told = _imported(work, names)
    missing = [
        key
        for name in names
        if not work.bundle.facts.made_elsewhere
        for key in work.registry.results.missing(name, digest)
    ]
    if not missing:
        whole = f"Bundle {digest[:12]} has scored every study of {', '.join(names) or 'no centre'}"
        return Completed(message="; ".join(told) or whole)
    size = work.settings.prefect.cohort_chunk
    chunks = [missing[first : first + size] for first in range(0, len(missing), size)]
    runner = task_runner(work.settings.prefect)
    get_run_logger().info(
        "%s in %s over %s.",
        counted(len(missing), "study", "studies"),
        counted(len(chunks), "chunk"),
        type(runner).__name__,
    )
    verdicts = score_chunks.with_options(task_runner=runner)(chunks)
    counts = Counter(name for _, name, _ in verdicts)
    of_studies = f"{counted(len(missing), 'study', 'studies')}: " + ", ".join(
        f"{count} {name}" for name, count in sorted(counts.items())
    )
    words = "; ".join([of_studies, *told])
    unfinished = [sentence for _, name, sentence in verdicts if name not in FINISHED]
    if unfinished:
        return refused(f"{words}. The first that is not done: {unfinished[0]}")
    return Completed(message=words)


def _imported(work: Installation, names: Iterable[str]) -> list[str]:
    """Score what was imported, and say what came of it."""
    told = []
    for name in names:
        scored, refusals = score_imported(work, name)
        for sentence in refusals:
            warn(sentence)
        if scored:
            patients = f"{counted(scored, 'patient')}"
            told.append(f"{patients} of centre {name} scored by imported features")
    return told


@flow(name="score-chunks", flow_run_name="chunks of studies")
def score_chunks(chunks: list[list[str]]) -> list[tuple[str, str, str]]:
    """Score chunks of studies side by side, as the flow's task runner has it."""
    return [verdict for future in score_chunk.map(chunks) for verdict in future.result()]


@task(
    name="score chunk",
    cache_policy=NO_CACHE,
    retries=len(RETRY_AFTER_S),
    retry_delay_seconds=list(RETRY_AFTER_S),
)
def score_chunk(study_keys: Iterable[str]) -> list[tuple[str, str, str]]:
    """Score some studies one after the other; return pseudonym, verdict and sentence of each."""
    verdicts = []
    for study_key in study_keys:
        state = score_content(study_key)
        verdicts.append((study_key, state.name or "", state.message or ""))
    return verdicts


def task_runner(settings: PrefectTable) -> TaskRunner[Any]:
    """Return what the settings ask cohorts to fan out over.

    Parameters
    ----------
    settings : PrefectTable
        ``[prefect]``: `cohort_runner`, `cohort_workers`, `dask_scheduler`.
    """
    match settings.cohort_runner:
        case "thread":
            return ThreadPoolTaskRunner(max_workers=settings.cohort_workers)
        case "process":
            return ProcessPoolTaskRunner(max_workers=settings.cohort_workers)
        case "dask":
            # Takes a second, and few ask for it
            from prefect_dask.task_runners import DaskTaskRunner  # noqa: PLC0415

            if settings.dask_scheduler is not None:
                return DaskTaskRunner(address=settings.dask_scheduler)
            workers = {
                "n_workers": settings.cohort_workers,
                "threads_per_worker": 1,
                "dashboard_address": None,
            }
            return DaskTaskRunner(cluster_kwargs=workers)
