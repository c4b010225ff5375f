"""The first hour of a new user: one command up, three centres push, validations run, the browser
shows it, one down.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from deploy.local.processes import free_port
from dicom_node.registry.registry import StudyState, open_registry
from dicom_node.settings import SETTINGS_VARIABLE, NodeSettings
from flows.settings import Settings
from tests.support import ROOT
from tests.support.browser import chromium
from tests.support.dcmtk import storescu
from tests.support.processes import run_module
from tests.support.settings_tables import center_table, write_settings
from tests.support.synthetic_studies import without_gtv, write_study
from tests.support.waiting import wait_until
from tests.support.web import ask

pytestmark = [pytest.mark.peers, pytest.mark.slow]

CENTERS = {"A": "training", "B": "external", "C": "external"}
PATIENTS = 3
PASSWORD = "quite a long one"  # noqa: S105 - of a user who is made up
SCREENSHOTS = os.environ.get("ANNULUS_SCREENSHOTS")
"""Folder in which the pictures of the UI are left for people to look at."""


@dataclass(frozen=True)
class User:
    """Somebody with a settings file and a shell."""

    folder: Path
    node_port: int
    url: str
    environment: dict[str, str]

    def make(self, target: str) -> str:
        """Run a target of the Makefile and return what it says."""
        done = subprocess.run(
            ["make", "-s", target],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Prefect's own."""
        return run_module(self.environment, "prefect", *arguments)

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """Return the runs of a flow that have ended."""
        ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}
        body = {"flows": {"name": {"any_": [flow]}}, "flow_runs": ended, "sort": "START_TIME_DESC"}
        found: list[dict[str, Any]] = ask(f"{self.url}/api/flow_runs/filter", body)
        return found

    def artifact(self, key: str) -> dict[str, Any] | None:
        """Return the newest artifact with a key."""
        body = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 1}
        found: list[dict[str, Any]] = ask(f"{self.url}/api/artifacts/filter", body)
        return found[0] if found else None

    def has_artifact(self, key: str) -> bool:
        """Say whether there is an artifact with a key."""
        return self.artifact(key) is not None


@pytest.fixture
def user(tmp_path: Path, bundle: tuple[Path, str]) -> Iterator[User]:
    file = write_settings(
        tmp_path,
        bundle[0],
        "".join(center_table(name, role=role) for name, role in CENTERS.items()),
        node="quiet_period_s = 2.0\nsweep_interval_s = 0.2",
        prefect="overview_every_s = 2.0",
    )
    settings = Settings.load(file)
    url = f"http://127.0.0.1:{settings.system.prefect_port}"
    unset = {"PREFECT_API_URL", "ANNULUS_PSEUDONYM_KEY"}
    environment = {
        **{name: value for name, value in os.environ.items() if name not in unset},
        SETTINGS_VARIABLE: str(file),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_HOME": str(settings.node.folder / "system" / "prefect"),
    }
    one = User(tmp_path, settings.node.port, url, environment)
    yield one
    one.make("down")


def _push(user: User, peer: Callable[[str], str]) -> None:
    for name in CENTERS:
        rows = ["patient_id,age,sex,histology,stage,survival_days,event"]
        for number in range(PATIENTS):
            files = write_study(user.folder / "pacs" / f"{name}{number}", f"{name}{number}")
            if (name, number) == ("C", PATIENTS - 1):
                files = without_gtv(files)
            pushed = storescu(peer("storescu"), user.node_port, files, name)
            assert pushed.returncode == 0, pushed.stderr
            rows.append(
                f"{name}{number},{60 + number},{'mf'[number % 2]},adenocarcinoma,IIIA,"
                f"{300 + 200 * number},1"
            )
        drop = user.folder / "node" / "clinical_drop" / name
        drop.mkdir(parents=True)
        (drop / "table.csv").write_text("\n".join(rows) + "\n")


