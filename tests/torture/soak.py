"""Many studies through the whole system while its parts die: each must be scored once and delivered
once.

``python -m tests.torture.soak --studies 300`` starts an installation as `make up` does, lets two
centres push with retries, and a few seconds after a delivery kills the scoring worker, the
dispatcher, the node or the Prefect server (SIGKILL). Once the Prefect API hangs for a while
(SIGSTOP), and once the PACS is down. The last line is one JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deploy.demo.push import push
from deploy.local.installation import LocalInstallation
from deploy.local.processes import listens
from deploy.local.supervisor import Supervisor
from dicom_node.center import USUALLY_RETURNED
from dicom_node.registry.registry import Registry, StudyState, open_registry
from tests.support import ROOT
from tests.support.frozen_test_bundle import freeze_test_bundle
from tests.support.processes import part_of, resident_mb, scoring_process
from tests.support.settings_tables import center_table, open_as_this_process, write_settings
from tests.support.storing_pacs import StoringPacs
from tests.support.synthetic_studies import write_study
from tests.support.waiting import wait_until

CENTERS = ("B", "C")
KILL_AT_LEAST_EVERY_S = 180.0
SAMPLE_EVERY_S = 2.0
_SERVER_BACK_WITHIN_S = 120.0


@dataclass(frozen=True)
class Pace:
    """How the system is troubled, in seconds.

    Parameters
    ----------
    kill_after_s : tuple of float
        The least and the most time from the first delivery since the last kill to the next: a
        system that never gets anywhere shows nothing.
    api_hangs_s, pacs_down_s : float
        How long the Prefect API hangs and the PACS is down.
    """

    kill_after_s: tuple[float, float] = (3.0, 40.0)
    api_hangs_s: float = 45.0
    pacs_down_s: float = 60.0


@dataclass
class Trouble:
    """What was done to the system, and what it needed meanwhile."""

    kills: Counter[str] = field(default_factory=Counter)
    rss_mb: list[float] = field(default_factory=list)
    scored_runs: Counter[str] = field(default_factory=Counter)


def main() -> int:
    """Run the soak; return 0 when every study was scored once and delivered once."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture.soak", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1, help="of the kills (default: %(default)s)")
    parser.add_argument(
        "--limit-s",
        type=float,
        default=3600.0,
        help="give up after this time (default: %(default)s)",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="annulus-soak-") as folder:
        result = soak(Path(folder), options.studies, options.seed, options.limit_s)
    print(json.dumps(result))
    once = result["scored"] == result["delivered"] == options.studies and result["twice"] == 0
    return 0 if once else 1


def soak(
    folder: Path, studies: int, seed: int, limit_s: float, pace: Pace = Pace()
) -> dict[str, int | float]:
    """Push, kill, wait, and return what was counted."""
    pacs = StoringPacs(folder / "received")
    work = _installation(folder, pacs)
    registry = open_registry(work.settings.node)
    print(f"making {studies} studies", flush=True)
    folders = {center: _studies(folder, center, studies) for center in CENTERS}
    calm, stop, trouble = threading.Event(), threading.Event(), Trouble()
    environment = {**work.environment(), "PREFECT_LOGGING_LEVEL": "WARNING"}
    started = time.monotonic()
    pacs.start()
    with Supervisor(work.folder, work.parts(), environment, ROOT) as supervisor:
        senders = [
            threading.Thread(target=_send, args=(work, center, folders[center], calm))
            for center in CENTERS
        ]
        troubles = threading.Thread(
            target=_make_trouble,
            args=(work, pacs, random.Random(seed), trouble, calm, studies, pace),
        )
        watcher = threading.Thread(
            target=_watch, args=(registry, trouble, work, calm, stop, studies, limit_s)
        )
        for thread in (*senders, troubles, watcher):
            thread.start()
        supervisor.run(stop)
        for thread in (*senders, troubles, watcher):
            thread.join()
    pacs.stop()
    result = _counted(registry, pacs, trouble, studies)
    registry.close()
    print(f"took {time.monotonic() - started:.0f} s; kills by part: {dict(trouble.kills)}")
    return result


def _installation(folder: Path, pacs: StoringPacs) -> LocalInstallation:
    freeze_test_bundle(folder / "bundle")
    settings = write_settings(
        folder,
        folder / "bundle",
        "".join(center_table(name, pacs=(pacs.AE_TITLE, pacs.port)) for name in CENTERS),
        node="quiet_period_s = 3.0\nsweep_interval_s = 0.5\ndelivery_first_retry_s = 1.0\n"
        "delivery_longest_retry_s = 10.0",
        prefect="lease_s = 15.0\nfirst_retry_s = 1.0\nlongest_retry_s = 20.0",
    )
    return open_as_this_process(settings)


def _studies(folder: Path, center: str, studies: int) -> list[Path]:
    share = studies // 2 + (studies % 2 if center == CENTERS[0] else 0)
    made = []
    for number in range(share):
        study = folder / "pacs" / f"{center}{number}"
        write_study(study, f"{center}{number}")
        made.append(study)
    return made


def _send(
    work: LocalInstallation, center: str, folders: Sequence[Path], stop: threading.Event
) -> None:
    """Push study after study, each until all of it was taken, as a PACS does."""
    node = work.settings.node
    for folder in folders:
        while not stop.is_set():
            if not listens(node.host, node.port):
                stop.wait(0.5)
            elif push([folder], node.port, center, node.ae_title) == 0:
                break


