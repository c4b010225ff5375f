"""From the last image to the results in the PACS: a full planning CT through the whole system.

``make bench-e2e`` starts an installation as `make up` does, with DCMTK's storescp as the PACS, and
pushes a planning CT of 130 slices of 512 x 512 with a real tumour, one study at a time. The latency
runs from the answer to the last C-STORE to the last file in the PACS: by turns for a centre that
takes every object of a score, and for one that takes the structured report alone. After each study
`tests.benchmarks.study_alone` runs the functions of the latter on it, in a process that knows no
orchestration. Before each of both the machine rests, so that neither gains from what the other has
just let go of. Then the study is scored over 20 perturbed contours (``certainty_cpu_s``: CPU
seconds of all threads, from the loaded study to the scores, warm), and cold starts are compared
with an earlier commit's (`tests.benchmarks.cold_start`). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from deploy.demo.push import push
from deploy.local.installation import LocalInstallation
from deploy.local.supervisor import Supervisor
from dicom_node.center import USUALLY_RETURNED
from flows.dispatch.dispatcher import worker_environment
from tests.benchmarks import cold_start
from tests.benchmarks.planning_studies import write_studies
from tests.support import ROOT
from tests.support.frozen_test_bundle import freeze_test_bundle
from tests.support.processes import memory, part_of, scoring_process
from tests.support.settings_tables import center_table, open_as_this_process, write_settings
from tests.support.storing_pacs import StoringPacs

RETURNED = {"B": len(USUALLY_RETURNED), "C": 1}
"""How many objects each centre takes of a score."""
CONTOURS = 20
_READY_WITHIN_S = 300.0
_STUDY_WITHIN_S = 600.0
_POLL_S = 0.01
_REST_S = 5.0
_WARM_UP = 4
Measured = tuple[str, float, float]


def main() -> int:
    """Measure, print, and return 0."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.bench_end_to_end", description=__doc__
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=18,
        help="studies measured after four to warm up; at the twentieth the store joins files",
    )
    parser.add_argument(
        "--against", metavar="COMMIT", default=cold_start.EVERY_WORKER_STARTED_TENSORFLOW
    )
    parser.add_argument(
        "--cold-rounds", type=int, default=3, help="pairs of cold starts; 0 for none"
    )
    parser.add_argument("--certainty", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.certainty is not None:
        print(certainty_cpu_s(options.certainty))
        return 0
    with tempfile.TemporaryDirectory(prefix="annulus-e2e-") as name:
        folder = Path(name)
        studies = write_studies(folder, options.rounds + _WARM_UP)
        freeze_test_bundle(folder / "bundle")
        measured, worker_peak_mb = measure(folder, studies)
        over_contours_s = _in_a_process_of_its_own("--certainty", folder)
        measured = measured[_WARM_UP:]
    of_all = [latency for center, latency, _ in measured if center == "B"]
    alone = [(latency, seconds) for center, latency, seconds in measured if center == "C"]
    cold = cold_start.measure(options.against, options.cold_rounds) if options.cold_rounds else {}
    latency, compute = (statistics.median(side) for side in zip(*alone, strict=True))
    overhead = statistics.median(100 * (system - seconds) / seconds for system, seconds in alone)
    print(
        json.dumps(
            {
                "latency_all_objects_s": round(statistics.median(of_all), 2),
                "latency_s": round(latency, 2),
                "compute_s": round(compute, 2),
                "overhead_pct": round(overhead, 1),
                "worker_peak_mb": round(worker_peak_mb),
                "certainty_cpu_s": round(over_contours_s, 2),
                **cold,
            }
        )
    )
    return 0


def measure(folder: Path, studies: Sequence[Path]) -> tuple[list[Measured], float]:
    """Push the studies one after the other; return for each its centre, the seconds through the
    system and of its functions alone, and the memory that the scoring process had at most, in MB.

    The first time runs from the answer to the last C-STORE to the last object in the PACS.
    """
    pacs = StoringPacs(folder / "received")
    work = _installation(folder, pacs)
    stop = threading.Event()
    found: list[Measured] = []
    peaks_mb: list[float] = []
    pacs.start()
    try:
        with (
            _functions_alone(folder) as alone,
            Supervisor(work.folder, work.parts(), work.environment(), ROOT) as supervisor,
        ):
            measuring = threading.Thread(
                target=_measure, args=(work, pacs, studies, alone, found, peaks_mb, stop)
            )
            measuring.start()
            supervisor.run(stop)
            measuring.join()
    finally:
        pacs.stop()
    if len(found) < len(studies):
        raise SystemExit(
            f"only {len(found)} of {len(studies)} reports came: {work.folder.last_log_line()}"
        )
    return found, max(peaks_mb)


def _in_a_process_of_its_own(option: str, folder: Path) -> float:
    """Return what this module prints with an option, in a process that is started as a worker."""
    found = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_end_to_end", option, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**worker_environment(1), **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
    )
    return float(found.stdout.split()[-1])


