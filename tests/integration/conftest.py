"""A whole installation on free ports in a temporary folder, and a real Orthanc as the centres'
PACS.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from deploy.local.processes import ROOT, LocalSystem, free_port
from dicom_node.registry.registry import Registry, StudyState, StudySummary, open_registry
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SETTINGS_VARIABLE, NodeSettings
from feature_store.tables.store import FeatureStore
from tests.support.frozen_test_bundle import freeze_test_bundle
from tests.support.object_store import ObjectStore
from tests.support.postgresql import PostgreSQL
from tests.support.processes import KillableSystem

Place = Callable[[], Mapping[str, str]]


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait for another process to reach a state that it shows; fail with what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.1)


def ask(url: str, body: object | None = None, password: str | None = None) -> Any:
    """Return the JSON answer of a loopback server; a body makes it a POST, ``user:password`` is
    given if there is.
    """
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if password is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    with urlopen(Request(url, data=data, headers=headers), timeout=30) as answer:
        return json.loads(answer.read())


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc."""

    ae_title: str
    dicom_port: int
    url: str

    def instances(self) -> list[dict[str, Any]]:
        """Return the main tags of every instance, with those of its study."""
        found = []
        for instance in ask(f"{self.url}/instances"):
            tags = ask(f"{self.url}/instances/{instance}/simplified-tags")
            found.append({**tags, "orthanc": instance})
        return found

    def fetch(self, instance: str, path: Path) -> None:
        """Write the file of one instance to `path`."""
        with urlopen(f"{self.url}/instances/{instance}/file", timeout=30) as answer:
            path.write_bytes(answer.read())


