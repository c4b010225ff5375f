"""The dispatcher: turns outbox rows into Prefect runs, in warm processes that stay alive from study
to study.

The parent starts the workers, replaces one that dies, and keeps house: incidents, the overview,
dropped tables. A worker that is killed loses its lease on a row, which goes to another one.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import threading
import time
from multiprocessing.process import BaseProcess

from dicom_node.settings import SettingsError
from feature_store.cores import CORES_VARIABLE
from feature_store.wording import are, counted
from flows.dispatch.housekeeping import Housekeeping
from flows.dispatch.scoring_process import compile_kernels, start
from flows.dispatch.worker import prefect_answers, stop_on_signals
from flows.installation import Installation
from flows.notices.notifier import Notifier

logger = logging.getLogger(__name__)

_STOP_GRACE_S = 60.0


def worker_environment(workers: int) -> dict[str, str]:
    """Return what a worker is started with, unless the environment says otherwise.

    The workers share the cores; libraries start no threads of their own, since threads of threads
    only fight. The C library keeps the memory that a study has let go of for the next one: to give
    it back and ask for it anew costs a second in a virtual machine. It keeps one heap, not one for
    each thread: what one thread lets go of, all may use. numpy asks for no huge pages: a process
    would wait for each of them to be cleared, as long as for five times as much in small ones where
    the machine is virtual, and is no faster with them afterwards.

    Parameters
    ----------
    workers : int
        How many there are.
    """
    return {
        "OMP_NUM_THREADS": "1",
        CORES_VARIABLE: str(max(1, len(os.sched_getaffinity(0)) // workers)),
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
        "NUMPY_MADVISE_HUGEPAGE": "0",
    }


def dispatch(work: Installation) -> None:
    """Run the dispatcher until SIGTERM or SIGINT; the studies under way are finished first."""
    with contextlib.suppress(
        SettingsError
    ):  # without a key, studies are scored without their order
        work.pseudonym_key()
    stop = threading.Event()
    stop_on_signals(stop)
    retried = work.registry.outbox.retry_held()
    if retried:
        logger.info(
            "%s %s due again.", counted(retried, "held study", "held studies"), are(retried)
        )
    context = multiprocessing.get_context("spawn")
    os.environ.update(
        {
            name: os.environ.get(name, value)
            for name, value in worker_environment(work.settings.prefect.workers).items()
        }
    )
    _compile_ahead(context.Process(target=compile_kernels, name="annulus-kernels"), stop)
    workers: list[BaseProcess] = []
    housekeeping = Housekeeping(work)
    housekeeping.check_store()  # before anybody writes to it
    settings = work.settings.prefect
    notifier = threading.Thread(target=Notifier(work).run, args=(stop,), name="notices")
    notifier.start()
    try:
        while not stop.is_set():
            dead = [worker for worker in workers if not worker.is_alive()]
            for worker in dead:
                logger.warning(
                    "Worker %s ended with exit code %s and is replaced.",
                    worker.pid,
                    worker.exitcode,
                )
            workers = [worker for worker in workers if worker.is_alive()]
            while len(workers) < settings.workers:
                worker = context.Process(target=start, args=(os.getpid(),), name="annulus-worker")
                worker.start()
                workers.append(worker)
            if prefect_answers():
                housekeeping.do_what_is_due()
            stop.wait(settings.poll_interval_s)
    finally:
        stop.set()
        for worker in workers:
            worker.terminate()
        deadline = time.monotonic() + _STOP_GRACE_S
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                worker.kill()
                worker.join()
        notifier.join()


def _compile_ahead(process: BaseProcess, stop: threading.Event) -> None:
    """Let a process compile what every worker needs, and wait for it: where that was kept before it
    takes a second.
    """
    process.start()
    while process.is_alive() and not stop.is_set():
        process.join(0.2)
    if process.is_alive():
        process.terminate()
        process.join()
    elif process.exitcode:
        logger.warning(
            "What measures a study could not be compiled ahead (exit code %s): each worker "
            "compiles it with its first study, which takes ten seconds more.",
            process.exitcode,
        )
