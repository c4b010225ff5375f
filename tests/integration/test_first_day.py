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

    def asks(self, *command: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in a fresh shell that knows the settings file alone."""
        variables = [f"ANNULUS_SETTINGS={self.folder / 'annulus.toml'}"]
        variables += [f"ANNULUS_PSEUDONYM_KEY={key}"] if key else []
        process = as_unprivileged(["env", *variables, *command], self.folder)
        said, complained = process.communicate(timeout=600)
        assert "Traceback" not in said + complained, complained
        return subprocess.CompletedProcess(command, process.returncode, said, complained)

    def python(self, *words: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``python -m`` with words."""
        return self.asks(".venv/bin/python", "-m", *words, key=key)

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """Return the runs of a flow, the newest first."""
        body = {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_DESC"}
        found: list[dict[str, Any]] = ask(f"{self.url}/api/flow_runs/filter", body)
        return found

    def log(self) -> str:
        """Return the log of all parts."""
        return (self.folder / "node" / "system" / "annulus.log").read_text(errors="replace")

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
    _import_tables(newcomer)
    _push(newcomer, registry, peer, tmp_path)
    _release_what_is_quarantined(newcomer, registry)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _validate_across_a_restart(newcomer, number)
    _look_at_the_ui(newcomer, peer, tmp_path)
    registry.close()

    file = newcomer.folder / "annulus.toml"
    file.write_text(file.read_text().replace("quiet_period_s", "quite_period_s"))
    down = newcomer.asks("make", "-s", "down")
    assert (down.returncode, "everything is stopped" in down.stdout) == (0, True), down.stderr
    log = newcomer.log()
    assert "Traceback" not in log, log[max(0, log.index("Traceback") - 2000) :][:6000]


def _import_tables(newcomer: Newcomer) -> None:
    for center, patients in PATIENTS.items():
        rows = ["patient_id;age;sex;histology;stage;survival_days;event"]
        for number, patient in enumerate(patients):
            histology = "large cell" if patient == QUARANTINED else "adenocarcinoma"
            rows.append(f"{patient};{60 + number};f;{histology};IIIA;{300 + 200 * number};1")
        table = newcomer.folder / f"{center}.csv"
        table.write_text("\n".join(rows) + "\n")
        os.chown(table, USER, USER)
    table = newcomer.folder / "B.csv"
    wrong = newcomer.python("flows", "import-clinical", "B", str(table), key="ab" * 32)
    assert wrong.returncode != 0
    assert "made with another pseudonym key" in wrong.stdout + wrong.stderr
    assert "annulus.env" in wrong.stdout + wrong.stderr
    for center, patients in PATIENTS.items():
        table = newcomer.folder / f"{center}.csv"
        done = newcomer.python("flows", "import-clinical", center, str(table))
        assert f"{len(patients)} patients of centre {center} imported" in done.stdout, done.stderr


def _push(newcomer: Newcomer, registry: Registry, peer: Callable[[str], str], folder: Path) -> None:
    for center, patients in PATIENTS.items():
        for patient in patients:
            files = write_study(folder / "pacs" / patient, patient)
            pushed = storescu(peer("storescu"), newcomer.settings.node.port, files, center)
            assert pushed.returncode == 0, pushed.stderr
    scored = [StudyState.SCORED] * (sum(map(len, PATIENTS.values())) - 1)
    wait_until(
        lambda: _states(registry) == [StudyState.QUARANTINED, *scored],
        180,
        "every study is done",
        evidence=newcomer.log,
    )


def _states(registry: Registry) -> list[StudyState]:
    return sorted(study.state for study in registry.studies.summaries())


def _release_what_is_quarantined(newcomer: Newcomer, registry: Registry) -> None:
    (run,) = (one for one in newcomer.runs("score-study") if one["state_name"] == "Quarantined")
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