@pytest.fixture
def orthanc(tmp_path: Path, peer: Callable[[str], str]) -> Iterator[Orthanc]:
    program = peer("Orthanc")
    dicom_port, http_port = free_port(), free_port()
    configuration = tmp_path / "orthanc.json"
    configuration.write_text(
        json.dumps(
            {
                "StorageDirectory": str(tmp_path / "orthanc"),
                "IndexDirectory": str(tmp_path / "orthanc"),
                "DicomAet": "ORTHANC",
                "DicomPort": dicom_port,
                "HttpPort": http_port,
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "DicomAlwaysAllowStore": True,
                "OverwriteInstances": False,
            }
        )
    )
    with (tmp_path / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([program, str(configuration)], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{http_port}"
    try:
        wait_until(
            lambda: process.poll() is None and _answers(f"{url}/system"), 60, "Orthanc answers"
        )
        yield Orthanc("ORTHANC", dicom_port, url)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A frozen bundle, and its digest."""
    folder = tmp_path_factory.mktemp("bundle") / "frozen"
    return folder, freeze_test_bundle(folder)


@pytest.fixture(scope="session")
def new_place(request: pytest.FixtureRequest) -> Place:
    """Say where an installation keeps registry and features: in its own folder, unless servers are
    asked for.
    """
    if not request.config.getoption("--on-servers"):
        return dict
    database: PostgreSQL = request.getfixturevalue("postgresql")
    objects: ObjectStore = request.getfixturevalue("object_store")
    return lambda: {
        "registry_url": database.new_schema(),
        "store": f"{objects.new_bucket()}/features",
    }


@pytest.fixture(scope="session")
def prefect_port(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of one Prefect server for all integration tests: its first start takes half a
    minute.
    """
    environment = {}
    if request.config.getoption("--on-servers"):
        database: PostgreSQL = request.getfixturevalue("postgresql")
        environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database.new_database(
            "postgresql+asyncpg"
        )
    with LocalSystem(tmp_path_factory.mktemp("prefect"), environment) as system:
        system.start_prefect_server()
        system.wait_for_prefect()
        yield system.prefect_port


class Running:
    """One installation under test: its processes, settings and registry."""

    def __init__(
        self,
        folder: Path,
        prefect_port: int,
        centers: str,
        bundle: tuple[Path, str],
        registry_url: str | None = None,
        store: str | None = None,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.bundle_digest = bundle[1]
        self.store = FeatureStore(store or str(folder / "node" / "feature_store"))
        self.settings = folder / "annulus.toml"
        self.settings.write_text(
            f"[node]\nport = {self.port}\nfolder = '{folder / 'node'}'\nquiet_period_s = "
            "2.0\nsweep_interval_s = 0.2\ndelivery_first_retry_s = 0.5\n"
            + (f"registry_url = '{registry_url}'\n" if registry_url else "")
            + (f"[features]\nstore = '{store}'\n" if store else "")
            + "[prefect]\nlease_s = 6.0\nfirst_retry_s = 1.0\npoll_interval_s = 0.1\n"
            f"[model]\nbundle = '{bundle[0]}'\ndigest = '{bundle[1]}'\n{centers}"
        )
        self.environment = {
            PSEUDONYM_KEY_VARIABLE: secrets.token_hex(32),
            SETTINGS_VARIABLE: str(self.settings),
        }
        self.system = KillableSystem(folder, self.environment, prefect_port)
        self._registry = open_registry(NodeSettings.load(self.settings).node)

    @property
    def registry(self) -> Registry:
        """The node's registry."""
        return self._registry

    def start(self) -> None:
        """Start the node and the dispatcher."""
        self.system.start_node(self.port)
        self.system.start_dispatcher()

    def push(self, peer: Callable[[str], str], files: Sequence[Path], calling: str) -> int:
        """Push files in this order on one association with DCMTK's storescu; return its exit
        code.
        """
        command = [
            peer("storescu"),
            "-aet",
            calling,
            "-aec",
            "ANNULUS",
            "127.0.0.1",
            str(self.port),
        ]
        done = subprocess.run(
            [*command, *map(str, files)], check=False, capture_output=True, timeout=300
        )
        return done.returncode

    def studies(self, *states: StudyState) -> list[StudySummary]:
        """Return the studies that are in one of the states."""
        return [study for study in self.registry.studies() if not states or study.state in states]

    def state_of(self, study_key: str) -> StudyState:
        """Return the state of one study."""
        return next(
            study.state for study in self.registry.studies() if study.study_key == study_key
        )

    def wait_for(
        self, count: int, *states: StudyState, timeout_s: float = 300
    ) -> list[StudySummary]:
        """Wait until `count` studies are in one of the states, and return them."""
        wait_until(
            lambda: len(self.studies(*states)) >= count,
            timeout_s,
            f"{count} studies {[state.value for state in states]}",
        )
        return self.studies(*states)

    def use_bundle(self, folder: Path) -> None:
        """Let the dispatcher, when it starts next, score with another folder under the same pinned
        digest.
        """
        lines = self.settings.read_text().splitlines()
        self.settings.write_text(
            "\n".join(
                f"bundle = '{folder}'" if line.startswith("bundle = ") else line for line in lines
            )
            + "\n"
        )

    def run_flow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of ``python -m flows`` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "flows", *arguments],
            cwd=ROOT,
            env=self.system.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def wait_until_idle(self) -> None:
        """Wait until nothing waits in the outbox and the quiet period of every study is over."""
        wait_until(self._is_idle, 60, "the outbox is empty")

    def _is_idle(self) -> bool:
        waiting = self.registry.outbox_state()
        settled = all(
            study.state not in {StudyState.RECEIVING, StudyState.QUEUED} for study in self.studies()
        )
        return settled and waiting["waiting"] == waiting["claimed"] == 0

    def kill_worker(self) -> None:
        """Kill the dispatcher's scoring process, not the dispatcher (SIGKILL)."""
        dispatcher = self.system.pid("dispatcher")
        (worker,) = [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/stat")
            if _parent(path) == dispatcher
            and b"spawn_main" in (path.parent / "cmdline").read_bytes()
        ]
        os.kill(worker, signal.SIGKILL)

    def own_runs(self) -> list[dict[str, Any]]:
        """Return the Prefect runs of this installation's studies."""
        keys = {study.study_key for study in self.studies()}
        return [run for run in self.flow_runs() if run["parameters"].get("study_key") in keys]

    def own_steps(self) -> list[dict[str, Any]]:
        """Return the task runs of this installation's studies."""
        own = {"id": {"any_": [run["id"] for run in self.own_runs()]}}
        steps: list[dict[str, Any]] = ask(
            f"{self.system.prefect_url}/api/task_runs/filter", {"flow_runs": own}
        )
        return steps

    def flow_runs(self) -> list[dict[str, Any]]:
        """Return the Prefect runs of the last start of the shared server, newest first."""
        runs: list[dict[str, Any]] = ask(
            f"{self.system.prefect_url}/api/flow_runs/filter",
            {"sort": "START_TIME_DESC", "limit": 200},
        )
        return runs


@pytest.fixture(scope="module")
def start_installation(
    tmp_path_factory: pytest.TempPathFactory,
    prefect_port: int,
    bundle: tuple[Path, str],
    new_place: Place,
) -> Iterator[Callable[[str], Running]]:
    """Start installations with the given ``[center]`` tables; all are stopped at the end of the
    module.
    """
    started: list[Running] = []

    def start(centers: str) -> Running:
        running = Running(
            tmp_path_factory.mktemp("installation"), prefect_port, centers, bundle, **new_place()
        )
        running.system.__enter__()
        started.append(running)
        running.start()
        return running

    yield start
    for running in started:
        running.system.__exit__(None, None, None)
        running.registry.close()


def _parent(stat: Path) -> int | None:
    try:
        return int(stat.read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except OSError:
        return False