def test_the_first_hour_of_a_new_user(
    user: User, peer: Callable[[str], str], tmp_path: Path
) -> None:
    assert "The deployments are offered." in user.make("up")
    assert (tmp_path / "annulus.env").stat().st_mode & 0o777 == 0o600
    waiting = {"state": {"type": {"any_": ["SCHEDULED"]}}}
    scheduled = {"flows": {"name": {"any_": ["validate-center"]}}, "flow_runs": waiting}
    wait_until(
        lambda: len(ask(f"{user.url}/api/flow_runs/filter", scheduled)) >= 2,
        60,
        "cron schedules make runs",
    )

    _push(user, peer)
    registry = open_registry(NodeSettings.load(tmp_path / "annulus.toml").node)
    expected = {
        StudyState.EXTRACTED: PATIENTS,
        StudyState.SCORED: 2 * PATIENTS - 1,
        StudyState.QUARANTINED: 1,
    }
    wait_until(
        lambda: Counter(study.state for study in registry.studies.summaries()) == expected,
        180,
        "every study is done",
    )
    wait_until(
        lambda: len(user.runs("import-clinical")) == len(CENTERS),
        60,
        "the dropped tables are imported",
    )

    assert user.prefect("deployment", "run", "validate-center/B").returncode == 0
    for cohort in (
        '{"name": "early", "centers": ["B", "C"], "horizons_days": [365]}',
        '{"centers": ["B"], "as_of": "last week"}',
    ):
        asked = user.prefect(
            "deployment", "run", "validate-cohort/ad-hoc", "-p", f"cohort={cohort}"
        )
        assert asked.returncode == 0, asked.stderr
    misspelt = user.prefect(
        "deployment", "run", "validate-cohort/ad-hoc", "-p", 'cohort={"centres": ["B"]}'
    )
    assert misspelt.returncode != 0
    assert "Traceback" not in misspelt.stdout + misspelt.stderr
    wait_until(
        lambda: len(user.runs("validate-cohort")) == 2 and len(user.runs("validate-center")) == 1,
        300,
        "the reports",
    )
    messages = {run["name"]: run["state"]["message"] for run in user.runs("validate-cohort")}
    assert messages["early"].startswith(f"{2 * PATIENTS - 1} patients analysed")
    assert "last week is neither a file that exists nor a time" in messages["ad-hoc"]

    added = subprocess.run(
        [sys.executable, "-m", "flows", "portal-user", "add", "anna"],
        cwd=ROOT,
        env=user.environment,
        input=f"{PASSWORD}\n",
        text=True,
        capture_output=True,
        check=False,
    )
    assert added.stdout == "anna may look at every centre.\n", added.stderr
    with chromium(peer("chromium"), tmp_path / "profile", free_port()) as page:
        page.open(f"{user.url}/runs", "document.body.innerText.includes('Quarantined')")
        assert "validate-cohort" in page.text()
        _keep(page, tmp_path, "runs")
        of_scores = {
            "flows": {"name": {"any_": ["score-study"]}},
            "artifacts": {"type": {"any_": ["markdown"]}},
        }
        score, *_ = ask(f"{user.url}/api/artifacts/filter", of_scores)
        assert score["key"] is None  # else the server keeps it twice
        drawn = "[...document.images].some(one => one.naturalWidth === 240)"
        page.open(f"{user.url}/artifacts/artifact/{score['id']}", drawn)
        assert "risk: score" in page.text()
        _keep(page, tmp_path, "score")
        for key, shown in {
            "validation-early": "document.body.innerText.includes('hazard ratio')",
            "validation-early-report": "document.querySelector('a[href$=\"report.html\"]')",
            "center-overview": "document.body.innerText.includes('oldest waiting')",
        }.items():
            wait_until(partial(user.has_artifact, key), 60, key)
            page.open(f"{user.url}/artifacts/artifact/{(user.artifact(key) or {})['id']}", shown)
            _keep(page, tmp_path, key)
            if key == "validation-early":
                pictures = page.value(
                    "[...document.links].find(one => one.text == 'Its pictures').href"
                )
            if key.endswith("-report"):
                report = page.value("document.querySelector('a[href$=\"report.html\"]').href")
        page.open(pictures, "[...document.images].some(one => one.naturalWidth > 300)")
        _keep(page, tmp_path, "validation-early-pictures")
        # The portal asks who it is, and goes on to where the link leads
        page.open(report, "document.querySelector('input[type=password]')")
        page.tab_to("at.id == 'name'")
        page.type("anna")
        page.press("Tab")
        page.type(PASSWORD)
        page.press("Enter")
        question = "Does the score order patients?"
        wait_until(lambda: question in page.text(), 30, "the report", evidence=page.text)
        _keep(page, tmp_path, "report")
        page.open(urljoin(report, "/"), "document.body.innerText.includes('Where everything is')")
        assert "It has run since" in page.text()
        _keep(page, tmp_path, "portal")

    assert "Everything is stopped." in user.make("down")
    mine = [
        path
        for path in Path("/proc").glob("[0-9]*/environ")
        if str(tmp_path).encode() in _read(path)
    ]
    left = {
        path.parent.name: _read(path.with_name("cmdline")).replace(b"\0", b" ").decode()
        for path in mine
        if path.parent.name != str(os.getpid())
    }
    assert not left


def _keep(page: Any, tmp_path: Path, name: str) -> None:
    folder = Path(SCREENSHOTS) if SCREENSHOTS else tmp_path / "pictures"
    folder.mkdir(exist_ok=True)
    page.picture(folder / f"{name}.png")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
