"""When one machine is too small: PostgreSQL for Prefect and registry, an object store, a password,
a process worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from deploy.local.processes import LocalSystem
from dicom_node.registry.registry import StudyState
from tests.support.object_store import ObjectStore
from tests.support.postgresql import PostgreSQL
from tests.support.running_installation import Running
from tests.support.settings_tables import center_table
from tests.support.synthetic_studies import write_study
from tests.support.waiting import wait_until
from tests.support.web import ask

pytestmark = [pytest.mark.peers, pytest.mark.slow]

PATIENTS = 2
POOL = "annulus"
PASSWORD = "admin:secret"  # noqa: S105 - of a server that lives as long as its test


@pytest.fixture
def running(
    tmp_path: Path, bundle: tuple[Path, str], postgresql: PostgreSQL, object_store: ObjectStore
) -> Iterator[Running]:
    settings = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgresql.new_database("postgresql+asyncpg"),
        "PREFECT_SERVER_API_AUTH_STRING": PASSWORD,
    }
    with LocalSystem(tmp_path / "prefect", settings) as server:
        server.start_prefect_server()
        server.wait_for_prefect(600)
        one = Running(
            tmp_path / "installation",
            server.prefect_port,
            center_table("B"),
            bundle,
            registry_url=postgresql.new_schema(),
            store=f"{object_store.new_bucket()}/features",
        )
        one.system.environment["PREFECT_API_AUTH_STRING"] = PASSWORD
        with one.system:
            yield one
        one.registry.close()


def _prefect(running: Running, *arguments: str) -> None:
    done = running.run_prefect(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_flows_run_on_servers_of_their_own(
    running: Running, peer: Callable[[str], str], tmp_path: Path
) -> None:
    running.system.start_node(running.port)
    running.system.start_dispatcher()
    rows = ["patient_id,age,sex,histology,stage,survival_days,event"]
    for number in range(PATIENTS):
        assert running.push(peer, write_study(tmp_path / f"P{number}", f"P{number}"), "B") == 0
        rows.append(
            f"P{number},{60 + number},{'mf'[number % 2]},adenocarcinoma,IIIA,{300 + 200 * number},1"
        )
    (tmp_path / "clinical.csv").write_text("\n".join(rows) + "\n")
    assert running.run_flow("import-clinical", "B", str(tmp_path / "clinical.csv")).returncode == 0

    _prefect(running, "work-pool", "create", POOL, "--type", "process")
    registered = running.run_flow("deploy", POOL)
    assert registered.returncode == 0, registered.stderr
    assert "validate-center/B" in registered.stdout
    running.system.start("worker", "prefect", "worker", "start", "--pool", POOL, "--limit", "1")
    running.wait_for(PATIENTS, StudyState.SCORED, timeout_s=400)

    _prefect(running, "deployment", "run", "validate-center/B")
    ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}
    body = {"flows": {"name": {"any_": ["validate-center"]}}, "flow_runs": ended}
    url = f"{running.system.prefect_url}/api/flow_runs/filter"
    with pytest.raises(HTTPError, match="401"):
        ask(url, body)
    wait_until(lambda: bool(ask(url, body, PASSWORD)), 400, "the worker has run the validation")
    (run,) = ask(url, body, PASSWORD)
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert run["state"]["message"].startswith(f"{PATIENTS} patients analysed")
    running.system.kill(
        "worker"
    )  # asked to end, Prefect's idle worker would take more than a minute
    assert not (running.folder / "node" / "registry.sqlite").exists()
    assert not (running.folder / "node" / "feature_store").exists()
