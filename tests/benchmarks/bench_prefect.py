"""What Prefect's database keeps of a study and of a night of validations: ``make bench-prefect``.

An installation is started as `make up` does. Two centres push studies, one after the other; then
each is validated, and both together, for as many nights as are asked for. Before and after, the
pages of each table in Prefect's SQLite database are counted with those of its indices (dbstat).
The last line is JSON; ``deploy/guide/capacity.md`` goes on from it.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deploy.demo.push import push
from deploy.local.installation import LocalInstallation
from deploy.local.supervisor import Supervisor
from dicom_node.registry.registry import Registry, StudyState, open_registry
from tests.support import ROOT
from tests.support.frozen_test_bundle import freeze_test_bundle
from tests.support.processes import run_module
from tests.support.settings_tables import center_table, open_as_this_process, write_settings
from tests.support.synthetic_studies import write_study
from tests.support.waiting import wait_until
from tests.support.web import ask

CENTERS = ("B", "C")
_WARM_UP = 2
"""Studies of each centre that come before the first count."""
_EVENTS = ("events", "event_resources")
_WITHIN_S = 900.0
_WRITTEN_AFTER_S = 8.0
"""Events and steps of runs are written a little after the runs have ended."""


def main() -> None:
    """Run the installation, count and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.bench_prefect", description=__doc__
    )
    parser.add_argument("--studies", type=int, default=40, help="studies, of both centres together")
    parser.add_argument("--nights", type=int, default=3, help="nights of validations")
    options = parser.parse_args()
    each = options.studies // len(CENTERS)
    with (
        tempfile.TemporaryDirectory(prefix="annulus-prefect-") as name,
        _installation(Path(name)) as work,
        closing(open_registry(work.settings.node)) as known,
    ):
        _receive(work, known, Path(name), range(_WARM_UP))
        begin = _pages(work)
        _receive(work, known, Path(name), range(_WARM_UP, _WARM_UP + each))
        received = _pages(work)
        _validate(work)
        first = _pages(work)
        for _ in range(options.nights):
            _validate(work)
        last = _pages(work)
    result = {
        "study_bytes": _grown(begin, received, each * len(CENTERS)),
        "first_night_bytes": _grown(received, first, 1),
        "night_bytes": _grown(first, last, options.nights),
    }
    for what, tables in result.items():
        print(f"{what}: {sum(tables.values())}")
        for table, size in sorted(tables.items(), key=lambda one: -one[1])[:8]:
            print(f"  {table:<24} {size:>9}")
    print(json.dumps({what: _kept(tables) for what, tables in result.items()}))


def _kept(tables: Mapping[str, int]) -> dict[str, int]:
    """Return the bytes that are kept for a week, and those that are kept with the runs."""
    events = sum(size for name, size in tables.items() if name in _EVENTS)
    return {"events": events, "runs": sum(tables.values()) - events}


@contextmanager
def _installation(folder: Path) -> Iterator[LocalInstallation]:
    freeze_test_bundle(folder / "bundle")
    settings = write_settings(
        folder,
        folder / "bundle",
        "[validation]\nschedule = 'off'\npool_schedule = 'off'\npdf = false\n"
        + "".join(map(center_table, CENTERS)),
        node="quiet_period_s = 2.0\nsweep_interval_s = 0.2",
    )
    work = open_as_this_process(settings)
    stop = threading.Event()
    with Supervisor(work.folder, work.parts(), work.environment(), ROOT) as supervisor:
        running = threading.Thread(target=supervisor.run, args=(stop,))
        running.start()
        try:
            wait_until(work.prefect_is_ready, _WITHIN_S, "the Prefect server answers")
            wait_until(work.has_deployments, _WITHIN_S, "the deployments are offered")
            yield work
        finally:
            stop.set()
            running.join()


def _receive(work: LocalInstallation, known: Registry, folder: Path, numbers: range) -> None:
    """Push studies of each centre, import their clinical rows, and wait for the scores."""
    before = len(known.studies.summaries())
    for center in CENTERS:
        rows = ["patient_id,age,sex,histology,stage,survival_days,event"]
        for number in numbers:
            patient = f"{center}{number}"
            files = write_study(folder / "pacs" / patient, patient)
            if push([files[0].parent], work.settings.node.port, center, "ANNULUS"):
                raise SystemExit(f"the node did not take {patient}")
            sex, died = "mf"[number % 2], int(number % 3 > 0)
            rows.append(f"{patient},{50 + number},{sex},adeno,IIIA,{200 + 90 * number},{died}")
        table = folder / f"{center}.csv"
        table.write_text("\n".join(rows) + "\n")
        done = run_module(work.environment(), "flows", "import-clinical", center, str(table))
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
    expected = {StudyState.SCORED: before + len(numbers) * len(CENTERS)}
    wait_until(
        lambda: Counter(study.state for study in known.studies.summaries()) == expected,
        _WITHIN_S,
        "every study is scored",
    )


def _validate(work: LocalInstallation) -> None:
    """Do what a night does: each centre by itself, then all."""
    offers = [*(f"validate-center/{center}" for center in CENTERS), "pool-centers/all-centers"]
    for offer in offers:
        done = run_module(
            work.environment(), "flows", "prefect", "deployment", "run", offer, "--watch"
        )
        if done.returncode or "Completed" not in done.stdout:
            raise SystemExit(done.stdout + done.stderr)


def _pages(work: LocalInstallation) -> dict[str, int]:
    """Return the bytes of the pages of each table and its indices, once nothing runs any more."""
    under_way: dict[str, Any] = {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}}
    url = f"{work.prefect_url}/api/flow_runs/filter"
    wait_until(lambda: not ask(url, {"flow_runs": under_way}), _WITHIN_S, "nothing runs")
    time.sleep(_WRITTEN_AFTER_S)
    file = work.folder.path / "prefect" / "prefect.db"
    with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as database:
        return dict(
            database.execute(
                "SELECT tbl_name, SUM(pgsize) FROM dbstat JOIN sqlite_master USING (name) "
                "WHERE aggregate = TRUE GROUP BY tbl_name"
            )
        )


def _grown(before: Mapping[str, int], after: Mapping[str, int], by: int) -> dict[str, int]:
    """Return by how many bytes each table has grown for each of so many."""
    grown = {name: round((size - before.get(name, 0)) / by) for name, size in after.items()}
    return {name: size for name, size in grown.items() if size}


if __name__ == "__main__":
    main()
