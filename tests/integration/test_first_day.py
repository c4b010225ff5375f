"""The first day at a hospital, as a user who may write nothing of the software: every mishap of
newcomers, from a wrong key to a typo in the settings, and a Prefect server that dies twice.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.local.processes import free_port
from dicom_node.registry.registry import Registry, StudyState, open_registry
from flows.settings import Settings
from tests.support.absence import absent
from tests.support.browser import chromium
from tests.support.dcmtk import storescu
from tests.support.settings_tables import center_table, write_settings
from tests.support.synthetic_studies import write_study
from tests.support.unprivileged import USER, as_unprivileged, can_be_somebody_else
from tests.support.waiting import wait_until
from tests.support.web import ask

pytestmark = [pytest.mark.peers, pytest.mark.slow]

PATIENTS = {"B": ("B0", "B1", "B2"), "C": ("C0", "C1")}
QUARANTINED = "B2"
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True)
class Newcomer:
    """Somebody with one folder, a shell in it, and what the hospital has told them."""

    folder: Path
    settings: Settings

    @property
    def url(self) -> str:
        """Where the Prefect server answers."""
        return f"http://127.0.0.1:{self.settings.system.prefect_port}"

    def begins(self, *command: str, key: str | None = None) -> subprocess.Popen[str]:
        """Begin a command in a fresh shell that knows the settings file alone."""
        variables = [f"ANNULUS_SETTINGS={self.folder / 'annulus.toml'}"]
        variables += [f"ANNULUS_PSEUDONYM_KEY={key}"] if key else []
        return as_unprivileged(["env", *variables, *command], self.folder)

    def ends(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Wait for the end of a command, which must not be a traceback."""
        said, complained = process.communicate(timeout=600)
        assert "Traceback" not in said + complained, complained
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)

    def asks(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self.ends(self.begins(*command))

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m`` with words to its end."""
        return self.asks(".venv/bin/python", "-m", *words)

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """Return the runs of a flow, the newest first."""
        body = {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_DESC"}
        found: list[dict[str, Any]] = ask(f"{self.url}/api/flow_runs/filter", body)
        return found

    def logged_by_runs(self, word: str) -> list[str]:
        """Return what the server has of the logs of all runs and holds a word."""
        found: list[str] = []
        page: list[dict[str, Any]] = [{}]
        for offset in range(0, 10_000, 200):
            if page:
                body = {"limit": 200, "offset": offset}
                page = ask(f"{self.url}/api/logs/filter", body)
                found += [one["message"] for one in page if word in one["message"]]
        return found

    def log(self) -> str:
        """Return the log of all parts, empty before there is one."""
        file = self.folder / "node" / "system" / "annulus.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def server_pid(self) -> int:
        """Return the process number of the Prefect server."""
        started = re.findall(r"prefect started as process (\d+)", self.log())
        return int(started[-1])


@pytest.fixture
def newcomer(bundle: tuple[Path, str]) -> Iterator[Newcomer]:
    if not can_be_somebody_else():
        absent("another user needs root, unshare and setpriv", "ANNULUS_REQUIRE_PEERS")
    # not below pytest's own folder, which is closed to other users
    folder = Path(tempfile.mkdtemp(prefix="first day "))
    folder.chmod(0o755)
    shutil.copytree(bundle[0], folder / "bundle")
    centers = "".join(center_table(name) for name in PATIENTS)
    write_settings(
        folder,
        folder / "bundle",
        centers,
        node="quiet_period_s = 2.0\nsweep_interval_s = 0.2",
        prefect="overview_every_s = 2.0",
    )
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
    one = Newcomer(folder, Settings.load(folder / "annulus.toml"))
    yield one
    one.asks("make", "-s", "down")
    shutil.rmtree(folder)


def test_the_first_day_at_a_hospital(
    newcomer: Newcomer, peer: Callable[[str], str], tmp_path: Path
) -> None:
    up = newcomer.asks("make", "-s", "up")
    assert up.returncode == 0, up.stdout + up.stderr + newcomer.log()
    registry = open_registry(newcomer.settings.node)
    _push(newcomer, peer("storescu"), tmp_path, at_once=True)
    _import_tables(newcomer)
    _push(newcomer, peer("storescu"), tmp_path, at_once=False)
    scored = [StudyState.SCORED] * (sum(map(len, PATIENTS.values())) - 1)
    wait_until(
        lambda: _states(registry) == [StudyState.QUARANTINED, *scored],
        180,
        "every study is done",
        evidence=newcomer.log,
    )
    _release_what_is_quarantined(newcomer, registry)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _validate_across_a_restart(newcomer, number)
    _look_at_the_ui(newcomer, peer, tmp_path)
    registry.close()
    assert newcomer.logged_by_runs("Traceback") == []

    file = newcomer.folder / "annulus.toml"
    file.write_text(file.read_text().replace("quiet_period_s", "quite_period_s"))
    down = newcomer.asks("make", "-s", "down")
    assert (down.returncode, "Everything is stopped." in down.stdout) == (0, True), down.stderr
    assert _tracebacks(newcomer.log()) == []


def _tracebacks(log: str) -> list[str]:
    """Return each traceback of a log: what stands before it, and how it ends."""
    lines = log.splitlines()
    found = []
    for number, line in enumerate(lines):
        if "Traceback" in line:
            part = line.partition("|")[0]
            own = [one for one in lines[number + 1 :] if one.startswith(part)]
            ends = next((one for one in own if not one.startswith(f"{part}|   ")), "")
            found.append(f"{lines[number - 1]} … {ends}")
    return found


def _import_tables(newcomer: Newcomer) -> None:
    for center, patients in PATIENTS.items():
        rows = ["patient_id;age;sex;histology;stage;survival_days;event"]
        for number, patient in enumerate(patients):
            histology = "large cell" if patient == QUARANTINED else "adenocarcinoma"
            rows.append(f"{patient};{60 + number};f;{histology};IIIA;{300 + 200 * number};1")
        table = newcomer.folder / f"{center}.csv"
        table.write_text("\n".join(rows) + "\n")
        os.chown(table, USER, USER)
    # each takes seconds to start
    asked = {
        (center, key): newcomer.begins(
            ".venv/bin/python", "-m", "flows", "import-clinical", center, str(table), key=key
        )
        for center, key in (("B", "ab" * 32), *((center, None) for center in PATIENTS))
        for table in (newcomer.folder / f"{center}.csv",)
    }
    for (center, key), process in asked.items():
        done = newcomer.ends(process)
        if key is not None:
            assert done.returncode != 0
            assert "made with another pseudonym key" in done.stdout + done.stderr
            assert "annulus.env" in done.stdout + done.stderr
        else:
            expected = f"{len(PATIENTS[center])} patients of centre {center} imported"
            assert expected in done.stdout, done.stdout + done.stderr


def _push(newcomer: Newcomer, program: str, folder: Path, *, at_once: bool) -> None:
    """Push what is scored at once, or the patient whose row must be there before."""
    for center, patients in PATIENTS.items():
        for patient in patients:
            if (patient != QUARANTINED) is at_once:
                files = write_study(folder / "pacs" / patient, patient)
                pushed = storescu(program, newcomer.settings.node.port, files, center)
                assert pushed.returncode == 0, pushed.stderr


def _states(registry: Registry) -> list[StudyState]:
    return sorted(study.state for study in registry.studies.summaries())


def _release_what_is_quarantined(newcomer: Newcomer, registry: Registry) -> None:
    def quarantined() -> list[dict[str, Any]]:
        runs = newcomer.runs("score-study")
        return [run for run in runs if run["state_name"] == "Quarantined"]

    wait_until(lambda: len(quarantined()) == 1, 60, "the run tells of its outcome")
    (run,) = quarantined()
    assert {"center:B", "outcome:quarantined"} <= set(run["tags"])
    pseudonym = run["name"].rpartition(" ")[2]
    traced = newcomer.python("dicom_node", "who", pseudonym)
    assert f"Patient ID {QUARANTINED}" in traced.stdout, traced.stderr
    decided = ("--by", "A. Manager", "--reason", "histology read again")
    released = newcomer.python("flows", "release", run["name"], *decided)
    assert "released by A. Manager" in released.stdout, released.stderr
    wait_until(lambda: set(_states(registry)) == {StudyState.SCORED}, 60, "it is scored")


def _validate_across_a_restart(newcomer: Newcomer, number: signal.Signals) -> None:
    name = f"across-{number.name}"
    before = newcomer.server_pid()
    cohort = f'cohort={{"name": "{name}", "centers": ["B", "C"]}}'
    words = ("flows", "prefect", "deployment", "run", "validate-cohort/ad-hoc", "-p", cohort)
    asked = newcomer.python(*words)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    wait_until(lambda: newcomer.runs("validate-cohort")[0]["state_type"] == "RUNNING", 120, name)
    os.kill(before, number)
    wait_until(lambda: newcomer.server_pid() != before, 60, "the server starts again")
    wait_until(lambda: _state_of(newcomer) in ENDED, 240, name, evidence=newcomer.log)
    (run, *_) = newcomer.runs("validate-cohort")
    assert (run["name"], run["state_name"]) == (name, "Completed"), run["state"]["message"]
    assert run["state"]["message"].startswith("4 patients analysed")


def _state_of(newcomer: Newcomer) -> str:
    try:
        return str(newcomer.runs("validate-cohort")[0]["state_type"])
    except OSError:
        return "the server does not answer yet"


def _look_at_the_ui(newcomer: Newcomer, peer: Callable[[str], str], folder: Path) -> None:
    with chromium(peer("chromium"), folder / "profile", free_port()) as page:
        page.open(f"{newcomer.url}/runs", "document.body.innerText.includes('Quarantined')")
        page.open(f"{newcomer.url}/deployments", "document.body.innerText.includes('ad-hoc')")
    assert page.hosts == {urlsplit(newcomer.url).netloc}
