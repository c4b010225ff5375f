"""Many studies through the whole system while its parts die: each must be scored once and delivered
once.

``python -m tests.torture.soak --studies 300`` starts an installation as `make up` does, lets two
centres push with retries, and a few seconds after a delivery kills the scoring worker, the
dispatcher, the node or the Prefect server (SIGKILL). Once the Prefect API hangs for a while
(SIGSTOP), and once the PACS is down. One centre takes what a score usually returns, the other the
page as a picture, the occlusion map, and rejection notes: some of its contours are drawn anew when
they have been scored. Each object must be delivered once. The last line is one JSON.
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydicom import dcmread

from deploy.demo.push import push
from deploy.local.installation import LocalInstallation
from deploy.local.processes import listens
from deploy.local.supervisor import Supervisor
from dicom_node.center import USUALLY_RETURNED, ReturnedObject
from dicom_node.datasets.sop_classes import (
    COMPREHENSIVE_3D_SR_STORAGE,
    ENCAPSULATED_PDF_STORAGE,
    KEY_OBJECT_SELECTION_STORAGE,
    PARAMETRIC_MAP_STORAGE,
    SECONDARY_CAPTURE_STORAGE,
    SEGMENTATION_STORAGE,
)
from dicom_node.registry.registry import Registry, StudyState, open_registry
from tests.support import ROOT
from tests.support.frozen_test_bundle import freeze_test_bundle
from tests.support.processes import part_of, resident_mb, scoring_process
from tests.support.settings_tables import center_table, open_as_this_process, write_settings
from tests.support.storing_pacs import StoringPacs
from tests.support.synthetic_studies import drawn_anew, write_study
from tests.support.waiting import wait_until

RETURNS = {
    "B": USUALLY_RETURNED,
    "C": (
        ReturnedObject.SEG,
        ReturnedObject.SC,
        ReturnedObject.SR,
        ReturnedObject.MAP,
        ReturnedObject.NOTE,
    ),
}
CENTERS = tuple(RETURNS)
_CLASS_OF = {
    ReturnedObject.SEG: SEGMENTATION_STORAGE,
    ReturnedObject.PDF: ENCAPSULATED_PDF_STORAGE,
    ReturnedObject.SC: SECONDARY_CAPTURE_STORAGE,
    ReturnedObject.SR: COMPREHENSIVE_3D_SR_STORAGE,
    ReturnedObject.MAP: PARAMETRIC_MAP_STORAGE,
    ReturnedObject.NOTE: KEY_OBJECT_SELECTION_STORAGE,
}
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


HASTY = Pace(kill_after_s=(0.5, 3.0), api_hangs_s=5.0, pacs_down_s=5.0)
"""As fast as something is delivered in between."""


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
    parser.add_argument("--kills", type=int, help="kill so often at most")
    parser.add_argument("--redrawn", type=int, default=5, help="contours that are drawn anew")
    parser.add_argument("--hasty", action="store_true", help="kill as often as anything comes")
    parser.add_argument(
        "--limit-s",
        type=float,
        default=3600.0,
        help="give up after this time (default: %(default)s)",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="annulus-soak-") as folder:
        result = soak(
            Path(folder),
            options.studies,
            options.seed,
            options.limit_s,
            HASTY if options.hasty else Pace(),
            most_kills=options.kills,
            redrawn=options.redrawn,
        )
    print(json.dumps(result))
    once = result["scored"] == result["delivered"] == options.studies and result["twice"] == 0
    return 0 if once else 1


def soak(
    folder: Path,
    studies: int,
    seed: int,
    limit_s: float,
    pace: Pace = Pace(),
    *,
    most_kills: int | None = None,
    redrawn: int = 0,
) -> dict[str, int | float]:
    """Push, kill, wait, and return what was counted; of the contours of the second centre some are
    drawn anew.
    """
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
        again = folders[CENTERS[1]][:redrawn]
        senders.append(threading.Thread(target=_send_redrawn, args=(work, pacs, again, calm)))
        troubles = threading.Thread(
            target=_make_trouble,
            args=(work, pacs, random.Random(seed), trouble, calm, studies, pace, most_kills),
        )
        watcher = threading.Thread(
            target=_watch,
            args=(registry, pacs, trouble, work, calm, stop, studies, redrawn, limit_s),
        )
        for thread in (*senders, troubles, watcher):
            thread.start()
        supervisor.run(stop)
        for thread in (*senders, troubles, watcher):
            thread.join()
    pacs.stop()
    result = _counted(registry, pacs, trouble, folders, redrawn)
    registry.close()
    print(f"took {time.monotonic() - started:.0f} s; kills by part: {dict(trouble.kills)}")
    return result


def _installation(folder: Path, pacs: StoringPacs) -> LocalInstallation:
    freeze_test_bundle(folder / "bundle")
    settings = write_settings(
        folder,
        folder / "bundle",
        "".join(_table(name, pacs) for name in CENTERS),
        node="quiet_period_s = 3.0\nsweep_interval_s = 0.5\ndelivery_first_retry_s = 1.0\n"
        "delivery_longest_retry_s = 10.0",
        prefect="lease_s = 15.0\nfirst_retry_s = 1.0\nlongest_retry_s = 20.0",
    )
    return open_as_this_process(settings)


def _table(name: str, pacs: StoringPacs) -> str:
    head, rest = center_table(name, pacs=(pacs.AE_TITLE, pacs.port)).split("\n", 1)
    return f"{head}\nreturns = {[str(kind) for kind in RETURNS[name]]}\n{rest}"


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


def _send_redrawn(
    work: LocalInstallation, pacs: StoringPacs, folders: Sequence[Path], stop: threading.Event
) -> None:
    """Draw the contour of studies anew, each when its first report is in the PACS, and push it."""
    for folder in folders:
        files = sorted(folder.glob("*.dcm"))
        study = str(dcmread(files[-1], stop_before_pixels=True).StudyInstanceUID)
        report = (study, COMPREHENSIVE_3D_SR_STORAGE)
        while report not in {one[:2] for one in pacs.receptions()} and not stop.wait(2.0):
            pass
        if not stop.is_set():
            drawn_anew(files)
            _send(work, CENTERS[1], [folder], stop)


def _make_trouble(
    work: LocalInstallation,
    pacs: StoringPacs,
    rng: random.Random,
    trouble: Trouble,
    stop: threading.Event,
    studies: int,
    pace: Pace,
    most_kills: int | None,
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
        if most_kills is not None and trouble.kills.total() >= most_kills:
            return


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
    pacs: StoringPacs,
    trouble: Trouble,
    work: LocalInstallation,
    calm: threading.Event,
    stop: threading.Event,
    studies: int,
    redrawn: int,
    limit_s: float,
) -> None:
    """Wait for the last delivery, then for a server that may just have been killed, and stop."""
    started = told = time.monotonic()
    while time.monotonic() - started < limit_s:
        trouble.rss_mb.append(resident_mb(work))
        known = registry.studies.summaries()
        done = sum(study.state is StudyState.SCORED and study.delivered is True for study in known)
        if done >= studies and not registry.deliveries.undelivered() and _notes(pacs) >= redrawn:
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


def _notes(pacs: StoringPacs) -> int:
    """Return how many different rejection notes the PACS has."""
    return len({one for one in pacs.receptions() if one[1] == KEY_OBJECT_SELECTION_STORAGE})


def _is_ready(work: LocalInstallation) -> bool:
    try:
        return httpx.get(f"{work.environment()['PREFECT_API_URL']}/ready", timeout=5).is_success
    except httpx.TransportError:
        return False


def _counted(
    registry: Registry,
    pacs: StoringPacs,
    trouble: Trouble,
    folders: Mapping[str, Sequence[Path]],
    redrawn: int,
) -> dict[str, int | float]:
    receptions = pacs.receptions()
    objects = Counter((study, kind) for study, kind, _ in set(receptions))
    delivered = twice = 0
    for center, of_center in folders.items():
        for number, folder in enumerate(of_center):
            uid = str(dcmread(folder / "RS.dcm", stop_before_pixels=True).StudyInstanceUID)
            is_redrawn = center == CENTERS[1] and number < redrawn
            wanted = {
                (uid, _CLASS_OF[kind]): is_redrawn
                if kind is ReturnedObject.NOTE
                else 1 + is_redrawn
                for kind in RETURNS[center]
            }
            delivered += all(objects[one] == count for one, count in wanted.items())
            twice += sum(objects[one] > count for one, count in wanted.items())
    known = registry.studies.summaries()
    for study_key, runs in trouble.scored_runs.items():
        record = registry.worklist.study(study_key)
        twice += record is None or runs > len(record.contents)
    quarter = max(1, len(trouble.rss_mb) // 4)
    early, late = trouble.rss_mb[quarter : 2 * quarter] or trouble.rss_mb, trouble.rss_mb[-quarter:]
    return {
        "studies": sum(map(len, folders.values())),
        "scored": sum(study.state is StudyState.SCORED for study in known),
        "delivered": delivered,
        "twice": twice,
        "retired": _notes(pacs),
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