def certainty_cpu_s(folder: Path) -> float:
    """Return the CPU seconds of scoring the first study over contours, as the flow does it."""
    from feature_store.imaging.perturbation import Perturbation
    from feature_store.imaging.reading import read_study
    from feature_store.radiomic_features.settings import ExtractionSettings
    from feature_store.study_features import load_study, perturbed_contours
    from flows.studies.certainty import score_contours
    from models.bundle.frozen_bundle import load, read_digest

    bundle = load(folder / "bundle", read_digest(folder / "bundle"))
    *ct, rtstruct = sorted((folder / "pacs" / "P0").glob("*.dcm"))
    study, settings = load_study(read_study(ct, rtstruct), "gtv[-_ ]?1"), ExtractionSettings()

    def scored(contours: int) -> float:
        started = time.process_time()
        masks = perturbed_contours(study, settings, contours, "benchmark", Perturbation())
        answers = score_contours(bundle, study, settings, masks)
        assert None not in answers.linear_predictors
        return time.process_time() - started

    scored(2)
    return scored(CONTOURS)


@contextmanager
def _functions_alone(folder: Path) -> Iterator[Callable[[Path], float]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.study_alone", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**worker_environment(1), **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )

    def alone(study: Path) -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        print(study, file=process.stdin, flush=True)
        return float(process.stdout.readline())

    with process:
        yield alone


def _measure(
    work: LocalInstallation,
    pacs: StoringPacs,
    studies: Sequence[Path],
    alone: Callable[[Path], float],
    found: list[Measured],
    peaks_mb: list[float],
    stop: threading.Event,
) -> None:
    node = work.settings.node
    deadline = time.monotonic() + _READY_WITHIN_S
    while not (work.node_listens() and work.has_deployments()) and time.monotonic() < deadline:
        time.sleep(0.5)
    expected = 0
    for number, (study, center) in enumerate(zip(studies, cycle(RETURNED), strict=False), start=1):
        time.sleep(_REST_S)
        expected += RETURNED[center]
        if push([study], node.port, center, node.ae_title):
            break
        answered = time.monotonic()
        while len(pacs.files()) < expected and time.monotonic() < answered + _STUDY_WITHIN_S:
            time.sleep(_POLL_S)
        if len(pacs.files()) < expected:
            break
        latency = time.monotonic() - answered
        time.sleep(_REST_S)
        found.append((center, latency, alone(study)))
        if (worker := scoring_process(part_of(work, "dispatcher"))) is not None:
            peaks_mb.append(memory(worker, "VmHWM") / 1e6)
        print(
            f"study {number}, {RETURNED[center]} object(s): {latency:.2f} s, its functions alone "
            f"{found[-1][2]:.2f} s, the worker's peak {peaks_mb[-1] if peaks_mb else 0:.0f} MB",
            flush=True,
        )
    stop.set()


def _installation(folder: Path, pacs: StoringPacs) -> LocalInstallation:
    there = (pacs.AE_TITLE, pacs.port)
    centers = center_table("B", pacs=there) + _only_reports(center_table("C", pacs=there))
    return open_as_this_process(write_settings(folder, folder / "bundle", centers))


def _only_reports(table: str) -> str:
    head, rest = table.split("\n", 1)
    return f"{head}\nreturns = ['sr']\n{rest}"


if __name__ == "__main__":
    sys.exit(main())