def _make_trouble(
    work: LocalInstallation,
    pacs: StoringPacs,
    rng: random.Random,
    trouble: Trouble,
    stop: threading.Event,
    studies: int,
    pace: Pace,
) -> None:
    outages = [(1 / 3, "api"), (1 / 2, "pacs")]
    while _something_was_delivered(pacs, stop) and not stop.wait(rng.uniform(*pace.kill_after_s)):
        if outages and len(pacs.files()) >= outages[0][0] * studies:
            _, what = outages.pop(0)
            print(f"{what} goes down for a while", flush=True)
            if what == "api":
                _api_hangs(work, stop, pace.api_hangs_s)
            else:
                _pacs_is_down(pacs, stop, pace.pacs_down_s)
            trouble.kills[f"{what} outage"] += 1
            continue
        victim = rng.choice(["worker", "dispatcher", "node", "prefect"])
        dispatcher = part_of(work, "dispatcher")
        pid = scoring_process(dispatcher) if victim == "worker" else part_of(work, victim)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            trouble.kills[victim] += 1


def _something_was_delivered(pacs: StoringPacs, stop: threading.Event) -> bool:
    """Wait for the next delivery, but not for ever; say whether the soak still goes on."""
    before, deadline = len(pacs.files()), time.monotonic() + KILL_AT_LEAST_EVERY_S
    while not stop.wait(0.2):
        if len(pacs.files()) > before or time.monotonic() > deadline:
            return True
    return False


def _api_hangs(work: LocalInstallation, stop: threading.Event, seconds: float) -> None:
    group = part_of(work, "prefect")
    if group is None:
        return
    os.killpg(group, signal.SIGSTOP)
    stop.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGCONT)


def _pacs_is_down(pacs: StoringPacs, stop: threading.Event, seconds: float) -> None:
    pacs.stop()
    stop.wait(seconds)
    pacs.start()


def _watch(
    registry: Registry,
    trouble: Trouble,
    work: LocalInstallation,
    calm: threading.Event,
    stop: threading.Event,
    studies: int,
    limit_s: float,
) -> None:
    """Wait for the last delivery, then for a server that may just have been killed, and stop."""
    started = told = time.monotonic()
    while time.monotonic() - started < limit_s:
        trouble.rss_mb.append(resident_mb(work))
        known = registry.studies.summaries()
        done = sum(study.state is StudyState.SCORED and study.delivered is True for study in known)
        if done >= studies and not registry.deliveries.undelivered():
            break
        if time.monotonic() - told >= 30:
            told = time.monotonic()
            states = Counter(str(study.state) for study in known)
            print(
                f"[{told - started:5.0f} s] {done} delivered, {dict(states)}, "
                f"{trouble.kills.total()} kills",
                flush=True,
            )
        time.sleep(SAMPLE_EVERY_S)
    calm.set()
    time.sleep(2 * SAMPLE_EVERY_S)  # a second delivery of the last study would come now
    try:
        wait_until(lambda: _is_ready(work), _SERVER_BACK_WITHIN_S, "the Prefect server answers")
        trouble.scored_runs = _scored_runs(work)
    finally:
        stop.set()


def _is_ready(work: LocalInstallation) -> bool:
    try:
        return httpx.get(f"{work.environment()['PREFECT_API_URL']}/ready", timeout=5).is_success
    except httpx.TransportError:
        return False


def _counted(
    registry: Registry, pacs: StoringPacs, trouble: Trouble, studies: int
) -> dict[str, int | float]:
    receptions = pacs.receptions()
    objects = Counter((study, kind) for study, kind, _ in set(receptions))
    once = Counter(study for (study, _), count in objects.items() if count == 1)
    known = registry.studies.summaries()
    quarter = max(1, len(trouble.rss_mb) // 4)
    early, late = trouble.rss_mb[quarter : 2 * quarter] or trouble.rss_mb, trouble.rss_mb[-quarter:]
    return {
        "studies": studies,
        "scored": sum(study.state is StudyState.SCORED for study in known),
        "delivered": sum(count == len(USUALLY_RETURNED) for count in once.values()),
        "twice": sum(count > 1 for count in objects.values())
        + sum(count > 1 for count in trouble.scored_runs.values()),
        "kills": trouble.kills.total(),
        "rss_growth_mb": round(statistics.median(late) - statistics.median(early), 1),
        "sent_again_with_the_same_uid": len(receptions) - len(set(receptions)),
    }


def _scored_runs(work: LocalInstallation) -> Counter[str]:
    """Count for each study the runs that ended as *Scored*; a second one would have scored it
    twice.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateName,
    )
    from prefect.settings import PREFECT_API_URL, temporary_settings

    wanted = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Scored"])))
    found: Counter[str] = Counter()
    with (
        temporary_settings({PREFECT_API_URL: work.environment()["PREFECT_API_URL"]}),
        get_client(sync_client=True) as api,
    ):
        while page := api.read_flow_runs(flow_run_filter=wanted, limit=200, offset=found.total()):
            found.update(str(run.parameters["study_key"]) for run in page)
    return found


if __name__ == "__main__":
    sys.exit(main())
