"""Prefect's server as this system starts it: leases outlive it, notices become its events in spite
of its death, and its pages ask no other host.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deploy.local.processes import LocalSystem, free_port
from flows.notices.failed_validations import failed_validations
from tests.support.browser import chromium
from tests.support.intake_bench import Bench
from tests.support.notifying import start_notifier
from tests.support.waiting import wait_until
from tests.support.web import ask

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(600)]

BUSY = 503
SCREENSHOTS = os.environ.get("ANNULUS_SCREENSHOTS")
"""Folder in which the pictures of the UI are left for people to look at."""


class PrefectServer(LocalSystem):
    """Prefect's server, which can be ended and started again."""

    def again(self, number: signal.Signals) -> None:
        """End the server by a signal and start it anew."""
        process = self._parts.pop("prefect")
        process.send_signal(number)
        process.wait(60)
        self.start_prefect_server()
        self.wait_for_prefect()

    def asked(self, path: str, body: object) -> Any:
        """Return what the API answers, asked again while it is busy with its start, as Prefect's
        own client does.
        """
        for _ in range(60):
            try:
                return ask(f"{self.prefect_url}/api/{path}", body)
            except HTTPError as error:
                if error.code != BUSY:
                    raise
            time.sleep(0.5)
        return ask(f"{self.prefect_url}/api/{path}", body)

    def renewed(self, lease: str) -> int:
        """Renew a lease as a run does that lives; return the status of the answer, which is 503
        as long as the server is busy with its start.
        """
        url = f"{self.prefect_url}/api/v2/concurrency_limits/leases/{lease}/renew"
        headers = {"Content-Type": "application/json"}
        try:
            with urlopen(Request(url, b'{"lease_duration": 300}', headers), timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            if error.code != BUSY:
                raise
            return error.code


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with PrefectServer(tmp_path_factory.mktemp("prefect"), {}) as system:
        system.start_prefect_server()
        system.wait_for_prefect()
        yield system


def test_the_lease_of_a_run_outlives_the_server(server: PrefectServer) -> None:
    server.asked("v2/concurrency_limits/", {"name": "validation", "limit": 1})
    wanted = {"names": ["validation"], "slots": 1, "mode": "concurrency", "lease_duration": 300}
    lease = server.asked("v2/concurrency_limits/increment-with-lease", wanted)["lease_id"]
    for number in (signal.SIGTERM, signal.SIGKILL):
        server.again(number)
        wait_until(lambda: server.renewed(lease) < 300, 60, "the lease is renewed")


def test_runs_that_wait_for_their_deployment_are_served_in_order(server: PrefectServer) -> None:
    flow = server.asked("flows/", {"name": "slow"})["id"]
    wanted = {"name": "one-at-a-time", "flow_id": flow, "concurrency_limit": 1}
    deployment = server.asked("deployments/", wanted)["id"]
    first, second, third = (
        server.asked(f"deployments/{deployment}/create_flow_run", {})["id"] for _ in range(3)
    )

    def begins(run: str) -> bool:
        asked = {"state": {"type": "PENDING"}, "force": False}
        return bool(server.asked(f"flow_runs/{run}/set_state", asked)["status"] == "ACCEPT")

    assert begins(first)
    assert not begins(second)
    assert not begins(third)
    ended = {"state": {"type": "COMPLETED"}, "force": True}
    server.asked(f"flow_runs/{first}/set_state", ended)
    assert not begins(third)
    assert begins(second)
    server.asked(f"flow_runs/{second}/set_state", ended)
    assert begins(third)


def test_each_notice_becomes_one_event_though_server_and_notifier_are_killed(
    server: PrefectServer, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "node")
    file = tmp_path / "annulus.toml"
    file.write_text(
        f"[node]\nfolder = '{bench.folder}'\nminimum_free_bytes = 0\n"
        f"[prefect]\napi_url = '{server.prefect_url}/api'\nlease_s = 1.0\n"
        "first_retry_s = 0.2\nlongest_retry_s = 1.0\n[notify]\nlook_every_s = 0.2\n"
    )
    environment = {
        "PREFECT_API_URL": f"{server.prefect_url}/api",
        "PREFECT_HOME": str(tmp_path / "prefect"),
    }
    keys = []
    for number in range(4):
        keys.append(bench.quarantined(number + 1))
        notifier = start_notifier(file, {}, environment)
        time.sleep(1.5)
        if number == 2:
            server.again(signal.SIGKILL)
        notifier.kill()
        notifier.join()
    notifier = start_notifier(file, {}, environment)
    wait_until(
        lambda: (
            bench.registry.notices.open()[1] == len(keys)
            and not bench.registry.notice_sendings.untold()
        ),
        120,
        "every notice has become an event",
        evidence=lambda: str(bench.registry.notice_sendings.untold()),
    )
    notifier.kill()
    notifier.join()
    bench.close()
    server.again(signal.SIGKILL)
    asked = {"filter": {"event": {"name": ["annulus.notice.quarantined"]}}}
    events = server.asked("events/filter", asked)["events"]
    assert sorted(one["payload"]["subject"] for one in events) == sorted(keys)


def test_a_validation_that_failed_last_is_a_cause(server: PrefectServer) -> None:
    flow = server.asked("flows/", {"name": "validate-center"})["id"]
    by_hand = server.asked("flows/", {"name": "validate-cohort"})["id"]

    def ended(flow_id: str, center: str, state: str, name: str, message: str) -> None:
        wanted = {"flow_id": flow_id, "name": f"{center} {name}", "parameters": {"center": center}}
        run = server.asked("flow_runs/", wanted)["id"]
        for one in ({"type": "RUNNING"}, {"type": state, "name": name, "message": message}):
            asked = {"state": one, "force": True}
            assert server.asked(f"flow_runs/{run}/set_state", asked)["status"] == "ACCEPT"

    ended(flow, "B", "FAILED", "Refused", "There are 3 patients, expected 20. Score more.")
    ended(flow, "C", "FAILED", "Failed", "KeyError: a value of somebody")
    ended(flow, "C", "COMPLETED", "Completed", "done")
    ended(flow, "D", "COMPLETED", "Completed", "done")
    ended(flow, "D", "CRASHED", "Crashed", "no sign of life")
    ended(by_hand, "E", "FAILED", "Refused", "No such centre.")
    ended(by_hand, "F", "FAILED", "Failed", "KeyError: a value of somebody")
    with (
        temporary_settings({PREFECT_API_URL: f"{server.prefect_url}/api"}),
        get_client(sync_client=True) as client,
    ):
        found = list(failed_validations(client, datetime.now(UTC)))
        assert list(failed_validations(client, datetime.now(UTC) + timedelta(days=8))) == []
    said = {one.center: one.sentence for one in found}
    assert said.keys() == {"B", "D", None}
    assert said["B"] == (
        "The validation of centre B ended as Refused (run B Refused). There are 3 patients, "
        "expected 20. Score more."
    )
    assert "ended as Crashed" in said["D"]
    assert "somebody" not in said[None]
    assert "validate-cohort ended as Failed" in said[None]


def test_no_page_of_the_ui_asks_another_host(
    server: PrefectServer, peer: Callable[[str], str], tmp_path: Path
) -> None:
    assert ask(f"{server.prefect_url}/ui-settings")["available_uis"] == ["v1"]
    with chromium(peer("chromium"), tmp_path / "profile", free_port()) as page:
        page.open(server.prefect_url, "document.querySelectorAll('a[href]').length > 8")
        every = page.value("[...document.querySelectorAll('a[href]')].map(one => one.href)")
        links = sorted({link for link in every if link.startswith(server.prefect_url)})
        assert len(links) > 8
        for link in links:
            page.open(link, "document.body.innerText.length > 120")
            page.value("[...document.querySelectorAll('main button')].forEach(one => one.click())")
            page.picture(_pictures(tmp_path) / f"ui{urlsplit(link).path.replace('/', '-')}.png")
        page.open(f"{server.prefect_url}/v2/dashboard", "document.body !== null")
    assert page.hosts == {urlsplit(server.prefect_url).netloc}


def _pictures(folder: Path) -> Path:
    found = Path(SCREENSHOTS) if SCREENSHOTS else folder / "pictures"
    found.mkdir(exist_ok=True)
    return found
