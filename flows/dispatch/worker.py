"""A scoring process: claims one row of the outbox at a time under a lease and runs its flow, warm
from study to study.

Nothing is imported here that only the dispatcher needs: each worker would hold it.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import FrameType
from typing import Any
from uuid import UUID

import httpx
import numpy as np
from prefect import Flow, tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import SyncClientContext
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    get_current_settings,
    temporary_settings,
)
from prefect.states import Crashed

from dicom_node.center import Role
from dicom_node.errors import NodeError
from dicom_node.registry.registry import OutboxItem, StudyFiles
from dicom_node.settings import SettingsError
from feature_store.expectations.evaluation import prepare_to_judge
from flows.data.archived_study import reading_begun
from flows.data.erased import refuse_work_on
from flows.dispatch.heap_gaps import leave_gaps
from flows.installation import Installation, installation
from flows.runs.account import run_tags
from flows.runs.outages import say_outages_in_one_line
from flows.studies.score_study import FINISHED, extract_study, score_study
from models.errors import ModelError
from models.network.weights import INPUT_SHAPE

logger = logging.getLogger(__name__)

DISPATCHED = "dispatched"
"""Tag of the runs that workers start."""
_LOADED_AT_THE_FIRST_STUDY = (
    "fastapi.encoders",  # Prefect writes a run's parameters with it
    "graphviz",  # Prefect imports it with its engine of tasks
    "prefect.flow_engine",
    "prefect.task_engine",
    "validation_reports.dicom.patient_report",
    "validation_reports.dicom.encapsulated_pdf",
)


def prefect_answers() -> bool:
    """Say whether the Prefect server that ``PREFECT_API_URL`` names is healthy."""
    url = get_current_settings().api.url
    if url is None:
        return False
    try:
        return _http().get(f"{url}/health").is_success
    except httpx.HTTPError:
        return False


@cache
def _http() -> httpx.Client:
    """Keep one client per process: making one reads every certificate of the machine."""
    return httpx.Client(timeout=5.0)


def run_next(work: Installation, owner: str) -> bool:
    """Claim the oldest due row of the outbox and run its flow; return whether there was one."""
    lease_s = work.settings.prefect.lease_s
    item = work.registry.outbox.claim(owner, lease_s)
    if item is None:
        return False
    close_abandoned_run(item)
    study_flow = extract_study if work.center(item.center).role is Role.TRAINING else score_study

    def remember_run(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
        del flow, state
        work.registry.outbox.attach_flow_run(item.id, owner, str(flow_run.id))

    def files() -> StudyFiles:
        refuse_work_on(work, item.study_key)
        return work.registry.outbox.files(item.study_key, item.content_digest)

    with _lease_renewed(work, item, owner, lease_s), reading_begun(files):
        try:
            with tags(DISPATCHED, *run_tags([item.center], None)):
                state = study_flow.with_options(on_running=[remember_run])(
                    study_key=item.study_key, content_digest=item.content_digest, return_state=True
                )
            unfinished = (
                None
                if state.name in FINISHED
                else state.message or f"the run ended as {state.name}"
            )
        except httpx.HTTPError as error:
            unfinished = (
                "The Prefect server stopped answering while the study was worked on "
                f"({type(error).__name__})."
            )
    if unfinished is not None:
        wait_s = work.settings.prefect.retry_after_s(item.attempts)
        work.registry.outbox.hold(item.id, owner, unfinished, wait_s)
        logger.warning(
            "Study %s is held and tried again in %.0f s. %s", item.study_key, wait_s, unfinished
        )
    return True


def close_abandoned_run(item: OutboxItem) -> None:
    """Mark the run of an earlier attempt, whose process died, as crashed, so that it does not look
    alive for ever.
    """
    if item.flow_run_id is None:
        return
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(item.flow_run_id)).state
        if state is None or not state.is_final():
            client.set_flow_run_state(
                UUID(item.flow_run_id),
                Crashed(
                    message=(
                        "the process of this run ended before the study was finished; a new run "
                        "takes it up"
                    )
                ),
                force=True,
            )


@contextlib.contextmanager
def _lease_renewed(
    work: Installation, item: OutboxItem, owner: str, lease_s: float
) -> Iterator[None]:
    done = threading.Event()

    def renew() -> None:
        while not done.wait(lease_s / 3):
            try:
                is_ours = work.registry.outbox.renew(item.id, owner, lease_s)
            except NodeError as error:  # it is tried again while the lease may still last
                logger.warning(
                    "The lease on study %s could not be renewed. %s", item.study_key, error
                )
                continue
            if not is_ours:
                logger.warning(
                    "The lease on study %s was lost; its result is kept once all the same.",
                    item.study_key,
                )
                return

    thread = threading.Thread(target=renew, daemon=True, name="lease")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def work_on_studies(parent: int) -> None:
    """Score until SIGTERM or SIGINT, or until the dispatcher is no longer there.

    Parameters
    ----------
    parent : int
        The dispatcher's process number.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    say_outages_in_one_line()
    stop = threading.Event()
    stop_on_signals(stop)
    work = installation()
    settings = work.settings.prefect
    warm_up(work)
    owner = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns()}"
    if not _wait_for_prefect(stop, parent, settings.poll_interval_s):
        return
    # The lease finds dead processes, and Prefect's heartbeat would add a second of waiting to every
    # study. One client for all studies: making one reads every certificate of the machine and opens
    # a connection.
    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        SyncClientContext.get_or_create(),
    ):
        while not stop.is_set() and os.getppid() == parent:
            try:
                work_or_wait(work, owner, stop)
            except NodeError as error:
                # A process that ended would take the studies of the others with it, or start anew
                # again and again, for a database that is back in seconds
                logger.warning("Studies wait in the outbox. %s", error)
                stop.wait(settings.first_retry_s)


