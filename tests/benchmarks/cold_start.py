"""What a scoring process costs from its start to its first score, against an earlier commit.

``python -m tests.benchmarks.cold_start [--against COMMIT] [--rounds N]``: each commit has its own
checkout, installation and bundle, and in turns a process that does what a worker of the dispatcher
does, in the environment that its dispatcher gives it: it imports, warms up, and runs `score-study`
on a planning CT that it has not seen, beside one Prefect server. Bytecode is kept, whatever the
machine says: no process compiles its libraries anew.
The last line is JSON: CPU seconds of both, in the median, and the median of their ratio in pairs;
and the memory that such a process had at most.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.processes import LocalSystem
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SETTINGS_VARIABLE
from tests.benchmarks.planning_studies import write_studies
from tests.support import ROOT
from tests.support.intake_bench import KEY

EVERY_WORKER_STARTED_TENSORFLOW = "391bbda"
"""The commit before scoring had an engine of its own."""
CENTER = "B"

PREPARED = """
import sys
from pathlib import Path
from tests.support.archived_studies import archive_study
from tests.support.frozen_test_bundle import freeze_test_bundle
folder = Path(sys.argv[1])
digest = freeze_test_bundle(folder / "bundle")
(folder / "annulus.toml").write_text(
    f"[node]\\nfolder = '{folder / 'node'}'\\n"
    f"[model]\\nbundle = '{folder / 'bundle'}'\\ndigest = '{digest}'\\n"
    "[center.B]\\nae_titles = ['B']\\n"
)
for study in sys.argv[2:]:
    print(archive_study(folder / "node", sorted(Path(study).glob("*.dcm")), "B"))
"""

ENVIRONMENT = """
import json
try:
    from flows.dispatch.dispatcher import worker_environment
    found = worker_environment(1)
except ImportError:  # as it was before cores were shared
    from flows.dispatch.dispatcher import WORKER_ENVIRONMENT as found
print(json.dumps(dict(found)))
"""

SCORED = """
import resource, sys
try:
    from flows.dispatch.scoring_process import loaded_worker
    warm_up = loaded_worker().warm_up
except ImportError:  # as it was before scoring processes had a start of their own
    try:
        from flows.dispatch.worker import warm_up
    except ImportError:
        from flows.dispatch.dispatcher import warm_up
from flows.installation import installation
from flows.studies.score_study import score_study
warm_up(installation())
state = score_study(sys.argv[1], return_state=True)
assert state.name == "Scored", state.message
used = resource.getrusage(resource.RUSAGE_SELF)
# not ru_maxrss, which begins with what the process that started this one had
status = open("/proc/self/status").read()
print(used.ru_utime + used.ru_stime, int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6)
"""


@dataclass(frozen=True)
class ColdStart:
    """One process from its start to its first score: CPU seconds, and memory at most in MB."""

    cpu_s: float
    peak_mb: float


def main() -> int:
    """Measure, print, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cold_start")
    parser.add_argument("--against", metavar="COMMIT", default=EVERY_WORKER_STARTED_TENSORFLOW)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(measure(options.against, options.rounds)))
    return 0


def measure(against: str, rounds: int) -> dict[str, float]:
    """Return the figures of `rounds` pairs after one that does not count."""
    with tempfile.TemporaryDirectory(prefix="annulus-cold-") as name, _checkout(against) as before:
        folder = Path(name)
        studies = write_studies(folder, rounds + 1)
        with LocalSystem(folder / "prefect", {}) as system:
            system.start_prefect_server()
            system.wait_for_prefect(600)
            sides = [
                _Side(folder / side, root, system.prefect_port, studies)
                for side, root in (("before", before), ("now", ROOT))
            ]
            pairs = [[side.score(number) for side in sides] for number in range(rounds + 1)][1:]
    ratios = [now.cpu_s / earlier.cpu_s for earlier, now in pairs]
    earlier, now = zip(*pairs, strict=True)
    return {
        "cold_start_before_cpu_s": round(statistics.median(one.cpu_s for one in earlier), 2),
        "cold_start_cpu_s": round(statistics.median(one.cpu_s for one in now), 2),
        "cold_start_cpu_ratio": round(statistics.median(ratios), 2),
        "cold_start_before_peak_mb": round(max(one.peak_mb for one in earlier)),
        "cold_start_peak_mb": round(max(one.peak_mb for one in now)),
    }


@contextmanager
def _checkout(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="annulus-before-") as name:
        tree = Path(name) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run(
            [*git, "add", "--detach", str(tree), commit], check=True, capture_output=True
        )
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


class _Side:
    """One commit's checkout with its installation."""

    def __init__(
        self, folder: Path, root: Path, prefect_port: int, studies: Sequence[Path]
    ) -> None:
        folder.mkdir()
        self._root = root
        self._environment = {
            **os.environ,
            SETTINGS_VARIABLE: str(folder / "annulus.toml"),
            PSEUDONYM_KEY_VARIABLE: KEY.decode(),
            "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONDONTWRITEBYTECODE": "",
        }
        # what its own dispatcher starts a worker with
        self._environment |= json.loads(self._run(ENVIRONMENT)[-1])
        self._keys = self._run(PREPARED, str(folder), *map(str, studies))

    def score(self, number: int) -> ColdStart:
        return ColdStart(*map(float, self._run(SCORED, self._keys[number])[-1].split()))

    def _run(self, program: str, *arguments: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=self._root,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        return done.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