def work_or_wait(work: Installation, owner: str, stop: threading.Event) -> None:
    """Run the flow of the oldest row that is due, or wait until there may be one.

    Raises
    ------
    NodeError
        If the registry does not answer.
    """
    settings = work.settings.prefect
    if not work.registry.outbox.has_due():
        work.registry.wait_for_change(stop, settings.poll_interval_s)
    elif prefect_answers():
        run_next(work, owner)
        gc.collect()  # a run's states refer to each other, and so hold its study's arrays
    else:
        url = get_current_settings().api.url or "PREFECT_API_URL, which is not set,"
        logger.warning("The Prefect server at %s does not answer; studies wait in the outbox.", url)
        stop.wait(settings.first_retry_s)


def _wait_for_prefect(stop: threading.Event, parent: int, every_s: float) -> bool:
    """Wait for the Prefect server, which may start later; say whether it is there."""
    while not stop.is_set() and os.getppid() == parent:
        if prefect_answers():
            return True
        stop.wait(every_s)
    return False


def warm_up(work: Installation) -> None:
    """Load and open what the first study would otherwise wait for, and let the network answer once;
    from then on the process looks for garbage, but not in what is loaded.
    """
    prepare_to_judge()
    for name in _LOADED_AT_THE_FIRST_STUDY:
        import_module(name)
    import_module("validation_reports.dicom.region_groups").read_standard()
    with contextlib.suppress(NodeError):  # who looks for studies waits for the registry
        work.registry.outbox.has_due()
    _let_the_network_answer(work)
    leave_gaps()
    # What is loaded stays: looking through it for garbage takes 0.7 s, and would come in the middle
    # of a study.
    gc.freeze()
    gc.enable()


def _let_the_network_answer(work: Installation) -> None:
    try:
        bundle = work.bundle
    except (ModelError, SettingsError) as refusal:
        logger.warning("Studies of external centres are held until this is mended. %s", refusal)
        return
    if bundle.network is not None:
        bundle.deep_feature_extractor.extract(np.zeros((1, *INPUT_SHAPE), dtype=np.float32))


def stop_on_signals(stop: threading.Event) -> None:
    """Set an event at SIGTERM or SIGINT, instead of ending at once."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
